"""The front edge: HTTP/1.1 from clients (RFC 9112), on httptools (llhttp).

Not ASGI: deadlines, limits, drain and signals are ours, and a task per request would halve the speed.

A connection parses whole segments first and acts afterwards, so no callback of the parser runs the life. Requests
queue in order of arrival (pipelining); the first of the queue lives, the others wait with what was read of them.
Its states, and which deadlines may be armed in each, stand in `states`.
"""

import asyncio
from math import inf
from time import monotonic
from typing import Final, cast

import httptools

from guard.proxy.answers import UNTIL_CLOSE, Answers
from guard.proxy.deadlines import FLUSH, HEAD, KEEP_ALIVE, LINGER, WRITE_STALL, DeadlineTimer
from guard.proxy.door import Door
from guard.proxy.driver import Exchange
from guard.proxy.forwarding import peer
from guard.proxy.intake import A_TURN
from guard.proxy.messages import reset, unsent
from guard.proxy.parties import AHEAD
from guard.proxy.requests import Unacceptable
from guard.proxy.states import (
    ANSWERED,
    CLIENT,
    CLOSE,
    CLOSED,
    ENDED,
    FLUSHING,
    HEAD_BYTES,
    LAST,
    LIVE,
    NO_MORE,
    PARTIAL,
    READY,
    REQUEST_BEGUN,
    TAKEN,
)
from guard.proxy.values import Head, RefusalCode

LINGERS: Final = 1.0
"""Seconds to read and drop what a client still sends after it has taken its last answer."""
LOOK: Final = 0.002
"""Seconds to the first look whether a client has taken its last answer; each of the next takes twice as long."""
LONGEST_LOOK: Final = 0.1


class Connection(Answers, asyncio.Protocol):
    """One client. Implements `driver.Client` for the exchange that lives."""

    __slots__ = (
        "_ahead", "_empty", "_look", "_pumping", "_reading_paused", "_stalled", "_taken", "_waits", "body_deadline",
        "budget", "current", "paused", "timer",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.budget = door.budget
        self.timer = DeadlineTimer(asyncio.get_running_loop(), self._expired)
        self.current: Exchange | None = None
        self.paused = False
        self.body_deadline = 0.0
        self._waits = b""  # read and not parsed yet
        self._ahead = 0  # bytes read beyond the exchange that lives
        self._pumping = False
        self._reading_paused = False
        self._stalled = 0  # bytes of the budget that the client does not take
        self._taken = 0  # bytes of what was written that the client had taken when last looked at
        self._look = LOOK
        self._empty = False  # the last look found nothing unsent

    # ── asyncio.Protocol ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here; its first head is due."""
        self._transport = cast("asyncio.Transport", transport)
        door, name = self._door, transport.get_extra_info("peername")
        if len(door.connections) >= door.limits.connections:
            door.turned_away += 1
            self._state = CLIENT[self._state][ENDED]
            self._transport.abort()
            return
        door.connections.add(self)
        address = name[0] if isinstance(name, tuple) else ""
        secure = transport.get_extra_info("sslcontext") is not None
        self.peer = peer(address, secure=secure, via=door.via, trusted=door.trusted)
        self.timer.set(HEAD, monotonic() + door.limits.head)

    def data_received(self, data: bytes) -> None:
        """Take a segment in, or let it wait for the loop's next turn."""
        if self._state > LIVE:
            return  # nobody's bytes: dropped
        door = self._door
        if self._waits or (self.current is None and len(door.connections) > A_TURN and door.intake.full(self)):
            self._waits += data
            self.budget.used += len(data)
            if len(self._waits) > AHEAD:
                self.pause_reading()
        else:
            self._received(data)

    def go_on(self) -> None:
        """Take in what waits, if it is still anybody's."""
        data, self._waits = self._waits, b""
        self.budget.used -= len(data)
        if data and self._state <= LIVE:
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
                self._state = CLIENT[self._state][NO_MORE]
            elif isinstance(error, httptools.HttpParserCallbackError):  # one of ours raised
                self._broken(error.__context__.code if isinstance(error.__context__, Unacceptable) else "internal")
            else:
                self._broken("bad_request")
        except Unacceptable as error:
            self._broken(error.code)
        else:
            if self._reading is None and not self._queue and current is None:
                self._head_progress(len(data))
        if current is None:
            self._pump()
        elif body_open:
            current.body_progress()
        else:
            self._read_ahead(len(data))

    def eof_received(self) -> bool:
        """A FIN before the answer was written means that the client is gone; after it, that it sends no more.

        True: our half stays open until the client has taken what was written.
        """
        self.go_on()
        state = self._state
        if state in (LIVE, LAST):
            self._gone("client")
            return False
        if state <= PARTIAL:
            self._retire()
        return self._state == FLUSHING and self._transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 — every loss is one
        """The client left."""
        self._state = CLIENT[self._state][ENDED]
        self.timer.end()
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
        """The client does not take what we write: from here on it is watched."""
        self.paused = True
        self._stalled = self._transport.get_write_buffer_size()
        self.budget.used += self._stalled
        self._watch()

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self.paused = False
        self._relieve()
        if self._state >= FLUSHING:
            return
        self.timer.due[WRITE_STALL] = inf
        if self.current is not None:
            self.current.client_resumed()
        elif self._queue:
            self._pump()
        elif self._state == READY:
            self.timer.set(KEEP_ALIVE, monotonic() + self._door.limits.keep_alive)

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
        limits, timer = self._door.limits, self.timer
        if self._state == READY:
            self._state = CLIENT[READY][HEAD_BYTES]
            due = min(monotonic() + limits.head, timer.due[HEAD], timer.due[KEEP_ALIVE])
            timer.due[KEEP_ALIVE] = inf
            timer.set(HEAD, due)
        self._head_bytes += received
        if self._head_bytes > limits.header_bytes + limits.target:
            self._broken("headers_too_large")

    def _broken(self, code: RefusalCode) -> None:
        """The bytes are no HTTP any more: refuse what was being read, answer what came before, then close."""
        exchange, self._reading = self._reading, None
        self._state = CLIENT[self._state][NO_MORE]
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
        if not self._reading_paused and self._state != CLOSED:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the client again."""
        if self._reading_paused and self._state != CLOSED:
            self._reading_paused = False
            self._transport.resume_reading()

    def _pump(self) -> None:
        """Let the queue live, one after the other; a loop, so that many instant answers do not recurse."""
        self._pumping = True
        due = self.timer.due
        while self._queue and self.current is None and self._state <= LAST and not self.paused:
            exchange = self.current = self._queue.popleft()
            self._state = CLIENT[self._state][REQUEST_BEGUN]
            due[HEAD] = due[KEEP_ALIVE] = inf
            self.body_deadline = monotonic() + self._door.limits.body
            if not self._queue:
                self._ahead = 0
                self.resume_reading()
            exchange.start(self._door.plan)
        self._pumping = False

    # ── the end of an answer, and of the connection ───────────────────────────────────────────────────────────────

    def abort(self) -> None:
        """End the connection so that nobody takes what was sent for the whole.

        Where a FIN would be a good end, or bytes of a whole answer are still here, the client gets a RST.
        """
        current, self.current = self.current, None
        if self._state == CLOSED:  # its descriptor may be another's by now
            self._transport.abort()
            return
        self._state = CLIENT[self._state][ENDED]
        if self._framing == UNTIL_CLOSE or (current is None and unsent(self._transport)):
            reset(self._transport)
        else:
            self._transport.abort()
        if current is not None:  # cut from outside: its call is cancelled now
            current.gone("client")

    def _finished(self, keep: bool) -> None:  # noqa: FBT001
        self.current = None
        if not keep:
            self._close()
        elif self._queue:
            if not self._pumping:
                self._pump()
        else:
            self._state = CLIENT[self._state][ANSWERED]
            if not self.paused:
                self.timer.set(KEEP_ALIVE, monotonic() + self._door.limits.keep_alive)

    def _close(self) -> None:
        """Close our side once everything is written. A FIN follows the last byte; what the client sends is dropped.

        Nothing cuts the answer but a client that stops taking it: a reset would destroy what is on its way.
        """
        self._state = CLIENT[self._state][CLOSE]
        self._drop_queue()
        self.resume_reading()
        due = self.timer.due
        due[HEAD] = due[KEEP_ALIVE] = inf
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._watch()
        self.timer.set(FLUSH, monotonic() + self._look)

    def _retire(self) -> None:
        """Close a connection on which nothing is asked."""
        if unsent(self._transport):
            self._close()
        else:
            self._state = CLIENT[self._state][ENDED]
            self.timer.cancel()
            self._transport.close()

    def _flushed(self) -> None:
        """Look whether the client has taken everything; twice, for what a TLS transport hides."""
        if unsent(self._transport):
            self._empty = False
        elif self._empty:
            self._state = CLIENT[self._state][TAKEN]
            self.timer.due[WRITE_STALL] = inf
            if self._transport.can_write_eof():
                self.timer.set(LINGER, monotonic() + LINGERS)
            else:  # TLS says goodbye, and waits for the client to do so, for `ssl_shutdown_timeout`
                self._transport.close()
            return
        else:
            self._empty = True
        self._look = min(self._look * 2, LONGEST_LOOK)
        self.timer.set(FLUSH, monotonic() + self._look)

    def _watch(self) -> None:
        """From here on the client has `write_stall` seconds to take any byte."""
        self._taken = self._written - unsent(self._transport)
        self.timer.set(WRITE_STALL, monotonic() + self._door.limits.write_stall)

    def drain(self) -> None:
        """Close now if nothing is asked, else after the current answer."""
        if self._state <= PARTIAL and not self._queue and not self._waits:
            self._retire()

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _expired(self, purpose: int) -> None:
        """The deadline of one purpose passed."""
        if purpose == FLUSH:
            self._flushed()
        elif purpose == LINGER:
            self.abort()
        elif purpose == WRITE_STALL:
            if self._written - unsent(self._transport) > self._taken:
                self._watch()
            else:
                self._gone("stall")
        elif purpose in (HEAD, KEEP_ALIVE):
            self._silent(purpose)
        elif self.current is not None:
            self.current.expire(purpose)

    def _silent(self, purpose: int) -> None:
        """The client owed bytes. What it sent and nobody has parsed yet came in time."""
        waited = bool(self._waits)
        self.go_on()
        if self._state == PARTIAL and purpose == HEAD:
            self._broken("request_timeout")
            self._pump()
        elif self._state == READY and not waited:
            self._retire()

    def _gone(self, cause: str) -> None:
        """The client is as good as lost: nothing is answered any more."""
        current, self.current = self.current, None
        if current is not None:
            current.gone(cause)
        if self._state != CLOSED:
            self.abort()
