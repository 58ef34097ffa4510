"""Start lines as RFC 9112 §3 and §4 have them, of which llhttp knows a wider kind.

llhttp takes RTSP/1.0 and ICE/1.0 for HTTP, several blanks for one, and lone CRs and LFs before a request line for empty
lines. A parser's callback does not say where in a segment it is; so the end of each message is computed, and the bytes that
follow it are kept until the next head is whole.
"""

from typing import Final

from guard.proxy.values import RefusalCode

LOST: Final = -1
"""Where the next head begins is not known: it follows chunks, in the same segment."""
MOST: Final = 65536
"""Bytes of a head that are remembered where it comes in pieces; a longer request line is refused for its length."""
END: Final = b"\r\n\r\n"
HTTP: Final = b"HTTP/1."

KNOWN: Final = (
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK "
    b"SOURCE QUERY PRI DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH"
).split()
"""Methods that llhttp has words for."""
_TOKEN: Final = frozenset(b"!#$%&'*+.^_`|~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")


class Opening:
    """The bytes of a connection from where its next head begins."""

    __slots__ = ("ahead", "bytes")

    def __init__(self) -> None:
        self.bytes = b""
        self.ahead = 0  # bytes of a body that are still to come before the next head, or LOST

    def feed(self, data: bytes, *, complete: bool) -> None:
        """A segment is about to be parsed. `complete`: no body is being read."""
        ahead = self.ahead
        if ahead > 0:
            size = len(data)
            self.ahead = max(ahead - size, 0)
            self.bytes = data[ahead:]
        elif ahead == 0:
            self.bytes = self.bytes + data if len(self.bytes) < MOST else self.bytes
        else:
            self.bytes = self.bytes + data if complete and len(self.bytes) < MOST else data

    def parsed(self, data: bytes, *, complete: bool) -> None:
        """A segment was parsed. Where it ends as chunks do, and all of them are read, the next head begins behind it."""
        if self.ahead == LOST and complete and data.endswith(END):
            self.ahead, self.bytes = 0, b""

    def back(self, size: int) -> None:
        """The last so many bytes were not parsed, and will be fed again: those of a body that has begun lie ahead."""
        held = len(self.bytes)
        self.bytes = self.bytes[: max(held - size, 0)]
        if self.ahead != LOST and size > held:
            self.ahead += size - held

    def is_request(self, method: bytes, target: bytes) -> bytes:
        """The digit of the version, where what the parser has read begins with a request line of HTTP/1; else empty."""
        opening = self.bytes
        line = b"%b %b HTTP/1." % (method, target)
        at = 0
        if self.ahead == LOST:
            at = max(opening.find(line), 0)
        else:
            while opening.startswith(b"\r\n", at):
                at += 2
        size = at + len(line)
        if not opening.startswith(line, at):
            return b""
        return opening[size : size + 1] if opening[size + 1 : size + 3] == b"\r\n" else b""

    def follow(self, length: int) -> None:
        """A head is whole, and a body of so many bytes follows; of one in chunks LOST."""
        opening = self.bytes
        end = opening.find(END)
        if opening[:1] == b"\r":  # empty lines before the request line
            while end == 0 or (end > 0 and not opening[:end].strip(b"\r\n")):
                end = opening.find(END, end + 2)
        if end < 0 or LOST in (length, self.ahead):
            self.ahead, self.bytes = LOST, opening[end + 4 :] if end >= 0 else b""
            return
        end += 4 + length
        self.ahead, self.bytes = max(end - len(opening), 0), opening[end:]

    def unknown(self) -> RefusalCode:
        """What to say of a method that the parser stopped at: it may be one (RFC 9110 §15.6.2), or no HTTP at all.

        Decided by the byte at which the parser stops, so that it does not depend on how the bytes were cut.
        """
        opening = self.bytes
        while opening.startswith(b"\r\n"):
            opening = opening[2:]
        if opening.startswith(b" "):
            return "bad_request"
        size = 1
        while size < len(opening) and any(method.startswith(opening[:size]) for method in KNOWN):
            size += 1
        return "method_unknown" if size > len(opening) or (opening and opening[size - 1] in _TOKEN) else "bad_request"


class StatusLines:
    """Holds every answer of a connection, interim ones too, against `HTTP/1.`, in whatever pieces it comes."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = HTTP

    def feed(self, data: bytes) -> bool:
        """Whether what came may be an answer."""
        due = self._due
        if not due:
            return True
        size = min(len(due), len(data))
        self._due = due[size:]
        return data[:size] == due[:size]

    def interim(self, segment: bytes) -> bytes | None:
        """An interim answer has ended. What follows it in the segment; None where that is no answer.

        `segment`: what came since the interim answer began, or the end of its head at least.
        """
        self._due = HTTP
        rest = segment[segment.find(END) + 4 :]
        return rest if self.feed(rest) else None
