"""Bytes → requests: what httptools (llhttp) makes of a client's bytes, and what it lets through and must not.

llhttp as a server has traps, each handled where it is named below and each a test: trailers come as headers · an offer to
upgrade ends the parse, and its body would be read as another request · no Host, two Hosts, HTTP/2.0, `TE: gzip, chunked`
and chunks in HTTP/1.0 are accepted · sizes of heads, targets and chunk extensions are not bounded.
"""

from typing import Final

import httptools

from guard.proxy.door import Door
from guard.proxy.driver import Exchange
from guard.proxy.forwarding import looped
from guard.proxy.headers import tokens, without_upgrade
from guard.proxy.parties import UNKNOWN
from guard.proxy.values import NOBODY, Head, Headers, Peer, RefusalCode

WHOLE: Final = 4096
"""A segment of so many bytes is parsed at once."""
SLICE: Final = 512
"""Of a larger one so many, so that the framing of a chunked body can be measured: slices it shares with a head are not."""
PLAIN: Final = 65536
"""The same within a body of declared length."""
FEW_CHUNKS: Final = 1024
"""So many chunks may be as small as they like."""
NOTED: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"host", b"expect", b"via", b"traceparent", b"x-guard-no-fallback")
)


class Unacceptable(Exception):  # noqa: N818
    """What was read so far cannot become a request; stops the parser."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code)
        self.code: RefusalCode = code


class Requests:
    """The half of a connection that reads. Its callbacks only take note; whoever feeds it acts afterwards."""

    __slots__ = (
        "_chunks", "_content", "_door", "_fault", "_final", "_head_bytes", "_headers", "_overhead", "_parser", "_plain",
        "_reading", "_target", "peer",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        self._door = door
        self.peer: Peer = NOBODY
        self._reading: Exchange | None = None  # whose body the parser is in
        self._headers: Headers = []
        self._target = b""
        self._head_bytes = 0
        self._final = False  # the request being read, or read last, ends the connection
        self._fault: RefusalCode | None = None
        self._plain = b""  # the head being read, without its offer to upgrade
        self._chunks = self._content = self._overhead = 0  # of a chunked body: count, bytes of content, bytes around it
        self._parser = httptools.HttpRequestParser(self)

    def _admit(self, head: Head, length: int, fault: RefusalCode | None) -> Exchange:
        """A request begins."""
        raise NotImplementedError

    # ── httptools; these only take note ───────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """Start of a request."""
        self._headers = []
        self._target = b""

    def on_url(self, part: bytes) -> None:
        """A part of the target."""
        self._target += part
        if len(self._target) > self._door.limits.target:
            self._refuse("target_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line; trailers never become headers."""
        if self._reading is not None:
            return
        if b"_" in name:  # X_Admin and X-Admin are one to a model server that speaks WSGI
            self._refuse("bad_request")
        self._headers.append((name.lower(), value))
        if len(self._headers) > self._door.limits.headers:
            self._refuse("headers_too_large")

    def on_headers_complete(self) -> None:
        """A head is whole: an exchange begins."""
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        length, hosts, host, expect, rare = self._noted(headers)
        if version not in ("1.1", "1.0") or expect not in (b"", b"100-continue"):
            self._refuse("bad_request")
        if (hosts or version == "1.1") and (hosts != 1 or not self._door.is_host(host)):
            self._refuse("bad_request")
        if parser.should_upgrade():
            self._decline()
            return  # llhttp stops after this head, see `_parse`
        if self._target[:4] == b"http":
            self._target = self._origin_form(host)
        if length == UNKNOWN and (version == "1.0" or tokens(headers, b"transfer-encoding") != [b"chunked"]):
            self._refuse("bad_request")
        head = Head(parser.get_method(), self._target, headers, version.encode(), self.peer, host)
        if rare:
            head.trace = rare.get(b"traceparent", b"")
            head.alone = rare.get(b"x-guard-no-fallback") == b"1"
        exchange = self._admit(head, length, None)
        exchange.keep_alive = parser.should_keep_alive()
        self._final = not exchange.keep_alive
        exchange.expects = bool(expect) and version == "1.1"
        self._reading = exchange
        self._chunks = self._content = self._overhead = 0

    def _origin_form(self, host: bytes) -> bytes:
        """A target that names a scheme and an authority (RFC 9112 §3.2.2), without them; the Host must name the same."""
        scheme, _, rest = self._target.partition(b"://")
        authority, slash, path = rest.partition(b"/")
        if scheme not in (b"http", b"https") or authority != host or not slash:
            self._refuse("bad_request")
        return slash + path

    def _noted(self, headers: Headers) -> tuple[int, int, bytes, bytes, dict[bytes, bytes]]:
        """(length of the body, hosts, host, expectation, what is rarely sent)."""
        length, hosts, host, expect, size = 0, 0, b"", b"", 0
        rare: dict[bytes, bytes] = {}
        for name, value in headers:
            size += len(name) + len(value)
            if name not in NOTED:
                continue
            if name == b"host":
                hosts, host = hosts + 1, value
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                length = UNKNOWN
            elif name == b"expect":
                expect += value.lower()  # two of them are none that is known
            else:
                rare[name] = rare.get(name, b"") + value
        if size > self._door.limits.header_bytes:
            self._refuse("headers_too_large")
        if rare and looped(rare.get(b"via", b""), self._door.via):
            self._refuse("bad_request")
        return length, hosts, host, expect, rare

    def on_chunk_header(self) -> None:
        """One more chunk."""
        self._chunks += 1

    def on_body(self, chunk: bytes) -> None:
        """Bytes of a body."""
        exchange: Exchange = self._reading  # type: ignore[assignment]
        size = len(chunk)
        exchange.chunks.append(chunk)
        exchange.size += size
        exchange.held += size
        self._content += size
        self._door.budget.used += size

    def on_message_complete(self) -> None:
        """End of a request."""
        if self._reading is not None:
            self._reading.body_done = True
            self._reading = None
        self._head_bytes = 0

    # ── feeding ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, code: RefusalCode) -> None:
        self._fault = code
        raise Unacceptable(code)

    def _decline(self) -> None:
        """An offer to upgrade is declined by reading the head again without it."""
        parser = self._parser
        if parser.get_method() == b"CONNECT":
            self._refuse("bad_request")
        version = parser.get_http_version().encode()
        self._plain = without_upgrade(parser.get_method(), self._target, version, self._headers)

    def _feed(self, data: bytes) -> None:
        """Parse, in slices where more than one would hide what is framing and what is content."""
        if len(data) <= WHOLE:
            self._measured(data)
            return
        view, at = memoryview(data), 0
        while at < len(data):
            reading = self._reading
            step = PLAIN if reading is not None and reading.length != UNKNOWN else SLICE
            self._measured(view[at : at + step])
            at += step

    def _measured(self, data: bytes | memoryview) -> None:
        """Parse a slice; where all of it is of one chunked body, hold what is not content against the limit."""
        reading, content = self._reading, self._content
        self._parse(data)
        if reading is None or reading is not self._reading or reading.length != UNKNOWN:
            return
        self._overhead += len(data) - (self._content - content)
        extensions = self._overhead - 8 * self._chunks
        dust = self._chunks > FEW_CHUNKS and self._overhead > 2 * self._content
        if dust or extensions > self._door.limits.chunk_extensions:
            self._fault = "bad_request"
            raise Unacceptable("bad_request")

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse. Left to itself, llhttp takes an upgrade's body for the other protocol's, a way to smuggle requests."""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                self._parser.feed_data(self._plain)
            else:
                return
