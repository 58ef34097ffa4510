"""What the kernel knows of a kept connection: whether the server ended it, and how much of what was sent it has taken.

A request that may not be executed twice is sent again only where nobody can have read it. Three things prove that:

- the connection was over before the request was written (`quiet` is asked of every kept connection that is taken);
- none of its bytes left this process;
- the server sent its FIN before its host had received any byte of the request. A FIN acknowledges everything that came
  before it, and who has ended its side of a connection processes nothing that still comes (RFC 9112 §9.6).

A server that hangs up when it has a part of a request refused to read the rest: how much that is its client decides.

A reset without a FIN proves nothing: a server may have read the request, and died before its host acknowledged it.
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
    """What `quiet` asks of this connection; None where there is no descriptor. It does not own the descriptor."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return None
    poll = select.poll()
    poll.register(socket.fileno(), _OVER)
    return poll


def quiet(poll: "select.poll | None") -> bool:
    """Whether nothing came on an idle connection: no FIN, no RST, and no byte that nobody asked for. One system call."""
    return poll is None or not poll.poll(0)


def acknowledged(transport: asyncio.BaseTransport) -> int:
    """Bytes that the server's host has received on this connection, and the SYN; UNKNOWN where that cannot be told."""
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
    """(nothing, a part) of a request of `size` bytes that its server has, whose connection ended before any answer.

    `before`: bytes that were acknowledged when it was written. `unsent`: none of it left this process. `fin`: the server
    ended the connection in order, without which nothing is proved.
    """
    count = UNKNOWN if before == UNKNOWN else acknowledged(transport)
    taken = UNKNOWN if count == UNKNOWN else count - before
    return fin and (unsent or taken == 0), 0 < taken < size
