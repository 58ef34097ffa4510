"""The half of a client's connection that writes: answers, framed as the client's version of HTTP has them (RFC 9112 §6)."""

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import Final

from guard.proxy import messages
from guard.proxy.deadlines import FLUSH, HEAD, KEEP_ALIVE, LINGER, WRITE_STALL, DeadlineTimer
from guard.proxy.delivery import acknowledged
from guard.proxy.driver import Exchange
from guard.proxy.interfaces import UNKNOWN
from guard.proxy.listener_state import ListenerState
from guard.proxy.messages import unsent, whole_message
from guard.proxy.requests import Requests
from guard.proxy.states import CLIENT, CLOSE, CLOSED, ENDED, LAST, READY, TAKEN
from guard.proxy.values import Headers, Reply

LINGERS: Final = 1.0
"""Seconds to read and drop bytes that a client still sends after it has taken its last answer."""
LOOK: Final = 0.002
"""Seconds to the first check whether a client has taken its last answer; each further interval is twice as long."""
LONGEST_LOOK: Final = 0.1

LENGTH: Final = 0  # a body framed by its length
CHUNKS: Final = 1
UNTIL_CLOSE: Final = 2  # for HTTP/1.0: a FIN ends the body


class Answers(Requests):
    """Writes for the current exchange, and decides whether the connection can carry another one after it."""

    __slots__ = (
        "_acknowledged", "_check_delivery", "_empty", "_framing", "_queue", "_state", "_transport", "_written", "timer",
    )  # fmt: skip

    def __init__(self, listener: ListenerState) -> None:
        super().__init__(listener)
        self._state = READY  # a row of `states.CLIENT`
        self._queue: deque[Exchange] = deque()  # requests that wait for the current one
        self._framing = LENGTH  # of the stream that is open, or was last
        self._written = 0  # bytes given to the transport
        self._acknowledged = 0  # of these, bytes that the client had taken when last looked at
        self._check_delivery = LOOK
        self._empty = False  # the last look found nothing unsent
        self._transport: asyncio.Transport
        self.timer = DeadlineTimer(asyncio.get_running_loop(), self._expired)

    def _expired(self, purpose: int) -> None:
        """The deadline of one purpose passed."""
        raise NotImplementedError

    def _drop_ahead(self) -> None:
        """Drop the requests that were sent ahead; bytes that still arrive are read and dropped."""
        raise NotImplementedError

    def _finished(self, keep: bool) -> None:  # noqa: FBT001
        """Continue after an answer was written; `keep`: the connection stays open."""
        raise NotImplementedError

    def send_continue(self) -> None:
        """Ask for the body of a request that waits to be asked (RFC 9110 §10.1.1)."""
        self._write(messages.CONTINUE)

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        """Write a whole answer."""
        keep = self._keeps(exchange) and not reply.close
        line = self._connection(exchange, keep)
        if (cors := self._listener.cors) is not None:
            reply.headers = cors.add(exchange.head, reply.headers)
        if reply.status in (204, 304) or exchange.head.method == b"HEAD":
            self._write(messages.head(reply.status, reply.headers, line + b"\r\n"))
        else:
            message = whole_message(reply.status, reply.headers, line, reply.body)
            self._written += len(message)
            self._transport.write(message)
        self._finished(keep)

    def open_stream(self, exchange: Exchange, status: int, headers: Headers, length: int) -> None:
        """Write the head of a relayed answer; `length` UNKNOWN is framed as chunks, or by the close for HTTP/1.0."""
        if (cors := self._listener.cors) is not None:
            headers = cors.add(exchange.head, headers)
        framing = b""
        if length != UNKNOWN:
            self._framing = LENGTH
            framing = b"content-length: %d\r\n" % length
        elif exchange.head.modern:
            self._framing = CHUNKS
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self._framing = UNTIL_CLOSE
            exchange.keep_alive = False
        self._write(messages.head(status, headers, framing + self._connection(exchange, self._keeps(exchange)) + b"\r\n"))

    def send_chunk(self, chunk: bytes) -> None:
        """Write bytes of a relayed answer."""
        self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._framing == CHUNKS else chunk)

    def close_stream(self, exchange: Exchange) -> None:
        """End a relayed answer that is complete."""
        if self._framing == CHUNKS:
            self._write(messages.LAST_CHUNK)
        self._finished(self._keeps(exchange))

    def _write(self, message: bytes) -> None:
        self._written += len(message)
        self._transport.write(message)

    def _keeps(self, exchange: Exchange) -> bool:
        """Whether the connection can carry another request after this one."""
        more = self._state < LAST or bool(self._queue)
        return exchange.keep_alive and exchange.consumed and more and not self._listener.draining

    def _connection(self, exchange: Exchange, keep: bool) -> bytes:  # noqa: FBT001
        if not keep:
            return b"connection: close\r\n"
        return b"" if exchange.head.modern else b"connection: keep-alive\r\n"

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _close(self) -> None:
        """Close guard's side once everything is written. A FIN follows the last byte; bytes from the client are dropped.

        Only a client that stops reading cuts the answer: a reset would destroy bytes on their way.
        """
        self._state = CLIENT[self._state][CLOSE]
        self._drop_ahead()
        due = self.timer.due
        due[HEAD] = due[KEEP_ALIVE] = inf
        if self._transport.can_write_eof():
            try:
                self._transport.write_eof()
            except OSError:  # reset by the client; only asyncio's own loop raises here
                self._state = CLIENT[self._state][ENDED]
                self._transport.abort()
                return
        self._watch()
        self.timer.set(FLUSH, monotonic() + self._check_delivery)

    def _retire(self) -> None:
        """Close a connection that has no request."""
        if unsent(self._transport):
            self._close()
        else:
            self._state = CLIENT[self._state][ENDED]
            self.timer.cancel()
            self._transport.close()

    def _flushed(self) -> None:
        """Check whether the client has taken everything; twice, since a TLS transport hides a buffer.

        On a busy machine that buffer holds more than one turn moves on. But in the end the client's host has acknowledged
        at least as many bytes as were written here, since encryption adds some.
        """
        transport = self._transport
        if unsent(transport) or (not transport.can_write_eof() and UNKNOWN < acknowledged(transport) < self._written):
            self._empty = False
        elif self._empty:
            self._state = CLIENT[self._state][TAKEN]
            self.timer.due[WRITE_STALL] = inf
            if self._state == CLOSED:
                self.timer.cancel()
                self._transport.close()
            elif self._transport.can_write_eof():
                self.timer.set(LINGER, monotonic() + LINGERS)
            else:  # TLS sends its close alert and waits `ssl_shutdown_timeout` for the client's
                self._transport.close()
            return
        else:
            self._empty = True
        self._check_delivery = min(self._check_delivery * 2, LONGEST_LOOK)
        self.timer.set(FLUSH, monotonic() + self._check_delivery)

    def _watch(self) -> None:
        """Begin to watch the client: it has `write_stall` seconds to take any byte."""
        self._acknowledged = self._written - unsent(self._transport)
        self.timer.set(WRITE_STALL, monotonic() + self._listener.limits.write_stall)
