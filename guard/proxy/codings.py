"""Opens request bodies that a client compressed (RFC 9110 §8.4), so that they are judged and forwarded as they were judged.

A body of a few bytes may hold gigabytes: it holds at most the route's `max_body` bytes, past 64 KiB at most 100
times the bytes that carried it. A body is opened only after a judge could not take it as it came, so others pay nothing.
"""

import zlib
from typing import Final

from guard.proxy.values import Head, Refused, Violation

ACCEPTED: Final = b"gzip, deflate"
"""What a client is told to use in place of another coding."""
_WINDOW: Final = {b"gzip": zlib.MAX_WBITS | 16, b"x-gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}
FREE: Final = 64 * 1024
MOST_RATIO: Final = 100
"""JSON with long runs of one digit reaches 60; a bomb 1,032."""
MOST_MEMBERS: Final = 64
"""Parts of one gzip body (RFC 1952 §2.2); each costs an allocation, however short it is."""


def coding_of(head: Head) -> bytes | None:
    """The one coding of a body that can be opened; None where there is none, or another, or several."""
    value = head.get(b"content-encoding")
    if value is None:
        return None
    codings = [one.strip(b" \t").lower() for one in value.split(b",")]
    codings = [one for one in codings if one != b"identity"]
    return codings[0] if len(codings) == 1 and codings[0] in _WINDOW else None


def opened(coding: bytes, body: bytes, most: int) -> bytes:
    """The body without its coding. Raises Refused: too large, or not what the coding says."""
    most = min(most, max(FREE, MOST_RATIO * len(body)))
    parts: list[bytes] = []
    left, rest = most, body
    for _ in range(MOST_MEMBERS):
        reader = zlib.decompressobj(_WINDOW[coding])
        try:
            part = reader.decompress(rest, left + 1)
        except zlib.error:
            break
        left -= len(part)
        if left < 0:
            raise Refused("body_too_large")
        parts.append(part)
        if not reader.eof:
            break
        rest = reader.unused_data
        if not rest:
            return b"".join(parts)
        if coding == b"deflate":
            break
    raise Refused("contract", [Violation("", "format")])
