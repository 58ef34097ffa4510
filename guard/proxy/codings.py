"""Opens request bodies that a client compressed (RFC 9110 §8.4), so that the plain body is judged and forwarded.

A body of a few bytes may hold gigabytes: a body holds at most the route's `max_body` bytes, and past 64 KiB at most 100
times the bytes that carried it. A zstd frame that declares more than that, or a window above 8 MiB (RFC 9659 §3), is
refused before memory is taken for it. No native call reads over `SLICE` or writes over `STEP` bytes: other threads
run in between. A body is opened only after a judge could not read it unopened, so others pay nothing.
"""

import sys
import zlib
from typing import Any, Final

from guard.proxy.values import Head, RefusalCode, Refused

ACCEPTED: Final = b"gzip, deflate, zstd"
"""Accept-Encoding value sent to a client that used another coding."""
FREE: Final = 64 * 1024
"""Plain bytes that any body may hold, whatever its compressed size."""
MOST_RATIO: Final = 100
"""Most plain bytes for each compressed byte beyond FREE.

JSON with long runs of one digit reaches 60 in gzip; a gzip bomb reaches 1,032, a zstd bomb 30,000.
"""
MOST_MEMBERS: Final = 64
"""Members of one gzip body (RFC 1952 §2.2), or frames of one zstd body (RFC 8878 §3.1); each costs an allocation."""
MOST_WINDOW: Final = 1 << 23
"""Bytes of the largest window of a zstd frame: the most that a sender may use (RFC 9659 §3)."""
SLICE: Final = 64 * 1024
"""Compressed bytes that one native call reads."""
STEP: Final = 256 * 1024
"""Plain bytes that one native call writes: a millisecond of zlib."""
_GZIP: Final = zlib.MAX_WBITS | 16
_WINDOW: Final = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": zlib.MAX_WBITS, b"zstd": 0}
_FRAME_HEADER: Final = 18
"""Bytes of the longest header of a zstd frame (RFC 8878 §3.1.1)."""
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""First bytes of a zstd frame that has a window; a skippable frame has none (RFC 8878 §3.1)."""
_SINGLE_SEGMENT: Final = 0x20
_WINDOW_AT: Final = 5


def coding_of(head: Head) -> bytes | None:
    """The single coding of a body that can be opened; None for no coding, another one, or several."""
    value = head.get(b"content-encoding")
    if value is None:
        return None
    codings = [coding for part in value.split(b",") if (coding := part.strip(b" \t").lower()) != b"identity"]
    return codings[0] if len(codings) == 1 and codings[0] in _WINDOW else None


def opened(coding: bytes, body: bytes, max_body: int) -> bytes:
    """The body without its coding, at most `max_body` bytes. Raises Refused if it is too large or malformed."""
    by_ratio = max(FREE, MOST_RATIO * len(body))
    remaining = min(max_body, by_ratio)
    excess: RefusalCode = "coding_ratio" if by_ratio < max_body else "body_too_large"
    parts: list[bytes] = []
    at = 0
    for _ in range(MOST_MEMBERS):
        if coding == b"zstd":
            reader, fault = _zstd(body[at : at + _FRAME_HEADER], remaining, excess)
        else:
            reader, fault = zlib.decompressobj(_WINDOW[coding]), zlib.error
        while not reader.eof:
            piece = body[at : at + SLICE]
            if not piece:
                raise Refused("coding_malformed")
            at += len(piece)
            try:
                remaining = _read(reader, piece, parts, remaining)
            except fault:
                raise Refused("coding_malformed") from None
            if remaining < 0:
                raise Refused(excess)
        at -= len(reader.unused_data)
        if at == len(body):
            return b"".join(parts)
        if coding == b"deflate":
            break
    raise Refused("coding_malformed")


def _read(reader: Any, piece: bytes, parts: list[bytes], remaining: int) -> int:
    """Append the plain bytes of a piece to `parts`. Returns the bytes that may follow; below 0 if the body is too large."""
    while True:
        most = min(STEP, remaining + 1)
        part = reader.decompress(piece, most)
        parts.append(part)
        remaining -= len(part)
        if remaining < 0 or reader.eof or len(part) < most:  # too large, at the end, or the piece is used up
            return remaining
        piece = getattr(reader, "unconsumed_tail", b"")  # a zstd reader keeps its tail itself


def _zstd(header: bytes, remaining: int, excess: RefusalCode) -> tuple[Any, type[Exception]]:
    """A reader of one zstd frame and its error class. Raises Refused for the header. The first call imports zstd: 4 ms."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    if _window(header) > MOST_WINDOW:
        raise Refused("coding_window")
    try:
        info: Any = zstd.get_frame_info(header)  # its size is None where the frame does not say it, whatever its stub says
    except zstd.ZstdError:
        raise Refused("coding_malformed") from None
    declared: int | None = info.decompressed_size
    if declared is not None and declared > remaining:
        raise Refused(excess)
    if declared is not None and declared > MOST_WINDOW and header[4] & _SINGLE_SEGMENT:  # its window is its content
        raise Refused("coding_window")
    limit = {int(zstd.DecompressionParameter.window_log_max): MOST_WINDOW.bit_length() - 1}
    return zstd.ZstdDecompressor(options=limit), zstd.ZstdError


def _window(header: bytes) -> int:
    """Bytes of the window that a frame's header asks for (RFC 8878 §3.1.1.1.2); 0 if it names none."""
    if header[:4] != _MAGIC or len(header) < _WINDOW_AT + 1 or header[4] & _SINGLE_SEGMENT:
        return 0
    exponent, mantissa = header[_WINDOW_AT] >> 3, header[_WINDOW_AT] & 7
    return (8 + mantissa) << (7 + exponent)
