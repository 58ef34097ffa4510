"""Whose a browser's request is, and the sessions of browsers."""

from ipaddress import ip_network

import pytest

from guard.control.console.access import ANYBODY, Asked, Browsers, Foreign, Proxy
from guard.control.console.sessions import IDLE, LONGEST, MOST, Sessions
from guard.control.gate import CONSOLE_OFF, Gate, Problem
from guard.control.tokens import Identity, Tokens, line

OTTO = Identity("otto", "operator")
HOST = (b"host", b"guard.test:8901")
SAME = (b"sec-fetch-site", b"same-origin")
PROXY = Proxy([ip_network("10.0.0.0/8")], b"x-user", b"x-groups", frozenset(("sre",)))
Headers = list[tuple[bytes, bytes]]


class Stand:
    """Sessions of one token on a clock that the test moves."""

    def __init__(self, proxy: Proxy | None = None) -> None:
        self.now = 1000.0
        self.tokens = Tokens(line("otto", "operator", "of-otto"))
        self.sessions = Sessions(lambda digest: self.tokens.holder(digest), lambda: self.now)
        self.browsers = Browsers(self.sessions, proxy, secure=False)
        self.gate = Gate(self.tokens.identify, frozenset(("guard.test",)), lambda: self.now, self.browsers)

    def signed_in(self) -> tuple[bytes, bytes]:
        """The cookie of a new session."""
        identifier = self.sessions.open("of-otto")
        assert identifier is not None
        return b"cookie", f"theme=dark; guard={identifier}".encode()

    def judge(self, method: str, path: str, *headers: tuple[bytes, bytes], peer: str = "127.0.0.1") -> object:
        """The gate's verdict; the code of a refusal."""
        verdict = self.gate.judge([HOST, *headers], Asked(method, path, peer))
        return verdict.status if isinstance(verdict, Problem) else verdict


def test_a_session_stands_for_its_token_until_the_token_is_withdrawn() -> None:
    stand = Stand()
    cookie = stand.signed_in()
    assert stand.judge("GET", "/admin/v1/status", cookie, SAME) == OTTO
    stand.tokens = Tokens("")
    assert stand.judge("GET", "/admin/v1/status", cookie, SAME) == 401


def test_a_token_that_is_replaced_ends_the_sessions_of_the_old_one() -> None:
    stand = Stand()
    cookie = stand.signed_in()
    stand.tokens = Tokens(line("otto", "operator", "another"))
    assert stand.judge("PUT", "/admin/v1/mode", cookie, SAME) == 401


def test_a_session_ends_idle_and_at_its_longest() -> None:
    stand = Stand()
    cookie = stand.signed_in()
    stand.now += IDLE - 1
    assert stand.judge("GET", "/admin/v1/status", cookie) == OTTO
    stand.now += IDLE
    assert stand.judge("GET", "/admin/v1/status", cookie) == 401
    cookie, begun = stand.signed_in(), stand.now
    while stand.now < begun + LONGEST:
        stand.now += IDLE / 2
        last = stand.judge("GET", "/admin/v1/status", cookie)
    assert last == 401


def test_the_sessions_are_bounded_and_the_one_unused_longest_goes() -> None:
    stand = Stand()
    first = stand.signed_in()
    for _ in range(MOST):
        stand.now += 1
        last = stand.signed_in()
    assert len(stand.sessions) == MOST
    assert (stand.judge("GET", "/x", first), stand.judge("GET", "/x", last)) == (401, OTTO)


def test_signing_out_ends_the_session() -> None:
    stand = Stand()
    cookie = stand.signed_in()
    stand.sessions.close(stand.browsers.identifier([cookie[1]]))
    assert stand.judge("GET", "/admin/v1/status", cookie, SAME) == 401


def test_neither_a_token_nor_an_identifier_is_kept() -> None:
    stand = Stand()
    identifier = stand.sessions.open("of-otto")
    assert identifier is not None
    kept = repr(vars(stand.sessions))
    assert "of-otto" not in kept
    assert identifier not in kept


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"none")],
        [SAME, (b"origin", b"http://evil.test")],
        [(b"origin", b"http://guard.test:8902")],
        [(b"origin", b"null")],
        [(b"origin", b"http://[")],
        [SAME, (b"sec-fetch-site", b"cross-site")],
    ],
)
def test_another_page_gives_no_order(headers: Headers) -> None:
    stand = Stand()
    assert stand.judge("PUT", "/admin/v1/mode", stand.signed_in(), *headers) == 403
    assert stand.judge("POST", "/console/session", *headers) == 403


@pytest.mark.parametrize(
    "headers", [[SAME], [(b"origin", b"http://guard.test:8901")], [SAME, (b"origin", b"https://guard.test:8901")]]
)
def test_this_page_gives_orders(headers: Headers) -> None:
    stand = Stand()
    assert stand.judge("PUT", "/admin/v1/mode", stand.signed_in(), *headers) == OTTO
    assert stand.judge("POST", "/console/session", *headers) == ANYBODY


def test_the_page_is_anybodys_and_the_api_is_not() -> None:
    stand = Stand()
    for path in ("/", "/console/", "/console/console.mjs"):
        assert stand.judge("GET", path) == ANYBODY
    for path in ("/admin/v1/status", "/console2", "/consolex/"):
        assert stand.judge("GET", path) == 401


def test_a_cookie_does_not_help_a_request_for_another_host() -> None:
    stand = Stand()
    verdict = stand.gate.judge([(b"host", b"evil.test"), stand.signed_in(), SAME], Asked("GET", "/admin/v1/status", ""))
    assert isinstance(verdict, Problem)
    assert verdict.status == 421


def test_two_cookies_of_one_name_are_nobodys() -> None:
    stand = Stand()
    cookie = stand.signed_in()
    assert stand.judge("GET", "/admin/v1/status", (b"cookie", b"guard=planted; " + cookie[1]), SAME) == 401


def test_a_command_with_a_token_needs_no_browser() -> None:
    stand = Stand()
    assert stand.judge("PUT", "/admin/v1/mode", (b"authorization", b"Bearer of-otto")) == OTTO


@pytest.mark.parametrize(
    ("peer", "headers", "result"),
    [
        ("10.1.2.3", [(b"x-user", b"vera@example.org")], Identity("vera@example.org", "viewer")),
        ("::ffff:10.1.2.3", [(b"x-user", b"vera")], Identity("vera", "viewer")),
        ("10.1.2.3", [(b"x-user", b"vera"), (b"x-groups", b"dev, sre")], Identity("vera", "operator")),
        ("10.1.2.3", [(b"x-user", b"vera"), (b"x-groups", b"dev,sre2")], Identity("vera", "viewer")),
        ("10.1.2.3", [(b"x-user", b"vera"), (b"x-user", b"otto")], 401),
        ("10.1.2.3", [(b"x-user", b" ")], 401),
        ("10.1.2.3", [(b"x-user", b"a\x00b")], 401),
        ("11.1.2.3", [(b"x-user", b"vera"), (b"x-groups", b"sre")], 401),
        ("", [(b"x-user", b"vera")], 401),
    ],
)
def test_a_proxy_is_believed_from_its_networks_only(peer: str, headers: Headers, result: object) -> None:
    assert Stand(PROXY).judge("GET", "/admin/v1/status", *headers, SAME, peer=peer) == result


def test_a_person_of_a_proxy_gives_no_order_through_another_page() -> None:
    headers = [(b"x-user", b"vera"), (b"x-groups", b"sre")]
    assert Stand(PROXY).judge("PUT", "/admin/v1/mode", *headers, (b"origin", b"http://evil.test"), peer="10.1.2.3") == 403


def test_where_the_console_is_off_a_browser_is_told_so_in_a_sentence() -> None:
    gate = Gate({}.get, frozenset(("guard.test",)))
    assert gate.judge([HOST], Asked("GET", "/", "127.0.0.1")) == Problem(404, "not_found", CONSOLE_OFF)
    refused = gate.judge([HOST], Asked("GET", "/console/", "127.0.0.1"))
    assert isinstance(refused, Problem)
    assert refused.status == 401


def test_under_tls_the_cookie_is_bound_to_the_host() -> None:
    assert Browsers(Stand().sessions, None, secure=True).cookie.startswith("__Host-")
    assert not isinstance(Browsers(Stand().sessions, None, secure=True).judge(Asked("GET", "/", ""), []), Foreign)
