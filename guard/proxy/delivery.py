"""Reads from the kernel whether a server ended a kept connection, and how many of the sent bytes it has received.

A request that may not be executed twice is sent again only if no server can have read it. Any of three facts proves that:

- the connection was over before the request was written (`quiet` is asked of every kept connection that is taken);
- none of its bytes left this process;
- the server sent its FIN before its host had received any byte of the request. A FIN acknowledges everything that came
  before it, and a server that has ended its side processes nothing that arrives later (RFC 9112 §9.6).

A server that closes after a part of a request refused to read the rest; the size of the request is its client's choice.

A reset without a FIN proves nothing: a server may have read the request and died before its host acknowledged it.
"""

import asyncio
import select
from socket import IPPROTO_TCP
from struct import unpack_from
from typing import Final

TCP_INFO: Final = 11
BYTES_ACKED: Final = 120
"""Offset of `tcpi_bytes_acked` in Linux's `struct tcp_info` (since 4.1)."""
LENGTH: Final = 128
UNKNOWN: Final = -1
_OVER: Final = select.POLLIN | getattr(select, "POLLRDHUP", 0)


def watched(transport: asyncio.BaseTransport) -> "select.poll | None":
    """The poll object that `quiet` takes; None if the connection has no descriptor. It does not own the descriptor."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return None
    poll = select.poll()
    poll.register(socket.fileno(), _OVER)
    return poll


def quiet(poll: "select.poll | None") -> bool:
    """Whether nothing arrived on an idle connection: no FIN, no RST, no unexpected byte. One system call."""
    return poll is None or not poll.poll(0)


def acknowledged(transport: asyncio.BaseTransport) -> int:
    """Bytes that the server's host has acknowledged on this connection, plus one for the SYN; or UNKNOWN."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return UNKNOWN
    try:
        info = socket.getsockopt(IPPROTO_TCP, TCP_INFO, LENGTH)
    except OSError:  # closed, or a unix socket
        return UNKNOWN
    if not isinstance(info, bytes) or len(info) < LENGTH:
        return UNKNOWN
    acked: int = unpack_from("=Q", info, BYTES_ACKED)[0]
    return acked or UNKNOWN


def received(transport: asyncio.Transport, before: int, size: int, *, unsent: bool, fin: bool) -> tuple[bool, bool]:
    """Whether a server received (nothing, only a part) of a request of `size` bytes, when the connection ended unanswered.

    `before`: bytes acknowledged when the request was written. `unsent`: no byte of it left this process. `fin`: the server
    ended the connection in order; without a FIN the first result is False.
    """
    count = UNKNOWN if before == UNKNOWN else acknowledged(transport)
    taken = UNKNOWN if count == UNKNOWN else count - before
    return fin and (unsent or taken == 0), 0 < taken < size
