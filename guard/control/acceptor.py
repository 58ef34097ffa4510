"""A listener for people and probes that no number of clients can hold: it always has room for whoever comes next.

Connections stand in ranks, lowest first:

    ANSWERED  an answer was written, or a refusal; the client has yet to close
    WAITING   no complete request yet: nothing sent, half a head, half a TLS handshake
    SERVED    a complete request is being answered
    TRUSTED   the same, for a client that may act

A connection has a deadline in each rank. A listener that is full closes the connection that has waited longest in the
lowest rank, so a newcomer is always accepted, and only clients of a higher rank can keep it out. Beyond loopback one
address has at most a share of the places; on loopback there is no such bound, as neighbours in a pod are loopback too.

A turn of the loop accepts and begins a bounded number of connections, so that a flood of them delays nobody else for long.
A connection that has sent nothing is a descriptor and nothing more: its transport is made when its first bytes are there.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable
from enum import IntEnum
from time import monotonic
from typing import Any, Final, NamedTuple

BACKLOG: Final = 4096
"""Connections that the kernel holds until they are accepted. A newcomer that finds no place there retries after 1 s."""
ACCEPTS: Final = 64
"""Connections accepted in one turn of the loop."""
BEGINS: Final = 16
"""Connections whose first bytes are read in one turn of the loop."""
HANDSHAKES: Final = 2
"""TLS handshakes begun in one turn of the loop: each costs a millisecond of signing."""
TLS_PLACES: Final = 512
"""Connections of a listener with TLS at most: each has an SSL object of some 30 KiB from its first bytes on."""
TICK: Final = 0.1
"""Seconds between two looks at the deadlines."""
SHARE: Final = 4
"""An address beyond loopback has at most one of so many parts of the places."""
PAUSE: Final = 0.05
"""Seconds without accepting once the system has no descriptor left for a connection."""


class Rank(IntEnum):
    """The worth of a connection when the listener has to close one."""

    ANSWERED = 0
    WAITING = 1
    SERVED = 2
    TRUSTED = 3


class Bounds(NamedTuple):
    """Limits of a listener: its connections, and the seconds that one may stay in each rank."""

    connections: int
    answered: float = 1.0
    waiting: float = 5.0
    served: float = 60.0
    trusted: float = 60.0
    most_served: int = 64
    """Connections in SERVED, and the same number in TRUSTED: each may hold an answer in memory."""

    def seconds(self, rank: Rank) -> float:
        """The seconds that a connection may stay in a rank."""
        return (self.answered, self.waiting, self.served, self.trusted)[rank]


class Seat:
    """The place of one connection. Its protocol moves it between ranks and gives it up."""

    __slots__ = ("_acceptor", "_task", "closed", "connection", "loopback", "peer", "rank", "since", "transport", "watched")

    def __init__(self, acceptor: "Acceptor", connection: socket.socket, peer: str) -> None:
        self._acceptor, self.connection, self.peer = acceptor, connection, peer
        self.loopback = peer == "127.0.0.1" or is_loopback(peer)
        self.rank, self.since = Rank.WAITING, monotonic()
        self.transport: asyncio.Transport | None = None
        self.watched = self.closed = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Seat {self.peer} {self.rank.name}>"

    def arrive(self, transport: asyncio.Transport) -> None:
        """The transport is made. One whose seat was closed meanwhile is aborted."""
        self.transport = transport
        if self.closed:
            transport.abort()

    def move(self, rank: Rank) -> None:
        """The connection has another rank from now on, with that rank's deadline."""
        self._acceptor.move(self, rank)

    def leave(self) -> None:
        """The connection is lost: its place is free."""
        self._acceptor.leave(self)

    def begin(self, task: "asyncio.Task[None]") -> None:
        """`task` makes the transport; without one, the socket is closed at its end."""
        self._task = task
        task.add_done_callback(self._begun)

    def _begun(self, _: "asyncio.Task[None]") -> None:
        if self.transport is None:
            self.connection.close()

    def close(self) -> None:
        """Close the connection at once, whatever it waits for; what was not sent is lost."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()
        elif self._task is None:
            self.connection.close()
        else:
            self._task.cancel()


class Acceptor:
    """Accepts connections of one listening socket, makes their protocols, and keeps their deadlines.

    `protocol` makes the protocol of a seat; it sets `seat.transport` in `connection_made`, calls `seat.move` as its request
    proceeds and `seat.leave` in `connection_lost`.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[Seat], Any], bounds: Bounds, tls: ssl.SSLContext | None = None
    ) -> None:
        self.bounds = bounds if tls is None else bounds._replace(connections=min(bounds.connections, TLS_PLACES))
        self.evicted = 0
        """Connections that were closed to make room for others."""
        self._listener, self._protocol, self._tls = listener, protocol, tls
        self._ranks: tuple[dict[Seat, None], ...] = tuple({} for _ in Rank)  # each in the order of `since`
        self._peers: Counter[str] = Counter()
        self._ready: deque[Seat] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK, self._sweep)
        self._closed = False
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def __repr__(self) -> str:
        held = ", ".join(f"{len(seats)} {rank.name.lower()}" for rank, seats in zip(Rank, self._ranks, strict=True))
        return f"<Acceptor {held}>"

    def __len__(self) -> int:
        return sum(map(len, self._ranks))

    @property
    def address(self) -> Any:
        """The address of the listener, as `getsockname` returns it."""
        return self._listener.getsockname()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._closed = True
        self._timer.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for seats in self._ranks:
            for seat in tuple(seats):
                self._evict(seat)

    # ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def move(self, seat: Seat, rank: Rank) -> None:
        """Put a seat at the end of another rank. A full rank of the served closes the one that has been there longest."""
        if self._ranks[seat.rank].pop(seat, False) is False:
            return
        seat.rank, seat.since = rank, monotonic()
        others = self._ranks[rank]
        if rank >= Rank.SERVED and len(others) >= self.bounds.most_served:
            self._evict(next(iter(others)))
        others[seat] = None

    def leave(self, seat: Seat) -> None:
        """Free the place of a seat. It may be freed already."""
        if self._ranks[seat.rank].pop(seat, False) is False:
            return
        self._peers[seat.peer] -= 1
        if not self._peers[seat.peer]:
            del self._peers[seat.peer]

    def _evict(self, seat: Seat) -> None:
        self.leave(seat)
        self._unwatch(seat)
        seat.close()

    def _make_room(self, peer: str, *, loopback: bool) -> None:
        """Close what has waited longest in the lowest rank, of this address where it has more than its share."""
        if not loopback and self._peers[peer] >= max(1, self.bounds.connections // SHARE):
            own = next((seat for seats in self._ranks for seat in seats if seat.peer == peer), None)
        elif len(self) >= self.bounds.connections:
            own = next((seat for seats in self._ranks for seat in seats), None)
        else:
            return
        if own is not None:
            self.evicted += 1
            self._evict(own)

    def _sweep(self) -> None:
        now = monotonic()
        for rank in Rank:
            seats, seconds = self._ranks[rank], self.bounds.seconds(rank)
            while seats and (oldest := next(iter(seats))).since + seconds <= now:
                self._evict(oldest)
        self._timer = self._loop.call_later(TICK, self._sweep)

    # ── accepting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptors, no memory: the oldest gives up its own, and the loop has other work meanwhile
                self._starved()
                return
            connection.setblocking(False)
            self._admit(connection, str(address[0]) if isinstance(address, tuple) else "")

    def _starved(self) -> None:
        oldest = next((seat for seats in self._ranks for seat in seats), None)
        if oldest is not None:
            self._evict(oldest)
        self._loop.remove_reader(self._listener)
        self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _admit(self, connection: socket.socket, peer: str) -> None:
        seat = Seat(self, connection, peer)
        self._make_room(peer, loopback=seat.loopback)
        self._ranks[Rank.WAITING][seat] = None
        self._peers[peer] += 1
        try:
            begun = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._loop.add_reader(connection, self._readable, seat)
            seat.watched = True
            return
        except OSError:
            begun = b""
        self._begin(seat, begun)

    def _readable(self, seat: Seat) -> None:
        try:
            begun = seat.connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            begun = b""
        self._unwatch(seat)
        self._begin(seat, begun)

    def _begin(self, seat: Seat, begun: bytes) -> None:
        """Queue a seat whose first bytes are there; nothing but an end frees it."""
        if not begun:
            self._evict(seat)
            return
        if not self._ready:
            self._loop.call_soon(self._connect_ready)
        self._ready.append(seat)

    def _connect_ready(self) -> None:
        for number in range(HANDSHAKES if self._tls is not None else BEGINS):
            if not self._ready:
                return
            # The newest and the oldest in turn: in a flood the oldest are about to be closed for newcomers, and without
            # their share a connection could be passed over by newer ones again and again.
            seat = self._ready.pop() if number % 2 == 0 else self._ready.popleft()
            if seat in self._ranks[Rank.WAITING]:
                seat.begin(self._loop.create_task(self._connect(seat)))
        if self._ready:
            self._loop.call_soon(self._connect_ready)

    async def _connect(self, seat: Seat) -> None:
        within = (
            {"ssl_handshake_timeout": self.bounds.waiting, "ssl_shutdown_timeout": 1.0} if self._tls is not None else {}
        )
        try:
            await self._loop.connect_accepted_socket(lambda: self._protocol(seat), seat.connection, ssl=self._tls, **within)
        except (OSError, ValueError):  # the handshake failed, or the client has gone
            self.leave(seat)

    def _unwatch(self, seat: Seat) -> None:
        if seat.watched:
            seat.watched = False
            self._loop.remove_reader(seat.connection)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def bind(host: str, port: int) -> socket.socket:
    """A listening socket for an Acceptor. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
