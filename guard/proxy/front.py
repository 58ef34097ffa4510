"""The front edge: HTTP/1.1 from clients (RFC 9112), on httptools (llhttp). Not ASGI: see DESIGN §5.

A connection parses whole segments first and acts afterwards, so no callback of the parser runs the life. Requests
queue in order of arrival (pipelining); the first of the queue lives, the others wait with what was read of them.
"""

import asyncio
from collections import deque
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from time import monotonic
from typing import Final, cast

import httptools

from guard.proxy.alarm import Alarm
from guard.proxy.door import Door
from guard.proxy.driver import Exchange
from guard.proxy.forwarding import peer
from guard.proxy.headers import write_lines
from guard.proxy.intake import A_TURN
from guard.proxy.parties import AHEAD, UNKNOWN
from guard.proxy.requests import Requests, Unacceptable
from guard.proxy.values import Head, Headers, RefusalCode, Reply

LINGER: Final = 1.0
"""Seconds to read and drop what a client still sends after its last answer."""

_START_LINES: Final = {one.value: b"HTTP/1.1 %d %b\r\n" % (one.value, one.phrase.encode()) for one in HTTPStatus}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_RESET: Final = pack("ii", 1, 0)


class Connection(Requests, asyncio.Protocol):
    """One client. Implements `driver.Client` for the exchange that lives."""

    __slots__ = (
        "_ahead", "_chunked", "_closing", "_last", "_pumping", "_queue", "_reading_paused", "_stalled", "_transport",
        "_until_close", "_waits", "alarm", "body_deadline", "budget", "current", "paused",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.budget = door.budget
        self.alarm = Alarm(asyncio.get_running_loop(), self._ring)
        self.current: Exchange | None = None
        self.paused = False
        self.body_deadline = 0.0
        self._waits = b""  # read and not parsed yet
        self._queue: deque[Exchange] = deque()
        self._ahead = 0  # bytes read beyond the exchange that lives
        self._chunked = False  # the open stream's framing
        self._until_close = False
        self._closing = False
        self._last = False  # no request after this one is answered
        self._pumping = False
        self._reading_paused = False
        self._stalled = 0  # bytes that the client does not take
        self._transport: asyncio.Transport

    # ── asyncio.Protocol ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here; its first head is due."""
        self._transport = cast("asyncio.Transport", transport)
        door, name = self._door, transport.get_extra_info("peername")
        if len(door.connections) >= door.limits.connections:
            door.turned_away += 1
            self._transport.abort()
            return
        door.connections.add(self)
        address = name[0] if isinstance(name, tuple) else ""
        secure = transport.get_extra_info("sslcontext") is not None
        self.peer = peer(address, secure=secure, via=door.via, trusted=door.trusted)
        self.alarm.set(monotonic() + door.limits.head)

    def data_received(self, data: bytes) -> None:
        """Take a segment in, or let it wait for the loop's next turn."""
        if self._closing or self._last:
            return  # lingering: read and drop
        door = self._door
        if self._waits or (self.current is None and len(door.connections) > A_TURN and door.intake.full(self)):
            self._waits += data
            self.budget.used += len(data)
            if len(self._waits) > AHEAD:
                self.pause_reading()
        else:
            self._received(data)

    def go_on(self) -> None:
        """Take in what waits, if the client is still here."""
        data, self._waits = self._waits, b""
        self.budget.used -= len(data)
        if data and not self._closing:
            self.resume_reading()
            self._received(data)

    def _received(self, data: bytes) -> None:
        """Parse a segment, then act on what it completed."""
        current = self.current
        body_open = current is not None and not current.body_done
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            if self._final and self._reading is None:
                self._last = True  # what follows a last request is nobody's
            elif isinstance(error, httptools.HttpParserCallbackError):  # one of ours raised
                self._broken(error.__context__.code if isinstance(error.__context__, Unacceptable) else "internal")
            else:
                self._broken("bad_request")
        except Unacceptable as error:
            self._broken(error.code)
        else:
            if self._reading is None and not self._queue and self.current is None:
                self._head_progress(len(data))
        if current is None:
            self._pump()
        elif body_open:
            current.body_progress()
        else:
            self._read_ahead(len(data))

    def eof_received(self) -> bool:
        """A FIN during an exchange means the client is gone (DESIGN §5)."""
        self.go_on()
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 — every loss is one
        """The client left."""
        self._closing = True
        self.alarm.end()
        self.go_on()
        self._door.connections.discard(self)
        self._relieve()
        self._drop_queue()
        current, self.current = self.current, None
        if current is not None:
            current.gone("client")
        self._reading = None
        self._parser = None  # it holds our methods: a cycle

    def pause_writing(self) -> None:
        """The client does not take what we write: it has `write_stall` seconds."""
        self.paused = True
        self._stalled = self._transport.get_write_buffer_size()
        self.budget.used += self._stalled
        self.alarm.set(monotonic() + self._door.limits.write_stall)

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self.paused = False
        self._relieve()
        if self.current is not None:
            self.current.client_resumed()
        elif self._queue:
            self._pump()
        elif not self._closing and not self._last:
            self.alarm.set(monotonic() + self._door.limits.keep_alive)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _admit(self, head: Head, length: int, fault: RefusalCode | None) -> Exchange:
        door = self._door
        exchange = Exchange(self, head, f"{door.prefix}-{door.next_id()}", length, fault)
        self._queue.append(exchange)
        return exchange

    def _drop_queue(self) -> None:
        for exchange in self._queue:
            self.budget.used -= exchange.held
        self._queue.clear()

    def _relieve(self) -> None:
        self.budget.used -= self._stalled
        self._stalled = 0

    def _head_progress(self, received: int) -> None:
        """Nothing but a part of a head was read: it is bounded in bytes and, from its first byte, in time."""
        limits = self._door.limits
        if self._head_bytes == 0:
            self.alarm.set(min(monotonic() + limits.head, self.alarm.due))
        self._head_bytes += received
        if self._head_bytes > limits.header_bytes + limits.target:
            self._broken("headers_too_large")

    def _broken(self, code: RefusalCode) -> None:
        """The bytes are no HTTP any more: refuse what was being read, answer what came before, then close."""
        exchange, self._reading = self._reading, None
        self._last = True
        if exchange is None:
            self._admit(Head(b"", b"", [], peer=self.peer), 0, code)
        elif exchange is self.current:
            exchange.refuse(code)
        else:
            exchange.broken = code

    def _read_ahead(self, received: int) -> None:
        """Bytes beyond the exchange that lives are bounded."""
        self._ahead += received
        if self._ahead > AHEAD:
            self.pause_reading()

    def pause_reading(self) -> None:
        """Take no more bytes from the client; mind: neither FIN nor RST is seen meanwhile."""
        if not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the client again."""
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._transport.resume_reading()

    def _pump(self) -> None:
        """Let the queue live, one after the other; a loop, so that many instant answers do not recurse."""
        self._pumping = True
        while self._queue and self.current is None and not self._closing and not self.paused:
            exchange = self.current = self._queue.popleft()
            self.body_deadline = monotonic() + self._door.limits.body
            if not self._queue:
                self._ahead = 0
                self.resume_reading()
            exchange.start(self._door.plan)
        self._pumping = False

    # ── driver.Client ─────────────────────────────────────────────────────────────────────────────────────────────

    def send_continue(self) -> None:
        """Ask for the body of a request that waits to be asked (RFC 9110 §10.1.1)."""
        self._transport.write(_CONTINUE)

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        """Write a whole answer."""
        keep = self._keeps(exchange) and not reply.close
        message = [_start_line(reply.status)]
        write_lines(reply.headers, message)
        message.append(self._connection(exchange, keep))
        if reply.status in (204, 304) or exchange.head.method == b"HEAD":
            message.append(b"\r\n")
        else:
            message += (b"content-length: %d\r\n\r\n" % len(reply.body), reply.body)
        self._transport.write(b"".join(message))
        self._finished(keep)

    def open_stream(self, exchange: Exchange, status: int, headers: Headers, length: int) -> None:
        """Write the head of a relayed answer; `length` UNKNOWN is framed as chunks, or by the close for HTTP/1.0."""
        self._chunked = length == UNKNOWN and exchange.head.modern
        self._until_close = length == UNKNOWN and not self._chunked
        if self._until_close:
            exchange.keep_alive = False
        framing = b"content-length: %d\r\n" % length if length != UNKNOWN else b""
        if self._chunked:
            framing = b"transfer-encoding: chunked\r\n"
        framing += self._connection(exchange, self._keeps(exchange))
        message = [_start_line(status)]
        write_lines(headers, message)
        message += (framing, b"\r\n")
        self._transport.write(b"".join(message))

    def send_chunk(self, chunk: bytes) -> None:
        """Write bytes of a relayed answer."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    def close_stream(self, exchange: Exchange) -> None:
        """A relayed answer came to its good end."""
        if self._chunked:
            self._transport.write(_LAST_CHUNK)
        self._finished(self._keeps(exchange))

    def abort(self) -> None:
        """End the connection so that nobody takes what was sent for the whole."""
        self._closing = True
        self.current = None
        if self._until_close:  # what is framed by the close would look whole after a FIN
            self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        self._transport.abort()

    def _keeps(self, exchange: Exchange) -> bool:
        """Whether the connection can carry another request after this one."""
        more = bool(self._queue) or not self._last
        return exchange.keep_alive and exchange.taken and more and not self._door.draining

    def _connection(self, exchange: Exchange, keep: bool) -> bytes:  # noqa: FBT001
        if not keep:
            return b"connection: close\r\n"
        return b"" if exchange.head.modern else b"connection: keep-alive\r\n"

    def _finished(self, keep: bool) -> None:  # noqa: FBT001
        self.current = None
        if not keep:
            self._close()
            return
        if not self.paused:
            self.alarm.set(monotonic() + self._door.limits.keep_alive)
        if self._queue and not self._pumping:
            self._pump()

    def _close(self) -> None:
        """Close our side, and hear the client out for a moment: a reset would destroy the answer on its way."""
        self._last = True
        self._drop_queue()
        self.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self.alarm.set(monotonic() + LINGER)
        else:  # TLS
            self._closing = True
            self._transport.close()

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ring(self) -> None:
        if self._waits:  # in time, as the client sees it
            self.go_on()
        elif self._closing or (self.paused and self.current is None) or (self._last and self.current is None):
            self.abort()
        elif self.current is None:
            if self._head_bytes:
                self._broken("request_timeout")
                self._pump()
            else:
                self._closing = True
                self._transport.close()
        elif self.paused:
            current = self.current
            self.current = None
            current.gone("stall")
            self.abort()
        else:
            self.current.expire()

    def drain(self) -> None:
        """Close now if idle, else after the current answer."""
        if self.current is None and not self._queue and not self._waits:
            self._closing = True
            self._transport.close()


def _start_line(status: int) -> bytes:
    return _START_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
