"""The back edge under any bytes in any segments, with h11 as the second opinion.

Laws:
- no exception leaves the protocol's callbacks, whatever the upstream sends and however it leaves;
- the owner hears `answered` or `failed` exactly once; after an incomplete `answered` any `data`, then one of `done` and
  `failed`; after the end nothing;
- a status is within 200..599;
- what h11 calls cut short is never called whole, and what both call whole has the same status and body;
- whether an answer is whole, and what it says, does not depend on the cuts;
- a connection goes back to the pool only where nothing followed the answer and h11 would use it again.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import h11

from fuzz.loop import in_loop
from fuzz.segments import packed, segments
from guard.proxy.answer_heads import HeadLimits
from guard.proxy.back import Link
from guard.proxy.budget import Budget
from guard.proxy.values import Answer, Call, Head

HEAD_ONLY, CANCEL, RESET = 1, 2, 4
COLLECTS = (0, 4, 1_000_000)
WORDS = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 304 Not Modified\r\n", b"HTTP/1.1 101 S\r\n", b"HTTP/1.1 999 \r\n",
    b"HTTP/2.0 200 \r\n",
    b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Content-Length: +3\r\n", b"Content-Length: 3, 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n", b'3;x="y"\r\nabc\r\n', b"ffffffffffffffff\r\n", b"\r\n\r\n", b"\r\n", b"\n", b"\r", b" \r\n",
]  # fmt: skip


class Wire:
    """A transport that only knows whether it was given up."""

    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None:
        """The request; nobody reads it."""

    def abort(self) -> None:
        """The end."""
        self.aborted = True

    def get_extra_info(self, name: str) -> None:
        """No socket, and no TLS."""

    def get_write_buffer_size(self) -> int:
        """Everything was taken."""
        return 0

    def is_closing(self) -> bool:
        """Whether it was given up."""
        return self.aborted

    def pause_reading(self) -> None:
        """Nothing to hold back."""

    def resume_reading(self) -> None:
        """Nothing to let go."""


@dataclass
class Shelf:
    """A pool that keeps what it is given."""

    given: int = 0
    gone: int = 0
    limits: HeadLimits = field(default_factory=lambda: HeadLimits(100, 32768))
    budget: Budget = field(default_factory=lambda: Budget(1 << 20))

    def give(self, link: Link) -> None:
        """A call is over."""
        assert link.owner is None
        self.given += 1

    def lost(self, link: Link) -> None:  # noqa: ARG002 — the pool's signature
        """A connection is gone."""
        self.gone += 1


@dataclass
class Owner:
    """Hears a call, and holds the link to its grammar: answered (data* (done | failed))? | failed."""

    cancels: bool
    state: str = "asked"  # → relaying → whole | failed | cancelled
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def answered(self, link: Link, answer: Answer) -> None:
        """The head, or the whole."""
        assert self.state == "asked", f"answered when {self.state}"
        assert 200 <= answer.status <= 599, f"status {answer.status}"
        self.status, self.headers, self.body = answer.status, answer.headers, answer.body
        assert answer.called_at <= answer.head_at <= answer.end_at
        if answer.complete:
            self.state = "whole"
        elif self.cancels:
            self.state = "cancelled"
            link.cancel()
        else:
            self.state = "relaying"
            link.flow()

    def data(self, link: Link, chunk: bytes) -> None:  # noqa: ARG002 — the driver's signature
        """More of a relayed body."""
        assert self.state == "relaying", f"data when {self.state}"
        assert chunk, "nothing, said aloud"
        self.body += chunk

    def done(self, link: Link) -> None:  # noqa: ARG002 — the driver's signature
        """A relayed body is whole."""
        assert self.state == "relaying", f"done when {self.state}"
        self.state = "whole"

    def failed(self, link: Link, reason: str) -> None:  # noqa: ARG002 — the driver's signature
        """The call broke."""
        assert self.state in ("asked", "relaying"), f"failed when {self.state}"
        assert reason in ("malformed", "reset")
        self.state = "failed"

    def resumed(self, link: Link) -> None:
        """Never: no body is sent."""
        raise AssertionError(link)


def call(parts: list[bytes], flags: int, collect: int) -> tuple[Owner, bool]:
    """One call answered with these segments; what the owner heard, and whether the connection would serve again."""
    shelf, wire, owner = Shelf(), Wire(), Owner(cancels=bool(flags & CANCEL))
    link = Link(shelf)
    link.connection_made(wire)
    head = Head(b"HEAD" if flags & HEAD_ONLY else b"GET", b"/", [])
    link.send(owner, Call(SimpleNamespace(opening=b" HTTP/1.1\r\nhost: a\r\n"), head, [], b"", collect, 1e9, None), 0, 0.0)
    for part in parts:
        if wire.aborted:
            break
        link.data_received(part)
    reusable = shelf.given == 1 and not wire.aborted
    assert shelf.given <= 1
    link.connection_lost(ConnectionResetError() if flags & RESET and not wire.aborted else None)
    assert owner.state not in ("asked", "relaying"), f"left {owner.state} for ever"
    assert shelf.gone == 1
    assert link.owner is None
    return owner, reusable


@dataclass
class Opinion:
    """What h11 says: `kind` is whole, short or odd (no HTTP that h11 accepts)."""

    kind: str
    status: int = 0
    body: bytes = b""
    rest: bytes = b""
    reusable: bool = False


def opinion(raw: bytes, *, head: bool) -> Opinion:
    """The same bytes read by h11, the end of the stream after them."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="HEAD" if head else "GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    found, ended = Opinion("odd"), False
    try:
        client.receive_data(raw)
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                if ended:
                    return found
                found.kind, ended = "short", True
                client.receive_data(b"")
            elif isinstance(event, h11.Response):
                found.status = event.status_code
            elif isinstance(event, h11.Data):
                found.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.kind, found.rest = "whole", client.trailing_data[0]
                found.reusable = not ended and client.their_state is h11.DONE and client.our_state is h11.DONE
                return found
            elif isinstance(event, h11.ConnectionClosed | type(h11.PAUSED)):
                return found
    except h11.RemoteProtocolError:
        return found


def check(data: bytes) -> None:
    """Hold one input against every law."""
    flags, collect = (data[0], COLLECTS[data[0] // 8 % 3]) if data else (0, 0)
    raw, parts = segments(data[1:])

    def both() -> None:
        whole, reusable = call([raw], flags, collect)
        cut, cut_reusable = call(parts, flags, collect)
        theirs = opinion(raw, head=bool(flags & HEAD_ONLY))
        for ours in (whole, cut):
            if ours.state != "whole":
                continue
            assert theirs.kind != "short", f"called whole: {ours}"
            if theirs.kind == "whole":
                assert (ours.status, ours.body) == (theirs.status, theirs.body), f"{ours} but by h11 {theirs}"
        if not flags & CANCEL:
            assert (whole.state == "whole") == (cut.state == "whole"), f"depends on the cuts: {whole}, {cut}"
            if whole.state == "whole":
                assert (whole.status, whole.headers, whole.body) == (cut.status, cut.headers, cut.body)
        if (reusable or cut_reusable) and theirs.kind == "whole":
            assert not theirs.rest.strip(b"\r\n"), f"kept though {theirs.rest[:40]!r} follows"
            assert theirs.reusable or b"HTTP/1.0" in raw, "kept though h11, which knows no keep-alive in 1.0, would close"

    in_loop(both)


def seeds() -> list[bytes]:
    """Every framing, whole, cut short and in excess, for each kind of owner."""
    ok = b"HTTP/1.1 200 OK\r\n"
    length = ok + b"Content-Length: 3\r\n\r\nabc"
    chunked = ok + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n"
    raws = [
        length, length[:-1], length + b"x", length + length, length + b"\r\n", chunked, chunked[:-1], chunked[:-12],
        chunked + b"x",
        ok + b"\r\nto the end", ok + b"Content-Length: 0\r\n\r\n", length.replace(b"1.1", b"1.0"), b"", b"H", ok,
        b"\x00\xff\r\n\r\n",
        length.replace(b"Content", b"Connection: close\r\nContent"),
        length.replace(b"1.1", b"1.0").replace(b"Content", b"Connection: keep-alive\r\nContent"),
        b"HTTP/1.1 204 \r\n\r\n", b"HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n" + length,
        b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" * 9 + length, b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 \r\n\r\n",
        length.replace(b": 3", b": 3\r\nContent-Length: 4"), chunked.replace(b"chunked", b"gzip, chunked"),
        chunked.replace(b"chunked", b"chunked\r\nContent-Length: 3"),
        length.replace(b"\r\n", b"\n"), length.replace(b"Content", b"X: a\r\n b\r\nContent"),
        chunked.replace(b"\r\n3\r\n", b"\r\nzz\r\n"),
        length.replace(b"Content", b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent"),
        ok + b"Transfer-Encoding: gzip\r\n\r\nabc",
    ]  # fmt: skip
    firsts = [0, 8, 16, HEAD_ONLY, CANCEL, 8 + CANCEL, RESET]
    results = [bytes([firsts[at % 3]]) + packed(raw, [len(raw) // 2] * (at % 2)) for at, raw in enumerate(raws)]
    return results + [bytes([first]) + packed(raw) for first in firsts for raw in (length, chunked, ok + b"\r\nto the end")]
