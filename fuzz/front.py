"""The front edge under any bytes in any segments.

Laws:
- no exception leaves `data_received`;
- what a client gets is a sequence of well-formed HTTP/1.1 responses, as h11 reads them, one for each request that was
  answered, in order; nothing is left over;
- the verdict does not depend on how the bytes were cut: same replies, same fate of the connection. Where a request is
  wrong in two ways, which of them is named may depend on which was seen first; that it is refused may not;
- a request that reaches a rung had exactly one Host (HTTP/1.0 may have none), and what is passed on has no header that
  frames a message, names a host or asks for another protocol: those are made anew, or smuggling begins.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import h11

from fuzz.loop import in_loop
from fuzz.segments import packed, segments
from guard.proxy.driver import Exchange
from guard.proxy.front import Connection
from guard.proxy.headers import tokens
from guard.proxy.listener_state import ListenerState
from guard.proxy.values import Answer, Head, Permit, RefusalCode
from tests.proxy.scene import Off
from tests.proxy.test_splits import CORPUS, LIMITS, OURS, Echo, Table, Wire

FORBIDDEN = (b"host", b"transfer-encoding", b"content-length", b"upgrade", b"connection", b"expect", b"te")
VARIES = re.compile(
    rb"x-guard-request-id: [^\r]*|date: [^\r]*|server-timing: [^\r]*|HTTP/1.1 100 Continue\r\n\r\n|"
    rb'"request_id":"[^"]*"'
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSED = re.compile(rb"HTTP/1.1 4(00|13|14|31) ")
WORDS = [
    b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", b"Host: a\r\n", b"POST /p ", b"GET /p ", b"HEAD /p ", b"CONNECT a:1 ", b"OPTIONS * ",
    b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"HTTP2-Settings: x\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b"3;x=y\r\n", b"\r\n\r\n",
    b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"Trailer: Host\r\n", b"http://a/p", b"ffffffffffffffff\r\n",
]  # fmt: skip


class Watch(Echo):
    """A rung that keeps what it saw; the heads are judged once the bytes are through, where no life rescues it."""

    def __init__(self) -> None:
        self.seen: list[Permit] = []

    def ask(self, permit: Permit, above: object, now: float) -> Answer:
        """Answer with what was given."""
        self.seen.append(permit)
        return super().ask(permit, above, now)


class Observed(Connection):
    """A connection that remembers, for the client's reading, which method each answer belongs to."""

    def __init__(self, listener: ListenerState) -> None:
        super().__init__(listener)
        self.methods: list[bytes] = []

    def _admit(self, head: Head, length: int, fault: RefusalCode | None) -> Exchange:
        self.methods.append(head.method)
        return super()._admit(head, length, fault)


@dataclass
class Seen:
    """What came of a stream of bytes, for the client and for the rung."""

    written: bytes
    fate: str
    methods: list[bytes]
    permits: list[Permit]


def feed(parts: Iterable[bytes]) -> Seen:
    """A client that sends these segments, stays, and then leaves."""
    watch, table, wire = Watch(), Table(), Wire()
    table.route = replace(table.route, ladder=(watch, Off()))
    connection = Observed(ListenerState(table, LIMITS))
    connection.connection_made(wire)
    for part in parts:
        if wire.fate in ("closed", "aborted"):
            break
        connection.data_received(part)
        begun = 1
        while begun:  # later turns of the loop: they judge what is large, and begin what waits
            judged = None
            while connection.current is not judged:
                judged = connection.current
                connection.judge()
            begun = connection.go_on()
    fate = wire.fate
    connection.timer.cancel()
    connection.connection_lost(None)
    return Seen(wire.written, fate, connection.methods, watch.seen)


def responses(seen: Seen) -> list[bytes]:
    """Read the answers as their client would, one cycle each; those that differ by design made equal."""
    rest, found = seen.written, []
    while rest not in (b"", CONTINUE):  # a client that was asked for its body and never sent it
        assert len(found) < len(seen.methods), f"an answer to nothing: {rest[:80]!r}"
        after = _one_response(rest, head=seen.methods[len(found)] == b"HEAD")
        answer = VARIES.sub(b"", rest[: len(rest) - len(after)])
        found.append(b"refused" if REFUSED.match(answer) else answer)
        rest = after
    return found


def _one_response(rest: bytes, *, head: bool) -> bytes:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="HEAD" if head else "GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(rest)
    final = False
    while True:
        event = client.next_event()
        assert event is not h11.NEED_DATA, f"an answer is cut short: {rest[:80]!r}"
        if isinstance(event, h11.Response):
            final = True
            length = any(name == b"content-length" for name, _ in event.headers)
            chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
            assert length or chunked or head or event.status_code in (204, 304), "an answer without framing"
            assert not (length and chunked)
        elif isinstance(event, h11.EndOfMessage):
            assert final
            return client.trailing_data[0]


def passed_on(permit: Permit) -> None:
    """The law of what a rung may see."""
    head, forward = permit.head, permit.forward
    hosts = sum(name == b"host" for name, _ in head.headers)
    assert hosts == 1 or (hosts == 0 and not head.modern), f"{hosts} hosts"
    names = {name for name, _ in forward}
    assert not names & set(FORBIDDEN), f"passed on: {names & set(FORBIDDEN)}"
    nominated = set(tokens(head.headers, b"connection")) - set(OURS)
    assert not names & nominated, f"passed on though hop by hop: {names & nominated}"
    for name, value in forward:
        assert not re.search(rb"[\r\n\x00]", name + value), "a header that splits"
    assert not re.search(rb"[\r\n\x00 ]", head.target), "a target that splits"
    coding = tokens(head.headers, b"transfer-encoding")
    assert coding in ([], [b"chunked"]), f"a coding that is not undone: {coding}"


def check(data: bytes) -> None:
    """Hold one input against every law."""
    raw, parts = segments(data)

    def both() -> None:
        whole, cut = feed([raw]), feed(parts)
        answers, cut_answers = responses(whole), responses(cut)
        for seen, count in ((whole, len(answers)), (cut, len(cut_answers))):
            for permit in seen.permits:
                passed_on(permit)
            assert count >= len(seen.permits), "a request that reached the rung has no answer"
        assert (answers, whole.fate) == (cut_answers, cut.fate), "the verdict depends on the cuts"
        assert [permit.body for permit in whole.permits] == [permit.body for permit in cut.permits]

    in_loop(both)


def seeds() -> list[bytes]:
    """The corpus of the tests: byte by byte, and once in two."""
    raws = [raw for raw, _ in CORPUS.values()]
    return [packed(raw) for raw in raws] + [packed(raw, [len(raw) // 2, len(raw) - 2]) for raw in raws[::4]]
