"""HTTP/1.1 messages as they are on the wire, read by the book and without any of the libraries under test."""

import re
from dataclasses import dataclass, field

BODILESS = frozenset((204, 304))
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r\n")


@dataclass
class Message:
    """A request or an answer. `complete`: by its own framing, nothing is missing."""

    start: bytes
    headers: list[tuple[bytes, bytes]]
    framing: str = "none"
    body: bytes = b""
    complete: bool = True
    trailers: list[bytes] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Of an answer; 0 where there is none to be read."""
        parts = self.start.split(b" ")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    def values(self, name: bytes) -> list[bytes]:
        """The values of every line of a header, in order."""
        return [value for key, value in self.headers if key == name]


def read(data: bytes, *, reply_to: bytes | None = None, ended: bool = False) -> tuple[Message, bytes] | None:
    """The first message and what follows it; None while its head is not whole. `reply_to` is a request's method."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    start, *lines = head.split(b"\r\n")
    pairs = [line.partition(b":") for line in lines]
    message = Message(start, [(name.lower(), value.strip(b" \t")) for name, _, value in pairs])
    if reply_to is not None and (reply_to == b"HEAD" or message.status < 200 or message.status in BODILESS):
        return message, rest
    lengths, codings = message.values(b"content-length"), message.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1 or (lengths and not lengths[0].isdigit()) or (codings and codings != [b"chunked"]):
        message.framing, message.body, message.complete = "ambiguous", rest, False
        return message, b""
    if codings:
        return message, _chunks(message, rest)
    if lengths:
        length = int(lengths[0])
        message.framing, message.body, message.complete = "length", rest[:length], len(rest) >= length
        return message, rest[length:]
    if reply_to is None:
        return message, rest
    message.framing, message.body, message.complete = "close", rest, ended
    return message, b""


def _chunks(message: Message, rest: bytes) -> bytes:
    """Read chunks into the message; what follows them."""
    message.framing, message.complete = "chunked", False
    while match := _SIZE.match(rest):
        size, at = int(match[1], 16), match.end()
        if size == 0:
            trailer, separator, after = (b"\r\n" + rest[at:]).partition(b"\r\n\r\n")
            message.complete = bool(separator)
            message.trailers = trailer.split(b"\r\n")[1:]
            return after
        message.body += rest[at : at + size]
        if rest[at + size : at + size + 2] != b"\r\n":
            return b""
        rest = rest[at + size + 2 :]
    return b""
