"""Parses a client's bytes into requests with httptools (llhttp), and refuses invalid requests that it accepts.

llhttp as a server has traps; each is handled below and has a test. Trailers arrive as headers. An offer to upgrade ends the
parse, and its body would be read as another request. No Host, two Hosts, HTTP/2.0, `TE: gzip, chunked` and chunks in
HTTP/1.0 are accepted. Sizes of heads, targets and chunk extensions are not bounded.
"""

from typing import Any, Final

import httptools

from guard.proxy.driver import Exchange
from guard.proxy.forwarding import looped
from guard.proxy.headers import Names, members, repeated, without_upgrade
from guard.proxy.interfaces import UNKNOWN
from guard.proxy.listener_state import ListenerState
from guard.proxy.start_lines import Opening
from guard.proxy.values import NOBODY, Head, Headers, Peer, RefusalCode, combined

WHOLE: Final = 4096
"""Largest segment in bytes that is parsed at once."""
SLICE: Final = 512
"""Larger segments are parsed in slices of this many bytes, so that the framing of a chunked body can be measured.

A slice that holds a head too is not measured.
"""
FEW: Final = 1024
"""Segment size in bytes up to which requests are not counted: it holds at most 56."""
MANY: Final = 16
"""Most requests of a segment that is parsed at once; one with more is parsed in slices, to the end of its first."""
PLAIN: Final = 65536
"""Bytes of a slice within a body of declared length."""
FEW_CHUNKS: Final = 1024
"""Chunks of a body whose size is not limited from below."""
ASKING: Final = frozenset((b"expect", b"via", b"traceparent", b"x-guard-no-fallback"))
"""Fields that are directed at guard or show a request's way; few clients send any."""


class Unacceptable(Exception):  # noqa: N818
    """The error of bytes that cannot become a valid request; it stops the parser."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code)
        self.code: RefusalCode = code


def named(name: bytes) -> bytes:
    """A field's name in lower case. Raises Unacceptable for `_`: WSGI servers take X_Admin for X-Admin."""
    if b"_" in name:
        raise Unacceptable("bad_request")
    return name.lower()


def trimmed(value: bytes) -> bytes:
    """A field's value without trailing white space, which is not part of it (RFC 9112 §5) and which llhttp keeps."""
    return value.rstrip(b" \t")


NAMES: Final = Names(named)


class Requests:
    """The part of a connection that reads. Its callbacks only take notes; the caller that feeds it acts afterwards."""

    __slots__ = (
        "_chunks", "_completed", "_content", "_final", "_head_bytes", "_headers", "_listener", "_minor", "_opening",
        "_overhead", "_parser", "_plain", "_reading", "_segment", "_since", "_target", "peer",
    )  # fmt: skip

    def __init__(self, listener: ListenerState) -> None:
        self._listener = listener
        self.peer: Peer = NOBODY
        self._reading: Exchange | None = None  # whose body the parser is in
        self._headers: Headers = []
        self._target = b""
        self._opening = Opening()
        self._head_bytes = 0
        self._segment = self._since = 0  # bytes fed at once; bytes since the last request's end, or more
        self._completed = False  # a request became whole in the segment that is parsed
        self._final = False  # the request being read, or read last, ends the connection
        self._minor = b""  # digit of the version of the head that was read last
        self._plain = b""  # the head being read, without its offer to upgrade
        self._chunks = self._content = self._overhead = 0  # of a chunked body: count, bytes of content, bytes around it
        self._parser: Any = httptools.HttpRequestParser(self)  # None once the client has left

    def _admit(self, head: Head, length: int, fault: RefusalCode | None) -> Exchange:
        """Begin an exchange for a request. `length`: bytes of its body, or UNKNOWN. `fault`: the reason to refuse it."""
        raise NotImplementedError

    # ── httptools; these only take note ───────────────────────────────────────────────────────────────────────────

    def on_url(self, part: bytes) -> None:
        """Take a part of the target."""
        self._target += part
        if len(self._target) > self._listener.limits.target:
            raise Unacceptable("target_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field line; trailers never become headers."""
        if self._reading is not None:
            return
        self._headers.append((NAMES[name], value))

    def on_headers_complete(self) -> None:
        """Check a complete head, and begin its exchange."""
        parser, headers, listener = self._parser, self._headers, self._listener
        if len(headers) > listener.limits.headers or self._since > listener.limits.header_bytes:
            self._bounded(headers)
        fields = combined(headers)
        method, host = parser.get_method(), fields.get(b"host")
        if self._plain:
            minor, self._plain = self._minor, b""  # the head was checked when it was read first
        else:
            opening, at = self._opening, len(method) + 1 + len(self._target)
            if opening.ahead == 0 and opening.bytes[at : at + 11] == b" HTTP/1.1\r\n":  # nothing precedes the request line
                minor = b"1"
            else:
                minor = opening.is_request(method, self._target)
            self._minor = minor
        if minor not in (b"1", b"0") or (len(fields) < len(headers) and repeated(headers)):
            raise Unacceptable("bad_request")
        if host is None or not listener.is_host(host):
            host = self._odd_host(host, minor)
        if parser.should_upgrade():
            self._decline(fields)
            return  # llhttp stops after this head, see `_parse`
        if self._target[:4] == b"http":
            self._target = origin_form(self._target, host)
        size = fields.get(b"content-length")
        length = int(size) if size is not None else 0
        if b"transfer-encoding" in fields:
            length = UNKNOWN
            if minor == b"0" or members(fields[b"transfer-encoding"]) != [b"chunked"]:
                raise Unacceptable("bad_request")
        self._opening.follow(length)
        head = Head(method, self._target, headers, minor == b"1", self.peer, host or b"")
        head.fields = fields
        expects = not ASKING.isdisjoint(fields) and self._may_continue(head, fields)
        exchange = self._admit(head, length, None)
        exchange.expects = expects
        exchange.keep_alive = parser.should_keep_alive()
        self._final = not exchange.keep_alive
        self._reading = exchange
        self._headers, self._target = [], b""
        self._chunks = self._content = self._overhead = 0

    def _odd_host(self, host: bytes | None, minor: bytes) -> bytes | None:
        """The Host of a head without a well-formed one: trimmed, or None in HTTP/1.0. Raises Unacceptable."""
        if host is None:
            if minor == b"1":
                raise Unacceptable("bad_request")
            return None
        host = trimmed(host)
        if not self._listener.is_host(host):
            raise Unacceptable("bad_request")
        return host

    def _bounded(self, headers: Headers) -> None:
        limits = self._listener.limits
        if len(headers) > limits.headers or sum(len(name) + len(value) for name, value in headers) > limits.header_bytes:
            raise Unacceptable("headers_too_large")

    def _may_continue(self, head: Head, fields: dict[bytes, bytes]) -> bool:
        """Read the fields of ASKING. True: the client waits for a 100 before it sends its body. Raises Unacceptable."""
        expect = trimmed(fields.get(b"expect", b"")).lower()
        if expect not in (b"", b"100-continue") or looped(fields.get(b"via", b""), self._listener.via):
            raise Unacceptable("bad_request")
        head.trace = trimmed(fields.get(b"traceparent", b""))
        head.alone = trimmed(fields.get(b"x-guard-no-fallback", b"")) == b"1"
        return bool(expect) and head.modern

    def on_chunk_header(self) -> None:
        """Count one more chunk."""
        self._chunks += 1

    def on_body(self, chunk: bytes) -> None:
        """Take bytes of a body."""
        exchange: Exchange = self._reading  # type: ignore[assignment]
        size = len(chunk)
        exchange.chunks.append(chunk)
        exchange.size += size
        exchange.held += size
        self._content += size
        self._listener.budget.used += size

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        if self._reading is not None:
            self._reading.body_done = True
            self._reading = None
        self._head_bytes = 0
        self._completed = True
        self._since = self._segment

    # ── feeding ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _decline(self, fields: dict[bytes, bytes]) -> None:
        """Decline an offer to upgrade: the head is read again without it. Raises Unacceptable for CONNECT and WebSocket."""
        parser = self._parser
        if parser.get_method() == b"CONNECT":
            raise Unacceptable("bad_request")
        if parser.get_method() == b"GET" and b"websocket" in members(fields.get(b"upgrade", b"")):
            raise Unacceptable("websocket")
        version = parser.get_http_version().encode()
        self._plain = without_upgrade(parser.get_method(), self._target, version, self._headers)
        self._headers, self._target = [], b""

    def _feed(self, data: bytes) -> int:
        """Parse a segment. Returns the number of bytes parsed.

        A segment that is large, or holds many requests, is parsed in slices, and only to the end of its first request: one
        piece would hide how many of its bytes are framing.
        """
        self._segment = size = len(data)
        self._since += size
        opening = self._opening
        if opening.ahead or opening.bytes:
            opening.feed(data, complete=self._reading is None)
        else:
            opening.bytes = data
        self._completed = False
        if size <= FEW or (size <= WHOLE and data.count(b" HTTP/1.") <= MANY):
            self._parse(data)
            if opening.ahead == UNKNOWN:
                opening.parsed(data, complete=self._reading is None)
            return size
        view, at = memoryview(data), 0
        while at < size and not self._completed:
            reading, step = self._reading, SLICE
            if reading is not None and reading.length != UNKNOWN:
                step = min(PLAIN, reading.length - self._content)
            self._parse(view[at : at + step])
            at = min(at + step, size)
        if at < size:
            opening.back(size - at)
        else:
            opening.parsed(data, complete=self._reading is None)
        return at

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse bytes. llhttp leaves the body of an upgrade to the other protocol; declining prevents request smuggling."""
        reading, content, size = self._reading, self._content, len(data)
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                self._parser.feed_data(self._plain)
            else:
                break
        if reading is not None and reading is self._reading and reading.length == UNKNOWN:
            self._framed(size - (self._content - content))

    def _framed(self, overhead: int) -> None:
        """Check the limits on chunk framing. `overhead`: bytes of a slice of one chunked body that are not content."""
        self._overhead += overhead
        extensions = self._overhead - 8 * self._chunks
        dust = self._chunks > FEW_CHUNKS and self._overhead > 2 * self._content
        if dust or extensions > self._listener.limits.chunk_extensions:
            raise Unacceptable("bad_request")


def origin_form(target: bytes, host: bytes | None) -> bytes:
    """An absolute-form target (RFC 9112 §3.2.2) in origin form. Raises Unacceptable if the Host is another."""
    scheme, _, rest = target.partition(b"://")
    authority, slash, path = rest.partition(b"/")
    if scheme not in (b"http", b"https") or authority != host or not slash:
        raise Unacceptable("bad_request")
    return slash + path
