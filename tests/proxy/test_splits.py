"""However a request is cut into segments, the verdict is the same: same replies, same fate of the connection, and the
same document for the rung."""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from guard.proxy.front import Connection
from guard.proxy.listener_state import Limits, ListenerState
from guard.proxy.tracing import Untraced
from guard.proxy.values import STREAM, Answer, Permit, Refused, Route
from tests.proxy.scene import Off, Tongue

OURS = (b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-guard-request-id")
LIMITS = Limits(headers=20, header_bytes=2000, target=200)


class Echo:
    """A rung that says what it was given."""

    source, remote, reads_input, version = "rules", False, False, ""

    def ask(self, permit: Permit, above: object, now: float) -> Answer:
        body = b"" if permit.body is STREAM else permit.body
        results = [pair for pair in permit.forward if pair[0] not in OURS]
        head = b"%b %b %r " % (permit.head.method, permit.head.target, results)  # type: ignore[str-bytes-safe]
        return Answer(200, [], head + body)


class Table:
    """A plan with one route that buffers."""

    expose_reason, sinks = True, ()

    def __init__(self) -> None:
        self.route = Route(
            template="/p", method="POST", buffered=True, max_body=100, collect=0, request=10.0, enforce=True,
            dialect=Tongue(), judges=(), output=None, ladder=(Echo(), Off()),  # type: ignore[arg-type]
        )  # fmt: skip

    tracer = Untraced()

    def match(self, head: Any) -> Route:
        if head.target.partition(b"?")[0] != b"/p":
            raise Refused("not_found")
        return self.route

    def wall(self, now: float) -> float:
        return now

    def sink_crashed(self, sink: object) -> None: ...


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.fate = "open"

    def write(self, data: bytes) -> None:
        assert self.fate == "open", "written after the end"
        self.written += data

    def close(self) -> None:
        self.fate = "closed" if self.fate == "open" else self.fate

    def abort(self) -> None:
        self.fate = "aborted"

    def write_eof(self) -> None:
        self.fate = "lingering"

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.fate != "open"

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None


GOOD = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
CORPUS: dict[str, tuple[bytes, list[int]]] = {
    "good": (GOOD, [200]),
    "no body": (b"POST /p?q=%20 HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    "chunked": (CHUNKED, [200]),
    "trailers": (CHUNKED[:-2] + b"Host: evil\r\nX-Forwarded-For: 1\r\n\r\n", [200]),
    "pipelined": (GOOD + GOOD.replace(b"abc", b"def") + CHUNKED, [200, 200, 200]),
    "pipelined, then garbage": (GOOD + b"\x00\x01garbage\r\n\r\n", [200, 400]),
    "not found": (GOOD.replace(b"/p", b"/q"), [404]),
    "empty header, odd case, duplicate": (GOOD.replace(b"Host: a", b"hOsT: a\r\nX-A:\r\nX-A: 1\r\nx-a: \xff"), [200]),
    "hop by hop": (
        GOOD.replace(b"Host: a", b"Host: a\r\nConnection: x-secret, keep-alive\r\nX-Secret: 1\r\nTE: trailers"),
        [200],
    ),
    "close": (GOOD.replace(b"Host: a", b"Host: a\r\nConnection: close") + GOOD, [200]),
    "1.0": (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0") + GOOD, [200]),
    "1.0 keep-alive": (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: a", b"Connection: keep-alive"), [200]),
    "head": (b"HEAD /p HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    "expect": (GOOD.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"), [200]),
    "unknown expectation": (GOOD.replace(b"Host: a", b"Host: a\r\nExpect: tea"), [400]),
    "declared too large": (GOOD.replace(b"Length: 3", b"Length: 101"), [413]),
    "chunks too large": (CHUNKED.replace(b"3\r\nabc", b"65\r\n" + b"x" * 101), [413]),
    "target too long": (GOOD.replace(b"/p", b"/p?" + b"x" * 300), [414]),
    "too many headers": (GOOD.replace(b"Host: a", b"Host: a" + b"\r\nx: y" * 30), [431]),
    "headers too large": (GOOD.replace(b"Host: a", b"Host: a\r\nx: " + b"y" * 3000), [431]),
    "no host": (GOOD.replace(b"Host: a\r\n", b""), [400]),
    "two hosts": (GOOD.replace(b"Host: a", b"Host: a\r\nHost: b"), [400]),
    "length and chunked": (CHUNKED.replace(b"Host: a", b"Host: a\r\nContent-Length: 3"), [400]),
    "two lengths": (GOOD.replace(b"Host: a", b"Host: a\r\nContent-Length: 4"), [400]),
    "odd length": (GOOD.replace(b"Length: 3", b"Length: +3"), [400]),
    "list of lengths": (GOOD.replace(b"Length: 3", b"Length: 3, 3"), [400]),
    "gzip, chunked": (CHUNKED.replace(b": chunked", b": gzip, chunked"), [400]),
    "chunked in 1.0": (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), [400]),
    "bad chunk size": (CHUNKED.replace(b"\r\n3\r\n", b"\r\nzz\r\n"), [400]),
    "bad chunk end": (CHUNKED.replace(b"abc\r\n", b"abcXY"), [400]),
    "bare line feeds": (GOOD.replace(b"\r\n", b"\n"), [400]),
    "folded header": (GOOD.replace(b"Host: a", b"Host: a\r\nX: 1\r\n 2"), [400]),
    "space before colon": (GOOD.replace(b"Host: a", b"Host: a\r\nX : 1"), [400]),
    "control byte": (GOOD.replace(b"Host: a", b"Host: a\r\nX: \x01"), [400]),
    "upgrade": (GOOD.replace(b"Host: a", b"Host: a\r\nConnection: upgrade, x-hop\r\nX-Hop: 1\r\nUpgrade: h2c"), [200]),
    "upgrade, chunked, pipelined": (
        CHUNKED.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: foo") * 2 + GOOD,
        [200] * 3,
    ),
    "upgrade and close": (
        GOOD.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket") + GOOD,
        [200],
    ),
    "upgrade in 1.0": (
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: a", b"Connection: Upgrade\r\nUpgrade: x"),
        [200],
    ),
    "upgrade without a host": (GOOD.replace(b"Host: a", b"Connection: Upgrade\r\nUpgrade: x"), [400]),
    "upgrade, length and chunked": (
        CHUNKED.replace(b"Host: a", b"Host: a\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 3"),
        [400],
    ),
    "connect": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", [400]),
    "0.9": (b"GET /p\r\n\r\n", [400]),
    "2.0": (GOOD.replace(b"HTTP/1.1", b"HTTP/2.0"), [400]),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
}


def verdict(segments: Iterable[bytes]) -> tuple[bytes, str]:
    """What a client sees, but for what differs by design: ids, timings, and an interim 100."""
    connection, wire = Connection(ListenerState(Table(), LIMITS, via=b"us", prefix="id")), Wire()  # type: ignore[arg-type]
    connection.connection_made(wire)  # type: ignore[arg-type]
    for segment in segments:
        if wire.fate in ("closed", "aborted"):
            break
        connection.data_received(segment)
    written = re.sub(
        rb"x-guard-request-id: [^\r]*|date: [^\r]*|server-timing: [^\r]*|HTTP/1.1 100 Continue\r\n\r\n", b"", wire.written
    )
    written = re.sub(rb'"request_id":"[^"]*"', b"", written)
    connection.timer.cancel()
    return written, wire.fate


def in_loop(function: Callable[[], None]) -> None:
    async def main() -> None:
        function()

    asyncio.run(main())


@pytest.mark.parametrize("name", CORPUS)
def test_the_verdict_does_not_depend_on_the_cuts(name: str) -> None:
    raw, statuses = CORPUS[name]

    def check() -> None:
        whole = verdict([raw])
        assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", whole[0])] == statuses
        assert verdict(raw[at : at + 1] for at in range(len(raw))) == whole
        for at in range(1, len(raw)):
            assert verdict([raw[:at], raw[at:]]) == whole, f"cut at {at}: {raw[:at]!r}"

    in_loop(check)


def test_what_a_good_request_becomes() -> None:
    def check() -> None:
        written, fate = verdict([CORPUS["hop by hop"][0]])
        assert b"POST /p [] abc" in written
        assert b"\r\nx-guard-source: rules\r\n" in written
        assert fate == "open"
        written, _ = verdict([CORPUS["upgrade"][0]])
        assert b"POST /p [] abc" in written  # its body is its body, and no second request
        written, _ = verdict([CORPUS["trailers"][0]])
        assert b"POST /p [] abcde" in written
        written, _ = verdict([CORPUS["empty header, odd case, duplicate"][0]])
        assert b"[(b'x-a', b''), (b'x-a', b'1'), (b'x-a', b'\\xff')] abc" in written
        assert verdict([CORPUS["head"][0]])[0].endswith(b"\r\n\r\n")

    in_loop(check)


@pytest.mark.parametrize(("name", "fate"), [("good", "open"), ("close", "lingering"), ("1.0", "lingering"), ("1.0 keep-alive", "open"),
                                            ("not found", "lingering"), ("declared too large", "lingering"), ("no HTTP", "lingering")])  # fmt: skip
def test_the_fate_of_the_connection(name: str, fate: str) -> None:
    in_loop(lambda: pytest.fail(f"{name}: {verdict([CORPUS[name][0]])}") if verdict([CORPUS[name][0]])[1] != fate else None)


def test_an_expectation_is_met_before_the_body_and_only_then() -> None:
    def check() -> None:
        raw = CORPUS["expect"][0]
        connection, wire = Connection(ListenerState(Table(), LIMITS, via=b"us", prefix="id")), Wire()  # type: ignore[arg-type]
        connection.connection_made(wire)  # type: ignore[arg-type]
        connection.data_received(raw[:-3])
        assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.data_received(raw[-3:])
        assert wire.written.count(b"100 Continue") == 1
        refused, wire = Connection(ListenerState(Table(), LIMITS, via=b"us", prefix="id")), Wire()  # type: ignore[arg-type]
        refused.connection_made(wire)  # type: ignore[arg-type]
        refused.data_received(raw[:-3].replace(b"Length: 3", b"Length: 1000"))
        assert wire.written.startswith(b"HTTP/1.1 413 ")
        connection.timer.cancel()
        refused.timer.cancel()

    in_loop(check)
