"""Checks start lines strictly by RFC 9112 §3 and §4; llhttp accepts more.

llhttp takes RTSP/1.0 and ICE/1.0 for HTTP, several blanks for one, and lone CRs and LFs before a request line for empty
lines. Its callbacks do not give their position in a segment. So the end of each message is computed, and the bytes that
follow it are kept until the next head is complete.
"""

from typing import Final

from guard.proxy.values import RefusalCode

LOST: Final = -1
"""Value of `Opening.ahead` if the start of the next head is unknown, since it follows chunks in the same segment."""
MOST: Final = 65536
"""Bytes kept of a head that comes in pieces; a longer request line is refused for its length."""
END: Final = b"\r\n\r\n"
HTTP: Final = b"HTTP/1."

KNOWN: Final = (
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK "
    b"SOURCE QUERY PRI DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH"
).split()
"""Methods that llhttp knows."""
_TOKEN: Final = frozenset(b"!#$%&'*+.^_`|~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")


class Opening:
    """The bytes of a connection from the start of its next head."""

    __slots__ = ("ahead", "bytes")

    def __init__(self) -> None:
        self.bytes = b""
        self.ahead = 0  # bytes of a body that are still to come before the next head, or LOST

    def feed(self, data: bytes, *, complete: bool) -> None:
        """Take a segment before it is parsed. `complete`: no body is being read."""
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
        """Note a parsed segment. If it ends as chunks do, and all are read, the next head begins after it."""
        if self.ahead == LOST and complete and data.endswith(END):
            self.ahead, self.bytes = 0, b""

    def back(self, size: int) -> None:
        """Take back the last `size` bytes: they were not parsed and will be fed again. Bytes of a begun body lie ahead."""
        held = len(self.bytes)
        self.bytes = self.bytes[: max(held - size, 0)]
        if self.ahead != LOST and size > held:
            self.ahead += size - held

    def is_request(self, method: bytes, target: bytes) -> bytes:
        """The minor version's digit if the parsed bytes begin with an HTTP/1 request line; else empty."""
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
        """Note a complete head and its body's `length` in bytes, LOST for a chunked body."""
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
        """The refusal of a method at which the parser stopped: an unknown method (RFC 9110 §15.6.2), or not HTTP at all.

        The byte at which the parser stops decides, so the result does not depend on how the bytes were split.
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
    """Checks that every answer of a connection, interim ones too, begins with `HTTP/1.`, in pieces of any size."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = HTTP

    def feed(self, data: bytes) -> bool:
        """Whether the bytes so far may begin an answer."""
        due = self._due
        if not due:
            return True
        size = min(len(due), len(data))
        self._due = due[size:]
        return data[:size] == due[:size]

    def interim(self, segment: bytes) -> bytes | None:
        """The bytes after an interim answer in its segment; None if they do not begin an answer.

        `segment`: the bytes since the interim answer began, or at least the end of its head.
        """
        self._due = HTTP
        rest = segment[segment.find(END) + 4 :]
        return rest if self.feed(rest) else None
