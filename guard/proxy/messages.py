"""Writes answers as bytes (RFC 9112), and counts the bytes that a client has not taken yet."""

import asyncio
from fcntl import ioctl
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from struct import pack, unpack
from termios import TIOCOUTQ
from typing import Final

from guard.proxy.headers import write_lines
from guard.proxy.values import Headers

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_START_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
_RESET: Final = pack("ii", 1, 0)
_NOTHING: Final = bytes(4)


def head(status: int, headers: Headers, tail: bytes) -> bytes:
    """The head of an answer; `tail` frames its body and ends it."""
    lines = [_START_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    write_lines(headers, lines)
    lines.append(tail)
    return b"".join(lines)


def whole_message(status: int, headers: Headers, connection: bytes, body: bytes) -> bytes:
    """An answer with its body; `connection` is the line of that name, or empty."""
    lines = [_START_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    write_lines(headers, lines)
    lines += (connection, b"content-length: %d\r\n\r\n" % len(body), body)
    return b"".join(lines)


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the client's host has not acknowledged: in the transport's buffer and in the kernel's send queue.

    A TLS transport hides the buffer below it. If the kernel's queue is empty, the loop's next turn moves that buffer's
    bytes to it. So only a second check that finds nothing proves that nothing is left.
    """
    waiting: int = transport.get_write_buffer_size()
    socket = transport.get_extra_info("socket")
    if socket is None:
        return waiting
    try:
        queued: int = unpack("i", ioctl(socket.fileno(), TIOCOUTQ, _NOTHING))[0]
    except OSError:  # closed, or a kind of socket that cannot tell
        return waiting
    return waiting + queued


def reset(transport: asyncio.Transport) -> None:
    """Abort with RST, so that the client cannot take a part of an answer for the whole."""
    socket = transport.get_extra_info("socket")
    if socket is not None:
        try:
            socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        except OSError:
            pass  # it is gone already
    transport.abort()
