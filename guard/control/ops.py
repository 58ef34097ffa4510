"""The ops listener: read-only, for probes and scrapers, so that a full data port never fails a probe.

    GET /livez    200 while the process answers and its background tasks can be kept going, or 503; never depends on the
                  model server
    GET /readyz   200 or 503, with what is waited for
    GET /metrics  for a scraper; 404 with `telemetry.prometheus: false`

One request a connection: probes and scrapers come every few seconds. Deadlines, places and eviction are the acceptor's. A
page that costs much to make is made in slices of a millisecond, between which the loop goes on, for all that wait for it at
once, never for more than a fifth of the time, and held by at most eight clients; a client that takes nothing of it for five
seconds is closed.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Generator, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Final, NamedTuple, TypeAlias

from guard.control.acceptor import Acceptor, Bounds, Rank, Seat, bind
from guard.control.readiness import Readiness

MOST_BYTES: Final = 8192
"""Highest size of a request head, in bytes."""
PIECE: Final = 65536
"""Bytes of a page that are handed to the transport at once; the rest stays in the page, which its readers share."""
STALL: Final = 5.0
"""Seconds in which a client takes a piece, or is closed."""
READERS: Final = 8
"""Clients that wait for a heavy page, or read one, at once."""
SLICE: Final = 0.001
"""Seconds that a heavy page is made before the loop goes on."""
REST: Final = 4.0
"""A heavy page is not made again before so many times of what it cost have passed."""
JSON: Final = "application/json"
NOT_FOUND: Final = "this port is for probes and scrapers: /livez, /readyz, /metrics; operators use the admin port"


class Page(NamedTuple):
    """The answer of a path."""

    status: int
    content_type: str
    body: bytes


Pages: TypeAlias = Mapping[str, Callable[[str], Page]]
"""Pages by path. Each function gets the Accept header, or an empty text."""
Making: TypeAlias = Generator[None, None, Page]
"""A heavy page on its way: it yields often, and returns the page."""
HeavyPages: TypeAlias = Mapping[str, Callable[[str], Making]]


def probes(readiness: Readiness, down: Callable[[], Collection[str]]) -> dict[str, Callable[[str], Page]]:
    """The pages that probes ask for. `down`: background tasks that cannot be started again."""

    def live(_accept: str) -> Page:
        if stopped := down():
            return _json(503, {"live": False, "down": list(stopped)})
        return _json(200, {"live": True})

    def ready(_accept: str) -> Page:
        return _json(200 if readiness.ready else 503, {"ready": readiness.ready, "waiting": readiness.waiting})

    return {"/livez": live, "/readyz": ready}


def _json(status: int, document: object) -> Page:
    return Page(status, JSON, json.dumps(document).encode() + b"\n")


class Ops:
    """Makes the answers. `pages` are cheap and made at once; `heavy` ones are made for several clients together."""

    def __init__(self, pages: Pages, heavy: HeavyPages | None = None) -> None:
        self.pages, self.heavy = pages, heavy or {}
        self.acceptor: Acceptor
        self._waiting: list[tuple[_Connection, Callable[[str], Making], str]] = []
        self._making = False
        self._readers: dict[_Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rest_until = 0.0

    def connection(self, seat: Seat) -> asyncio.Protocol:
        """The protocol of a client."""
        return _Connection(self, seat)

    def listen(self, host: str, port: int, bounds: Bounds) -> None:
        """Begin to answer. Raises OSError."""
        self.acceptor = Acceptor(bind(host, port), self.connection, bounds)

    def close(self) -> None:
        """Stop listening."""
        self.acceptor.close()
        if self._timer is not None:
            self._timer.cancel()

    def answer(self, client: "_Connection", head: bytes) -> None:
        """Answer a complete head, now or once its page is made."""
        words = head.split(b"\r\n", 1)[0].split(b" ")
        body = words[0] != b"HEAD"
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            client.send(_json(400, {"code": "bad_request"}), body=body)
            return
        if words[0] not in (b"GET", b"HEAD"):
            client.send(_json(405, {"code": "method_not_allowed"}), body=body)
            return
        path = words[1].partition(b"?")[0].decode("latin-1")
        if path in self.heavy:
            self._wait(client, self.heavy[path], _accept(head), body=body)
            return
        make = self.pages.get(path)
        client.send(
            make(_accept(head)) if make is not None else _json(404, {"code": "not_found", "detail": NOT_FOUND}), body=body
        )

    # ── heavy pages ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _wait(self, client: "_Connection", make: Callable[[str], Making], accept: str, *, body: bool) -> None:
        """A heavy page is made for a client, which is one of a few readers."""
        if len(self._readers) >= READERS:
            slowest = next(iter(self._readers))
            if monotonic() - self._readers[slowest] < 1.0:  # it may yet be quick
                client.send(_json(503, {"code": "overloaded"}), body=body)
                return
            slowest.seat.close()
            self.forget(slowest)
        client.with_body = body
        self._readers[client] = monotonic()
        self._waiting.append((client, make, accept))
        if self._timer is None and not self._making:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._rest_until - monotonic()), self._make)

    def _make(self) -> None:
        """Begin one page, for all that asked for the same before."""
        self._timer = None
        _, make, accept = self._waiting[0]
        alike = [client for client, other, wanted in self._waiting if other is make and wanted == accept]
        self._waiting = [(client, other, wanted) for client, other, wanted in self._waiting if client not in alike]
        self._making = True
        self._slice(make(accept), alike, 0.0)

    def _slice(self, making: Making, clients: list["_Connection"], cost: float) -> None:
        """Make a little of a page that has cost so many seconds until now. A page that cannot be made is a 500."""
        begun = monotonic()
        try:
            while monotonic() < begun + SLICE:
                next(making)
        except StopIteration as end:
            page: Page = end.value
        except Exception:
            self._serve_page(_json(500, {"code": "internal"}), clients, cost + monotonic() - begun)
            raise  # for the loop's handler, which counts it
        else:
            asyncio.get_running_loop().call_soon(self._slice, making, clients, cost + monotonic() - begun)
            return
        self._serve_page(page, clients, cost + monotonic() - begun)

    def _serve_page(self, page: Page, clients: list["_Connection"], cost: float) -> None:
        """Send a page that has cost so many seconds, and rest before the next."""
        self._making = False
        self._rest_until = monotonic() + REST * cost
        for client in clients:
            client.send(page, body=client.with_body)
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(REST * cost, self._make)

    def forget(self, client: "_Connection") -> None:
        """A client reads no heavy page any more."""
        if self._readers.pop(client, None) is not None:
            self._waiting = [waiting for waiting in self._waiting if waiting[0] is not client]
            if not self._waiting and self._timer is not None:
                self._timer.cancel()
                self._timer = None


class _Connection(asyncio.Protocol):
    """One request, one answer; then the client closes, so that no reset destroys the answer on its way."""

    def __init__(self, ops: Ops, seat: Seat) -> None:
        self.seat, self.with_body = seat, True
        self._ops = ops
        self._head = b""
        self._rest: memoryview | None = None
        self._answered = False
        self._stall: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client's first bytes are there."""
        self._transport = transport
        transport.set_write_buffer_limits(high=PIECE)
        self.seat.arrive(transport)

    def data_received(self, data: bytes) -> None:
        """The head, whole or in parts; what follows it is not read."""
        if self._answered:
            return
        self._head += data
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if end and len(head) <= MOST_BYTES:
            self._answered = True
            self._head = b""
            self.seat.move(Rank.SERVED)
            self._ops.answer(self, head)
        elif len(self._head) > MOST_BYTES:
            self.seat.close()

    def eof_received(self) -> bool:
        """A client that has asked may close its side and still read."""
        return self._answered and self.seat.rank is Rank.SERVED

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was closed."""
        del exc
        if self._stall is not None:
            self._stall.cancel()
        self._rest = None
        self.seat.leave()
        self._ops.forget(self)

    def send(self, page: Page, *, body: bool) -> None:
        """Write the whole answer, piece by piece."""
        if self._transport.is_closing():
            return
        lines = (
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}",
            f"content-type: {page.content_type}",
            f"content-length: {len(page.body)}",
            "cache-control: no-store",
            "connection: close",
            *(["allow: GET, HEAD"] if page.status == 405 else []),
            *(["retry-after: 1"] if page.status == 503 and page.content_type == JSON else []),
        )
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if not body or len(page.body) <= PIECE:
            self._transport.write(head + page.body if body else head)
            self._finish()
            return
        self._rest = memoryview(page.body)
        self._transport.write(head)
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        if self._rest is not None:
            self._stall = asyncio.get_running_loop().call_later(STALL, self.seat.close)

    def resume_writing(self) -> None:
        """The client took what was written: the next piece."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        while self._rest is not None and self._stall is None:
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:] or None
            self._transport.write(piece)
            if self._rest is None:
                self._finish()

    def _finish(self) -> None:
        """Everything is handed over."""
        self._transport.write_eof()
        self.seat.move(Rank.ANSWERED)
        self._ops.forget(self)


def _accept(head: bytes) -> str:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return ",".join(value.strip().decode("latin-1") for name, _, value in lines if name.lower() == b"accept")
