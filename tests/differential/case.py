"""What a case of the corpus is, and the few helpers that keep the cases short."""

from dataclasses import dataclass, field

MARK = b"x-upstream: 1\r\n"
"""In every scripted answer, so that an answer of the upstream can be told from one that a proxy made."""

CLOSE, RESET, KEEP = "close", "reset", "keep"


@dataclass(frozen=True)
class Answer:
    """What the upstream sends for a request, byte by byte, and what it does to the connection afterwards."""

    raw: bytes
    after: str = KEEP
    early: bool = False
    """Sent as soon as the head is there, before the body."""
    delay: float = 0.0
    """Seconds before the first byte."""


def answer(head: bytes, body: bytes = b"", after: str = KEEP, *, early: bool = False, delay: float = 0.0) -> Answer:
    """An answer from `200 OK\\nName: value`, with line ends made CRLF and the mark added."""
    lines = head.replace(b"\n", b"\r\n") + b"\r\n"
    return Answer(b"HTTP/1.1 " + lines + MARK + b"\r\n" + body, after, early, delay)


OK = answer(b"200 OK\nContent-Length: 2", b"{}")
OK_HEAD = answer(b"200 OK\nContent-Length: 2")


@dataclass(frozen=True)
class Case:
    """One connection: what the client sends, what the upstream answers, and why guard differs from Envoy, if it does."""

    name: str
    request: bytes | tuple[bytes, ...]
    """Several segments are sent with a pause between them."""
    answer: Answer = OK
    why: str = ""
    watch: frozenset[str] = field(default_factory=frozenset)
    """Headers that a proxy adds or replaces as a matter of course, and that this case is about."""
    half_close: bool = False
    """The client ends its side after the request."""
    warm: bool = False
    """The proxy has an idle connection to the upstream when the request comes."""
    fault: bool = False
    """guard is wrong here, and knows it; the page says so in a table of its own."""

    @property
    def whole(self) -> bytes:
        """All that the client sends."""
        return self.request if isinstance(self.request, bytes) else b"".join(self.request)

    @property
    def method(self) -> bytes:
        """Of the first request."""
        return self.whole.partition(b" ")[0]


def get(target: bytes = b"/p", *lines: bytes, version: bytes = b"HTTP/1.1", host: bytes | None = b"a.example") -> bytes:
    """A request without a body; `lines` are header lines."""
    return head(b"GET", target, *lines, version=version, host=host)


def head(
    method: bytes, target: bytes, *lines: bytes, version: bytes = b"HTTP/1.1", host: bytes | None = b"a.example"
) -> bytes:
    """Request line, Host, header lines, empty line."""
    hosts = [] if host is None else [b"Host: " + host]
    return b"\r\n".join([method + b" " + target + b" " + version, *hosts, *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"abc", target: bytes = b"/p", version: bytes = b"HTTP/1.1") -> bytes:
    """A POST with exactly these header lines, so none that frames its body unless they say so."""
    return head(b"POST", target, *lines, version=version) + body


def sized(*lines: bytes, body: bytes = b"abc", target: bytes = b"/p") -> bytes:
    """A POST framed as it should be, by its length."""
    return post(b"Content-Length: %d" % len(body), *lines, body=body, target=target)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """A POST whose body is chunks, written out by the case."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)
