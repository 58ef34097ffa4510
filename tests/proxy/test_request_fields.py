"""The fields of a request that frame it, route it or say who asked: the grammar of each, and what becomes of each form."""

import re

import pytest

from guard.control.admin import DIGITS
from guard.proxy.forwarding import forward, passes
from guard.proxy.values import Head, Headers, Peer
from guard.telemetry.prometheus import OPENMETRICS, TEXT, wanted
from tests.proxy.test_splits import in_loop, verdict

GOOD, BAD = 200, 400
FIELDS: dict[str, list[tuple[bytes, bytes, int]]] = {
    # lines beside the method · what follows the head · the status
    "Host, RFC 9110 §7.2": [
        (b"Host: a", b"", GOOD), (b"HOST:a", b"", GOOD), (b"Host: a:80", b"", GOOD), (b"Host: [::1]:1", b"", GOOD),
        (b"Host: \ta \t", b"", GOOD), (b"Host: a ", b"", GOOD), (b"Host: a%20b", b"", GOOD), (b"Host: A.Example", b"", GOOD),
        (b"", b"", BAD), (b"Host:", b"", BAD), (b"Host: a\r\nHost: a", b"", BAD), (b"Host: a, a", b"", BAD),
        (b"Host: u@a", b"", BAD), (b"Host: http://a", b"", BAD), (b"Host: a/p", b"", BAD), (b"Host: a:b", b"", BAD),
        (b"Host: a:", b"", BAD), (b"Host: a b", b"", BAD), (b"Host: [::1", b"", BAD), (b"Host: a:123456", b"", BAD),
    ],
    "Content-Length, RFC 9110 §8.6": [
        (b"Host: a\r\nContent-Length: 2", b"{}", GOOD), (b"Host: a\r\nContent-Length: 0", b"", GOOD),
        (b"Host: a\r\nContent-Length: 002", b"{}", GOOD), (b"Host: a\r\nContent-Length:\t2 ", b"{}", GOOD),
        (b"Host: a\r\nContent-Length:", b"", BAD), (b"Host: a\r\nContent-Length: -0", b"", BAD),
        (b"Host: a\r\nContent-Length: +2", b"{}", BAD), (b"Host: a\r\nContent-Length: 2.0", b"{}", BAD),
        (b"Host: a\r\nContent-Length: 0x2", b"{}", BAD), (b"Host: a\r\nContent-Length: 2 2", b"{}", BAD),
        (b"Host: a\r\nContent-Length: 2, 2", b"{}", BAD), (b"Host: a\r\nContent-Length: 2\r\nContent-Length: 2", b"{}", BAD),
        (b"Host: a\r\nContent-Length: 2\r\nContent-Length: 3", b"{}", BAD), (b"Host: a\r\nContent-Length: \xb2", b"{}", BAD),
        (b"Host: a\r\nContent-Length: 18446744073709551616", b"", BAD), (b"Host: a\r\nContent-Length: 1e1", b"", BAD),
    ],
    "Transfer-Encoding, RFC 9112 §6.1": [
        (b"Host: a\r\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", GOOD),
        (b"Host: a\r\nTransfer-Encoding: chunked \t", b"0\r\n\r\n", BAD),  # of framing, nothing but the plain form
        (b"Host: a\r\nTransfer-Encoding: Chunked", b"0\r\n\r\n", GOOD), (b"Host: a\r\nTransfer-Encoding: gzip", b"", BAD),
        (b"Host: a\r\nTransfer-Encoding: gzip, chunked", b"0\r\n\r\n", BAD), (b"Host: a\r\nTransfer-Encoding:", b"", BAD),
        (b"Host: a\r\nTransfer-Encoding: chunked, chunked", b"0\r\n\r\n", BAD),
        (b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", BAD),
        (b"Host: a\r\nTransfer-Encoding: identity", b"", BAD), (b"Host: a\r\nTransfer-Encoding: xchunked", b"", BAD),
        (b"Host: a\r\nTransfer-Encoding: chunked;q=1", b"0\r\n\r\n", BAD),
        (b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n", BAD),
        (b"Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", BAD),
        (b'Host: a\r\nTransfer-Encoding: "chunked"', b"0\r\n\r\n", BAD),
    ],
    "Expect, RFC 9110 §10.1.1": [
        (b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 2", b"{}", GOOD),
        (b"Host: a\r\nExpect: 100-continue \t\r\nContent-Length: 2", b"{}", GOOD),
        (b"Host: a\r\nExpect: 100-Continue\r\nContent-Length: 2", b"{}", GOOD),
        (b"Host: a\r\nExpect: 100-continue", b"", GOOD),  # without a body, nothing is waited for
        (b"Host: a\r\nExpect: tea\r\nContent-Length: 2", b"{}", BAD),
        (b"Host: a\r\nExpect: 100-continue, 100-continue\r\nContent-Length: 2", b"{}", BAD),
        (b"Host: a\r\nExpect: 100-continue\r\nExpect: tea\r\nContent-Length: 2", b"{}", BAD),
        (b"Host: a\r\nExpect: 100-continue;a=b\r\nContent-Length: 2", b"{}", BAD),
    ],
}  # fmt: skip
ROWS = [(name, *row) for name, rows in FIELDS.items() for row in rows]


@pytest.mark.parametrize(
    ("name", "lines", "body", "status"), ROWS, ids=[f"{row[0].split(',')[0]}-{row[1]!r}" for row in ROWS]
)
def test_a_field_that_frames_a_request_is_of_its_grammar_or_the_request_is_refused(
    name: str, lines: bytes, body: bytes, status: int
) -> None:
    raw = b"POST /p HTTP/1.1\r\n" + (lines + b"\r\n" if lines else b"") + b"\r\n" + body

    def check() -> None:
        for segments in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
            written, fate = verdict(segments)
            assert [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", written)] == [status], name
            assert fate != "aborted"

    in_loop(check)


def told(headers: Headers, *, trusted: bool = False, address: str = "10.1.2.3", allowed: tuple[bytes, ...] = ()) -> Headers:
    """What the model server is told."""
    known = Peer(address, trusted=trusted, via=b"us", identity=[(b"x-forwarded-for", address.encode())])
    return forward(Head(b"GET", b"/", headers, peer=known, host=b"g"), "i", None, passes(False, b""), frozenset(allowed))


WORDS = (
    b"1.2.3.4", b"1.2.3.4, 5.6.7.8", b"unknown", b'"[2001:db8::1]:80"', b"", b",", b"for=1.2.3.4;proto=https",
    b'for="[::1]";by=_x', b"for=a,for=b", b"=", b"\xff", b"a" * 8000,
)  # fmt: skip


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize(
    "name", [b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip"]
)
def test_who_asked_is_never_what_a_stranger_says(name: bytes, value: bytes) -> None:
    assert [pair for pair in told([(name, value)]) if value and value in pair[1] and pair[0] == name] == []


@pytest.mark.parametrize("value", WORDS)
def test_what_a_trusted_proxy_says_stands_to_the_left_of_ours_whatever_it_is(value: bytes) -> None:
    fields = dict(told([(b"forwarded", value), (b"x-forwarded-for", value)], trusted=True, address="::1"))
    assert fields[b"x-forwarded-for"].endswith(b"::1")
    assert value in fields[b"x-forwarded-for"]
    if value:
        assert fields[b"forwarded"].startswith(value)
        assert fields[b"forwarded"].endswith(b'for="[::1]";host="g";proto=http')


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"a=1", b"a=1"), (b"a=1;p", b"a=1;p"), (b"a=1;p=q", b"a=1;p=q"), (b" a=1 ,b=2", b"a=1"), (b"a=%41", b"a=%41"),
        (b"a = 1", b"a = 1"), (b"A=1", None), (b"a", None), (b"=1", None), (b"", None), (b",", None), (b"b=2", None),
        (b'a="1"', None), (b"a=1 2", None), (b"a=\xff", None), (b"a=1," * 3000, None), (b"a=1,a=2", b"a=1,a=2"),
    ],
)  # fmt: skip
def test_baggage(sent: bytes, kept: bytes | None) -> None:
    assert dict(told([(b"baggage", sent)], allowed=(b"a",))).get(b"baggage") == kept


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("1", True), ("0", True), ("007", True), ("", False), ("-1", False), ("+1", False), ("1.0", False), ("\xb2", False),
        ("\u0661", False), ("W/1", False), ("*", False), ("1, 2", False), ("1e3", False), ("0x1", False), ("9" * 400, False),
    ],
)  # fmt: skip
def test_if_match_is_an_epoch(value: str, epoch: bool) -> None:
    assert (DIGITS.fullmatch(value) is not None) is epoch


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT), ("*/*", TEXT), ("text/plain", TEXT), ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text", OPENMETRICS), ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        ("text/plain;q=0.5,application/openmetrics-text;version=1.0.0;charset=utf-8", OPENMETRICS),
    ],
)  # fmt: skip
def test_accept_of_a_scraper(accept: str, form: str) -> None:
    assert wanted(accept) == form
