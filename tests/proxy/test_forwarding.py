"""Who asked, as the model server is told it."""

from ipaddress import ip_network

import pytest

from guard.proxy.forwarding import forward, passes, peer
from guard.proxy.listener_state import Limits, ListenerState
from guard.proxy.values import Head, Headers
from tests.proxy.stand import answering, post, run, standing

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
CLAIMS: Headers = [
    (b"via", b"1.0 fred, 1.1 p"),
    (b"x-forwarded-for", b"6.6.6.6"),
    (b"x-forwarded-for", b"7.7.7.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"shop.example"),
    (b"x-forwarded-user", b"root"),
    (b"forwarded", b"for=6.6.6.6"),
    (b"x-real-ip", b"6.6.6.6"),
    (b"x-guard-source", b"model"),
    (b"x-mine", b"1"),
]
PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def sent(headers: Headers, *, trusted: str = "", address: str = "10.1.2.3", secure: bool = False) -> Headers:
    networks = (ip_network(trusted),) if trusted else ()
    known = peer(address, secure=secure, via=b"us", trusted=networks)
    head = Head(b"GET", b"/", headers, peer=known, host=b"g.example", trace=dict(headers).get(b"traceparent", b""))
    return forward(head, "id-1", None, passes(False, b""), frozenset())


def test_what_a_stranger_says_of_itself_is_replaced() -> None:
    assert sent(CLAIMS) == [
        (b"x-mine", b"1"),
        (b"via", b"1.1 us"),
        (b"x-forwarded-for", b"10.1.2.3"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"g.example"),
        (b"x-guard-request-id", b"id-1"),
    ]


def test_what_a_trusted_proxy_says_is_kept_and_ours_stands_to_its_right() -> None:
    assert sent(CLAIMS, trusted="10.0.0.0/8", secure=True) == [
        (b"x-forwarded-user", b"root"),
        (b"x-mine", b"1"),
        (b"via", b"1.0 fred, 1.1 p, 1.1 us"),
        (b"x-forwarded-for", b"6.6.6.6, 7.7.7.7, 10.1.2.3"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"shop.example"),
        (b"forwarded", b'for=6.6.6.6, for=10.1.2.3;host="g.example";proto=https'),
        (b"x-real-ip", b"6.6.6.6"),
        (b"x-guard-request-id", b"id-1"),
    ]


def test_a_trusted_proxy_that_says_nothing_is_named_like_any_peer() -> None:
    quiet = dict(sent([], trusted="fd00::/8", address="fd00::1"))
    assert quiet == dict(sent([], address="fd00::1"))
    forwarded = dict(sent([(b"forwarded", b"for=x")], trusted="fd00::/8", address="fd00::1"))[b"forwarded"]
    assert forwarded == b'for=x, for="[fd00::1]";host="g.example";proto=http'


def test_connection_cannot_nominate_our_words_away() -> None:
    names = b"via, x-forwarded-for, x-forwarded-host, x-guard-request-id, traceparent"
    assert dict(sent([(b"connection", names)])) == dict(sent([]))
    assert dict(sent([(b"connection", names)], trusted="10.0.0.0/8")) == dict(sent([], trusted="10.0.0.0/8"))


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
@pytest.mark.parametrize(
    "name",
    [
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"x-original-url",
        b"x-original-uri",
        b"x-rewrite-url",
    ],
)
def test_no_field_makes_the_model_server_answer_another_request_than_was_judged(name: bytes, trusted: str) -> None:
    assert dict(sent([(name, b"/v2/repository/index")], trusted=trusted)) == dict(sent([], trusted=trusted))


@pytest.mark.parametrize(
    ("parent", "trusted", "kept"),
    [
        (PARENT, "", PARENT[:-2] + b"00"),
        (PARENT, "10.0.0.0/8", PARENT),
        (PARENT[:-2] + b"03", "", PARENT[:-2] + b"02"),
        (PARENT.upper(), "", None),
        (b"01" + PARENT[2:], "10.0.0.0/8", PARENT),  # of a later version what is known of it, as version 00
        (b"01" + PARENT[2:] + b"-x", "10.0.0.0/8", PARENT),
        (b"01" + PARENT[2:] + b"x", "10.0.0.0/8", None),
        (b"ff" + PARENT[2:], "10.0.0.0/8", None),
        (b"00-" + b"0" * 32 + PARENT[35:], "", None),
        (PARENT + b"-x", "", None),
    ],
)
def test_a_trace_goes_on_and_only_friends_have_it_sampled(parent: bytes, trusted: str, kept: bytes | None) -> None:
    headers = dict(sent([(b"traceparent", parent), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")], trusted=trusted))
    assert headers.get(b"traceparent") == kept
    assert headers.get(b"tracestate") == (b"a=1,b=2" if kept and trusted else None)


def test_two_parents_are_none_and_states_are_bounded() -> None:
    assert b"traceparent" not in dict(sent([(b"traceparent", PARENT), (b"traceparent", PARENT)]))
    good = [(b"traceparent", PARENT), (b"tracestate", b"a=1")]
    assert dict(sent(good, trusted="10.0.0.0/8"))[b"tracestate"] == b"a=1"
    for state in (b"a=" + b"x" * 600, b",".join([b"a=1"] * 33), b"a=1,=2", b"A=1", b"a=\x01"):
        bad = [(b"traceparent", PARENT), (b"tracestate", state)]
        assert b"tracestate" not in dict(sent(bad, trusted="10.0.0.0/8"))
    assert b"tracestate" not in dict(sent([(b"tracestate", b"a=1")], trusted="10.0.0.0/8"))


@LOOPS
def test_a_loop_is_cut_at_its_second_round(loop: str) -> None:
    async def main() -> None:
        seen: list[tuple[bytes, bytes]] = []
        async with standing(answering(seen=seen)) as stand:
            assert (await stand.exchange(post("/p", b"{}", b"Via: 1.1 us")))[9:12] == b"400"
            assert seen == []
            assert (await stand.exchange(post("/p", b"{}", b"Via: 1.1 other")))[9:12] == b"200"
            assert b"\r\nvia: 1.1 us\r\n" in seen[0][0]

    run(main, loop)


@pytest.mark.parametrize(
    ("host", "good"),
    [
        (b"a", True), (b"a:80", True), (b"[::1]:8080", True), (b"xn--e1afmkfd.example", True), (b"127.0.0.1", True),
        (b"", False), (b"u:p@h", False), (b"a/b", False), (b"a/public?", False), (b"a,b", False), (b"[::1", False),
        (b"a b", False), (b"a:port", False), (b"a:", False), (b"a" * 256, False), (b"\xff", False), (b"a;b", False),
    ],
)  # fmt: skip
def test_hosts(host: bytes, good: bool) -> None:
    listener = ListenerState(None, Limits())  # type: ignore[arg-type]
    assert listener.is_host(host) is good
    assert listener.is_host(host) is good


def test_hosts_are_remembered_up_to_a_bound() -> None:
    listener = ListenerState(None, Limits())  # type: ignore[arg-type]
    assert all(listener.is_host(b"host-%d" % number) for number in range(3000))
    assert len(listener._hosts) == 1024
