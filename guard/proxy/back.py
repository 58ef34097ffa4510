"""The back edge: a small HTTP/1.1 client, pooled in `pool`. Raw targets, no cookies, redirects or environment proxies.

httptools (llhttp) as a client has traps; each is handled below and has a test. A HEAD reply never completes. A body that
ends by EOF has no finish call. 999 and `TE: gzip` are accepted. 103 fires message_complete. Bytes after a response parse as
a second one.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

import httptools

from guard.proxy.answer_heads import Malformed, bounded, undoubled
from guard.proxy.delivery import acknowledged, quiet, received, watched
from guard.proxy.headers import (
    GUARD_PREFIX,
    REPLY_DROPS,
    Names,
    members,
    nominated,
    strip,
    those_without,
    write_lines,
)
from guard.proxy.interfaces import UNKNOWN, Owner
from guard.proxy.start_lines import StatusLines
from guard.proxy.states import (
    AWAITING,
    CALLED,
    DROPPED,
    FINAL_HEAD,
    FREE,
    GONE,
    RELAYED,
    STREAMING,
    UPSTREAM,
    WHOLE,
)
from guard.proxy.values import STREAM, Answer, Call, Headers, Reason, combined

if TYPE_CHECKING:
    from guard.proxy.pool import Pool

MOST_INTERIM: Final = 8
"""Most interim (1xx) responses before a final one; none is passed on."""
MOST_ERROR: Final = 65536
"""Most bytes buffered of an error in place of a stream, so that its dialect can judge the cause."""
CRASHED: Final = 500  # a server may close after it unannounced; a request that meets this may have been read
NAMES: Final = Names(bytes.lower)
PASSES: Final = those_without(REPLY_DROPS, GUARD_PREFIX)
_LAST_CHUNK: Final = b"0\r\n\r\n"


class Link(asyncio.Protocol):
    """One connection to an upstream; it has an owner while a call is on it and belongs to its pool otherwise.

    `states` lists its states. A kept connection is checked for a FIN before it is used. If the server still ends it before
    any byte of an answer, `unread` is whether the server provably has not read the request (see `delivery`).
    """

    __slots__ = (
        "_asked", "_before", "_body_open", "_chunked_body", "_chunks", "_collect", "_dated", "_dirty", "_done", "_eager",
        "_fields", "_head_only", "_header_bytes", "_headers", "_held", "_interim", "_keep", "_lines", "_modern",
        "_parser", "_poll", "_secure", "_segment", "_size", "_transport", "_until_close", "_written", "answer_begun",
        "born", "called_at", "head_at", "idle_since", "length", "owner", "partial", "paused", "pool", "reused", "state",
        "status", "unread",
    )  # fmt: skip

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.state = FREE
        self.owner: Owner | None = None
        self.born = self.idle_since = monotonic()
        self.reused = False
        self.paused = False
        self.unread = self.partial = False  # the call failed, and the server has nothing, or a part, of its request
        self._held = 0  # bytes of the budget
        self._written = 1  # bytes of all calls, and the SYN, which the host acknowledges too
        self._before = 1  # of these, bytes acknowledged, or written, before this call
        self._secure = False
        self._headers: Headers
        self._fields: dict[bytes, bytes]
        self._dated = False
        self._lines: StatusLines | None = None  # where the first bytes alone do not say that it is HTTP
        self._segment = b""
        self._modern = False  # its first bytes say HTTP/1.1: to ask the parser costs ten times that
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, owner: Owner, call: Call, length: int, now: float) -> None:
        """Write a request. A STREAM body of declared `length` (UNKNOWN: chunked) follows through `send_body`."""
        self.owner = owner
        self.state = UPSTREAM[self.state][CALLED]
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._collect, self._eager = call.collect, call.eager
        self._head_only = call.method == b"HEAD"
        self._done = self._dirty = self._until_close = self._keep = False
        self._chunked_body = self._body_open = self.answer_begun = False
        self._headers, self.length, self._segment = [], UNKNOWN, b""
        self._chunks: list[bytes] = []
        self._size = self._header_bytes = self._interim = self.status = 0
        self.head_at = 0.0
        self.called_at = now
        message = self._message(call, length, now)
        self._before = acknowledged(self._transport) if self._secure else self._written
        self._asked = len(message)
        self._written += self._asked
        self._transport.write(message)

    def _message(self, call: Call, length: int, now: float) -> bytes:
        """The head, and a body that is not a STREAM."""
        body, method = call.body, call.method
        lines = [method, b" ", call.path, call.target.opening]
        write_lines(call.headers, lines)
        if call.remaining:
            lines.append(b"%b: %.3f\r\n" % (call.remaining, max(call.until - now, 0.001)))
        if body is STREAM:
            self._body_open = length != 0
            self._chunked_body = length == UNKNOWN
            if self._chunked_body:
                lines.append(b"transfer-encoding: chunked\r\n")
            elif length or method not in (b"GET", b"HEAD"):
                lines.append(b"content-length: %d\r\n" % length)
            lines.append(b"\r\n")
        elif body or method not in (b"GET", b"HEAD"):
            size: int = len(body)  # `%` of what is known to be an int is machine code
            lines += (b"content-length: %d\r\n\r\n" % size, body)
        else:
            lines.append(b"\r\n")
        return b"".join(lines)

    def send_body(self, chunk: bytes) -> None:
        """Pass on bytes of a streamed request body."""
        piece = b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked_body else chunk
        self._written += len(piece)
        self._transport.write(piece)

    def end_body(self) -> None:
        """End the streamed request body."""
        if self._body_open and self._chunked_body:
            self._written += len(_LAST_CHUNK)
            self._transport.write(_LAST_CHUNK)
        self._body_open = False

    def flow(self) -> None:
        """Pass everything from here on to the owner as it comes."""
        self.state = UPSTREAM[self.state][RELAYED]
        self._deliver()

    def cancel(self) -> None:
        """Give up the call. The connection ends, since the rest of its answer has no owner."""
        self.owner = None
        self.drop()

    def pause_reading(self) -> None:
        """Stop reading from the upstream."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the upstream again; has no effect if reading was not paused."""
        self._transport.resume_reading()

    # ── asyncio.Protocol ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._poll = watched(transport)

    def data_received(self, data: bytes) -> None:
        """Parse; bytes on a connection without a call end it."""
        if self.owner is None or self._parser is None:
            self.drop()
            return
        if not self.answer_begun:
            self.answer_begun, self._modern = True, data.startswith(b"HTTP/1.1 ")
            self._lines = None if self._modern else StatusLines()
        if self.state == AWAITING:
            self._header_bytes += len(data)  # at least; it may hold more than the head
            self._segment = self._segment[-3:] + data if self._segment else data
            if self._lines is not None and not self._lines.feed(data):
                self._fail("malformed")
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._done:
                self._fail("malformed")
                return
            self._dirty = True
        if self._head_only and not data.endswith(b"\r\n\r\n"):
            self._dirty = True  # an unexpected body; it may not even have reached `on_body`
        if self.state == AWAITING:
            if self._header_bytes > self.pool.limits.header_bytes * 2:
                self._fail("malformed")
            return
        self._deliver()

    def eof_received(self) -> bool:
        """Close at the upstream's half-close: a call whose answer has not begun fails."""
        if self.owner is not None and self.state == AWAITING and not self.answer_begun:
            self._hung_up(fin=True)
        elif self.owner is None:
            self.pool.ended(self)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Complete a body that the close delimits; any other call fails."""
        self.pool.lost(self)
        if self.owner is not None:
            if self.state > AWAITING and self._until_close and error is None:
                self._done = True
                self._deliver()
            else:
                # A write after a FIN and a reset raises EPIPE. A reset alone is another error, and proves nothing.
                self._hung_up(fin=isinstance(error, BrokenPipeError))
        self.state = UPSTREAM[self.state][DROPPED]
        self._parser = None  # breaks a reference cycle

    def pause_writing(self) -> None:
        """The upstream does not take the request body."""
        self.paused = True

    def resume_writing(self) -> None:
        """The upstream takes the request body again."""
        self.paused = False
        if self.owner is not None and self._body_open:
            self.owner.resumed(self)

    # ── httptools; these only take note, `_deliver` acts once the parser has returned ─────────────────────────────

    def on_message_begin(self) -> None:
        """Start of a response; after the end of one it is excess."""
        if self._done:
            self._dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line; trailers and excess are dropped."""
        if self.state == AWAITING:
            self._headers.append((NAMES[name], value))

    def on_headers_complete(self) -> None:
        """Frame the response (RFC 9112 §6.3)."""
        if self._done:
            return
        parser: httptools.HttpResponseParser = self._parser  # type: ignore[assignment]
        status, headers = parser.get_status_code(), self._headers
        if 100 <= status < 200:
            self._skip_interim(status)
            return
        pool = self.pool
        bounded(status, headers, pool.limits, self._header_bytes)
        self.status, self._segment = status, b""
        self.head_at = monotonic()
        self.state = UPSTREAM[self.state][FINAL_HEAD]
        if self._collect == 0 and not 200 <= status < 300:
            self._collect = MOST_ERROR
        self._fields = fields = combined(headers)
        if len(fields) < len(headers):
            undoubled(headers)
        hops = nominated(fields.get(b"connection"))
        self._headers = strip(headers, PASSES, hops)
        self._dated = b"date" in fields and b"date" not in hops
        length = fields.get(b"content-length")
        if length is not None:
            self.length = int(length)
        version = "1.1" if self._modern else parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Malformed
        if self._head_only or status in (204, 304):
            self._done, self._keep = True, parser.should_keep_alive()
        elif length is None:
            self._frame(version)

    def _skip_interim(self, status: int) -> None:
        """Drop an interim response, and check the status line of the next one. Raises Malformed."""
        self._interim += 1
        if self._lines is None:
            self._lines = StatusLines()
        rest = self._lines.interim(self._segment)
        if status == 101 or self._interim > MOST_INTERIM or rest is None:
            raise Malformed
        self._headers, self._modern, self._segment = [], False, rest

    def _frame(self, version: str) -> None:
        """Frame a body of undeclared length: chunked, or to the close. Raises Malformed for any other coding."""
        coding = self._fields.get(b"transfer-encoding")
        if coding is None:
            self._until_close = True
        elif members(coding) != [b"chunked"]:
            raise Malformed
        self._dirty = version == "1.0" and coding is not None  # faulty framing: no other call on it (RFC 9112 §6.1)

    def on_body(self, chunk: bytes) -> None:
        """Take bytes of the body; after the end of the answer (to HEAD) they make the connection unusable."""
        if self._done:
            self._dirty = True
        else:
            self._chunks.append(chunk)
            self._size += len(chunk)

    def on_message_complete(self) -> None:
        """End of a final response, or of an interim one."""
        if self.state > AWAITING and not self._done:
            self._done = True
            self._keep = self._parser.should_keep_alive()  # type: ignore[union-attr]

    # ── delivery ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self) -> None:
        owner = self.owner
        if owner is None:
            return
        if self.state == STREAMING:
            if self._chunks:
                owner.data(self, self._take())
            if self._done and self.owner is owner:
                self._release()
                owner.done(self)
        elif self._done and (self._size <= self._collect or self._collect == 0):
            end = monotonic()
            self._release()
            owner.answered(self, self._answer(True, end))
        elif self._size > self._collect or self.length > self._collect or self._collect == 0 or self._unbounded():
            owner.answered(self, self._answer(False, self.head_at))
        else:
            budget = self.pool.budget
            budget.used += self._size - self._held
            self._held = self._size
            if budget.spent:
                self._fail("overloaded")

    def _unbounded(self) -> bool:
        """Whether the answer may be relayed as it comes and has no declared length: it may be an event stream."""
        return self._eager and self.length == UNKNOWN

    def _give_back(self) -> None:
        self.pool.budget.used -= self._held
        self._held = 0

    def _answer(self, complete: bool, end: float) -> Answer:  # noqa: FBT001
        answer = Answer(self.status, self._headers, self._take(), complete, self.called_at, self.head_at, end)
        if self.length != UNKNOWN and (self._head_only or self.status == 304):
            answer.headers.append((b"content-length", b"%d" % self.length))
        answer.dated, answer.named = self._dated, self._fields.get(b"x-model-version", b"")
        return answer

    def _take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        if self._held:
            self._give_back()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _release(self) -> None:
        """End the call; the connection returns to the pool or is closed."""
        self.owner = None
        again = self._keep and not self._dirty and not self._body_open and not self._until_close and self.status != CRASHED
        if not again or self._head_only:  # after an answer to HEAD it still expects a body
            self._parser = None
        if again:
            if self.state == STREAMING:  # its owner may have paused it with the last piece
                self._transport.resume_reading()
            self.state = UPSTREAM[self.state][WHOLE]
            if b"keep-alive" in self._fields:
                self.pool.announced(self._fields[b"keep-alive"])
            self.pool.give(self)
        else:
            self.drop()

    def _fail(self, reason: Reason) -> None:
        owner, self.owner = self.owner, None
        self.drop()
        if owner is not None:
            owner.failed(self, reason)

    def _hung_up(self, *, fin: bool) -> None:
        """Fail the call after the server ended its connection; without an answer, note how much of the request it has."""
        if not self.answer_begun:
            unsent = not self._secure and self._transport.get_write_buffer_size() >= self._written - self._before > 0
            self.unread, self.partial = received(self._transport, self._before, self._asked, unsent=unsent, fin=fin)
        self._fail("reset")

    def usable(self, now: float, oldest: float) -> bool:
        """Whether a new call may go out on this idle connection."""
        if self.state != FREE or self._transport.is_closing() or now - self.idle_since >= self.pool.keep:
            return False
        return self.born > oldest and quiet(self._poll)

    def drop(self) -> None:
        """Close the connection: bytes that still arrive have no owner."""
        self._parser = None
        self._give_back()
        if self.state != GONE:
            self.state = UPSTREAM[self.state][DROPPED]
            self._transport.abort()
