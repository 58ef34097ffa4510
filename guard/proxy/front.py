"""The front edge: HTTP/1.1 from clients (RFC 9112), on httptools (llhttp).

It is not ASGI: guard handles deadlines, limits, drain and signals itself, and a task per request would halve the speed.

A connection parses whole segments first and acts afterwards, so no callback of the parser runs the pipeline. Requests queue
in order of arrival (pipelining); the first is answered, the others wait with the bytes read of them. `states` lists the
states of a connection, and the deadlines that may be armed in each.
"""

import asyncio
from math import inf
from time import monotonic
from typing import cast

import httptools

from guard.proxy.admission import A_TURN, AT_ONCE
from guard.proxy.answers import UNTIL_CLOSE
from guard.proxy.backlog import BODY_FULL, EXCHANGE, FIELD, Backlog
from guard.proxy.deadlines import FLUSH, HEAD, KEEP_ALIVE, LINGER, WRITE_STALL
from guard.proxy.driver import Exchange
from guard.proxy.forwarding import peer
from guard.proxy.listener_state import ListenerState
from guard.proxy.messages import reset, unsent
from guard.proxy.places import refuse_bodies
from guard.proxy.requests import PLAIN, WHOLE, Unacceptable
from guard.proxy.states import (
    ANSWERED,
    CLIENT,
    CLOSED,
    ENDED,
    FLUSHING,
    HALF_CLOSED,
    HALF_LAST,
    HEAD_BYTES,
    LAST,
    LIVE,
    NO_MORE,
    PARTIAL,
    READY,
    REQUEST_BEGUN,
)
from guard.proxy.values import Head, RefusalCode


class Connection(Backlog, asyncio.Protocol):
    """The connection of one client. Implements `driver.Client` for the current exchange."""

    __slots__ = (
        "_head_held", "_in_queue", "_pumping", "_stalled", "paused",
    )  # fmt: skip

    def __init__(self, listener: ListenerState) -> None:
        super().__init__(listener)
        self.paused = False
        self._pumping = False
        self._head_held = 0  # bytes of the budget for an incomplete head
        self._in_queue = False  # `go_on` will be called in a later turn of the loop
        self._stalled = 0  # bytes of the budget that the client does not take

    # ── asyncio.Protocol ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a client; its first head is due."""
        self._transport = cast("asyncio.Transport", transport)
        listener, name = self._listener, transport.get_extra_info("peername")
        secure = transport.get_extra_info("sslcontext") is not None
        counted = secure and listener.handshakes.pop(self, None) is not None
        if self._state == CLOSED or not (counted or listener.admits()):
            self._state = CLIENT[self._state][ENDED]
            self._transport.abort()
            return
        listener.connections.add(self)
        address = name[0] if isinstance(name, tuple) else ""
        self.peer = peer(address, secure=secure, via=listener.via, trusted=listener.trusted)
        self.timer.set(HEAD, monotonic() + listener.limits.head)

    def data_received(self, data: bytes) -> None:
        """Take a segment; bytes ahead of their turn wait."""
        if self._state > LIVE:
            return  # bytes after the last request are dropped
        current, listener = self.current, self._listener
        if self._waits or self._queue or (current is not None and current.body_done):
            self._hold(data)
        elif current is None and len(listener.connections) > A_TURN and listener.admission.full(self):
            self._in_queue = True
            self._hold(data)
        else:
            parsed = self._read(data)
            if parsed < len(data):
                self._hold(data[parsed:])
            if current is not None:
                current.body_progress()
            if not self._pumping:
                self._pump()

    def go_on(self) -> int:
        """Take this connection's turn. Returns the number of requests begun."""
        self._in_queue = False
        return 0 if self._pumping else self._pump()

    def wait_to_judge(self) -> None:
        """Queue a large, complete document; it is judged when its turn comes."""
        self._listener.admission.wait_to_judge(self)

    def judge(self) -> None:
        """Judge this connection's large document, unless its request has ended meanwhile."""
        if self.current is not None:
            self.current.judge()

    def _read(self, data: bytes) -> int:
        """Parse a segment, at least to the end of a request. Returns the number of bytes parsed."""
        try:
            parsed = self._feed(data)
        except httptools.HttpParserError as error:
            if self._final and self._reading is None:
                self._no_more()
            elif isinstance(error, httptools.HttpParserCallbackError):  # one of guard's callbacks raised
                self._broken(error.__context__.code if isinstance(error.__context__, Unacceptable) else "internal")
            elif isinstance(error, httptools.HttpParserInvalidMethodError):
                self._broken(self._opening.unknown())
            else:
                self._broken("bad_request")
            return len(data)
        except Unacceptable as error:
            self._broken(error.code)
            return len(data)
        if self._reading is None and not self._queue and self.current is None:
            self._head_progress(parsed)
        return parsed

    def eof_received(self) -> bool:
        """Handle a FIN: before the answer was written the client is gone; after it, the client sends no more.

        A client that sent `Connection: close` may close its side after its request and wait for the answer, except with
        TLS, which has no half-close. True: guard's side stays open until the client has taken the written bytes.
        """
        self._take_in()
        state = self._state
        if state <= PARTIAL:
            self._retire()
        elif state <= LAST and not (self._final and self._reading is None and not self._waits):
            self._client_left("client")
        elif state <= FLUSHING and self._transport.can_write_eof():
            self._state = CLIENT[self._state][HALF_CLOSED]
            return True
        elif state <= LAST:
            self._client_left("client")
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 — every loss is one
        """Free everything that the connection holds, and cancel its exchange."""
        self._state = CLIENT[self._state][ENDED]
        self.timer.end()
        self._drop_waits()
        self._listener.connections.discard(self)
        self._relieve()
        self._drop_ahead()
        current, self.current = self.current, None
        if current is not None:
            current.client_left("client")
        self._reading = None
        self._parser = None  # breaks a reference cycle

    def pause_writing(self) -> None:
        """Note that the client does not take bytes, and begin to watch it."""
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
        if self._queue or self._waits:
            self._queue_up()
        elif self._state == READY:
            self.timer.set(KEEP_ALIVE, monotonic() + self._listener.limits.keep_alive)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _admit(self, head: Head, length: int, fault: RefusalCode | None) -> Exchange:
        listener = self._listener
        exchange = Exchange(self, head, f"{listener.prefix}-{listener.next_id()}", length, fault)
        if self._queue:
            self._charge(EXCHANGE)
        self._queue.append(exchange)
        return exchange

    def _relieve(self) -> None:
        self.budget.used -= self._stalled
        self._stalled = 0

    def _head_progress(self, received: int) -> None:
        """Limit an incomplete head, in bytes and, from its first byte, in time."""
        limits, timer = self._listener.limits, self.timer
        if self._state == READY:
            self._state = CLIENT[READY][HEAD_BYTES]
            due = min(monotonic() + limits.head, timer.due[HEAD], timer.due[KEEP_ALIVE])
            timer.due[KEEP_ALIVE] = inf
            timer.set(HEAD, due)
        fields = len(self._headers)
        self._head_bytes += received
        self._charge(self._head_bytes + FIELD * fields - self._head_held)
        self._head_held = self._head_bytes + FIELD * fields
        if self._head_bytes > limits.header_bytes + limits.target or fields > limits.headers:
            self._broken("headers_too_large")
        elif self._crowd():
            self._broken("overloaded")

    def _broken(self, code: RefusalCode) -> None:
        """Refuse the request that is being read: answer those before it, then close."""
        exchange, self._reading = self._reading, None
        self._no_more()
        if exchange is None:
            self._admit(Head(b"", b"", [], peer=self.peer), 0, code)
        elif exchange is self.current:
            exchange.refuse(code)
        else:
            exchange.broken = code

    def _no_more(self) -> None:
        """Read nothing more after the queued requests."""
        self._state = CLIENT[self._state][NO_MORE]
        self.timer.due[HEAD] = self.timer.due[KEEP_ALIVE] = inf
        self._drop_waits()
        self._headers, self._target = [], b""

    def pause_reading(self) -> None:
        """Stop reading a body from the client; until it resumes, neither FIN nor RST is noticed."""
        self._pause(BODY_FULL)

    def resume_reading(self) -> None:
        """Read a body from the client again."""
        if self._pauses & BODY_FULL:
            self._resume(BODY_FULL)
            if self._waits:
                self._queue_up()

    def _queue_up(self) -> None:
        """Continue in a later turn of the loop."""
        if not self._in_queue:
            self._in_queue = True
            self._listener.admission.wait(self)

    def _pump(self) -> int:
        """Parse waiting bytes and begin queued requests, one after the other: a few now, the rest in a later turn.

        A loop, so that many instant answers do not recurse. Returns the number of requests begun.
        """
        self._pumping = True
        begun = pieces = 0
        due = self.timer.due
        try:
            while self._state <= HALF_LAST:
                current = self.current
                if current is None and self._queue and not self.paused:
                    if begun == AT_ONCE:
                        self._queue_up()
                        break
                    begun += 1
                    exchange = self.current = self._queue.popleft()
                    self._state = CLIENT[self._state][REQUEST_BEGUN]
                    due[HEAD] = due[KEEP_ALIVE] = inf
                    if self._head_held:
                        self._charge(-self._head_held)
                        self._head_held = 0
                    if self._queue:
                        self._charge(-EXCHANGE)
                    self.body_deadline = monotonic() + self._listener.limits.body
                    exchange.start(self._listener.plan)
                elif self._waits and self._may_parse(current):
                    if AT_ONCE in (begun, pieces):
                        self._queue_up()
                        break
                    pieces += 1
                    self._take_piece()
                else:
                    break
        finally:
            self._pumping = False
        return begun

    def _may_parse(self, current: Exchange | None) -> bool:
        """Whether waiting bytes may be parsed: they belong to the current body, or nothing else comes first."""
        if current is None:
            return not self.paused and not self._queue
        return not current.body_done and not self._pauses & BODY_FULL

    def _take_piece(self) -> None:
        """Parse some of the waiting bytes: many of a body, few of anything else."""
        current = self.current
        parsed = self._read(bytes(self._waits[: PLAIN if self._reading is not None else WHOLE]))
        if self._waits:  # they were not dropped
            self._consumed(parsed)
        if current is not None:
            current.body_progress()

    def _take_in(self) -> None:
        """Parse waiting bytes at once, to learn at a deadline or a FIN what the client has sent in time."""
        while self._waits and self._state <= LIVE and self.current is None and not self._queue:
            self._take_piece()
        if not self._pumping:
            self._pump()

    # ── the end of an answer, and of the connection ───────────────────────────────────────────────────────────────

    def abort(self) -> None:
        """End the connection so that no client takes a part of an answer for the whole.

        If a FIN would look like a clean end, or bytes of a complete answer are unsent, the client gets a RST.
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
        self.timer.cancel()
        if current is not None:  # cut from outside: its call is cancelled now
            current.client_left("client")

    def _finished(self, keep: bool) -> None:  # noqa: FBT001
        self.current = None
        if not keep:
            self._close()
            return
        if not self._queue:
            if self._state == LIVE:
                self._state = CLIENT[LIVE][ANSWERED]
            if not self.paused and not self._waits:
                self.timer.set(KEEP_ALIVE, monotonic() + self._listener.limits.keep_alive)
        if not self._pumping and (self._queue or self._waits):
            self._pump()

    def give_up(self) -> None:
        """Close to make room for another connection; this one has no complete request."""
        self._listener.connections.discard(self)
        self.abort()

    def make_room(self) -> bool:
        """Refuse other clients' unfinished bodies to free memory. Whether this connection may go on."""
        return refuse_bodies(self._listener, self)

    def drain(self) -> None:
        """Close now if there is no request, else after the current answer."""
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
            if self._written - unsent(self._transport) > self._acknowledged:
                self._watch()
            else:
                self._client_left("stall")
        elif purpose in (HEAD, KEEP_ALIVE):
            self._silent(purpose)
        elif self.current is not None:
            self.current.expire(purpose)

    def _silent(self, purpose: int) -> None:
        """Handle the client's missed deadline; bytes that wait unparsed arrived in time."""
        waited = bool(self._waits)
        self._take_in()
        if self._state == PARTIAL and purpose == HEAD:
            self._broken("request_timeout")
            self._pump()
        elif self._state == READY and not waited:
            self._retire()

    def _client_left(self, cause: str) -> None:
        """Treat the client as lost: nothing more is answered."""
        current, self.current = self.current, None
        if current is not None:
            current.client_left(cause)
        if self._state != CLOSED:
            self.abort()
