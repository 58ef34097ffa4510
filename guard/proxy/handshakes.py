"""The listener of clients that speak TLS: handshakes are counted, few begin in a turn of the loop, each has a deadline.

Without TLS uvloop accepts, one connection in a turn of the loop, and a connection is known from then on. With TLS it would
be known only after its handshake, and nobody could count or close those that never finish one.
"""

import asyncio
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Final

from guard.proxy.front import Connection

if TYPE_CHECKING:
    from guard.proxy.door import Door

ACCEPTS: Final = 2
"""Connections accepted in one turn of the loop: to sign a handshake takes up to a millisecond."""
UNFINISHED: Final = 1024
"""Handshakes at once: the next takes the place of the one that has waited longest. Each takes 60 KiB."""
PAUSE: Final = 0.05
"""Seconds without accepting once the system has no descriptor left for a connection."""
GOODBYE: Final = 1.0
"""Seconds that a client has to answer the end of TLS."""


class Handshake:
    """A connection until its handshake is done."""

    __slots__ = ("_connection", "_door", "_task", "since")

    def __init__(self, door: "Door", connection: Connection, task: "asyncio.Task[None]") -> None:
        self._door, self._connection, self._task = door, connection, task
        self.since: Final = monotonic()

    def cancel(self) -> None:
        """Close the connection: its place is free at once."""
        self._task.cancel()
        if self._door.handshakes.pop(self._connection, None) is not None:
            self._connection.connection_lost(None)


class TlsListener:
    """Accepts the connections of a listening socket and makes clients of them; `close` ends that, as that of a server."""

    def __init__(self, listener: socket.socket, door: "Door", context: ssl.SSLContext) -> None:
        self._listener, self._door, self._context = listener, door, context
        self._loop = asyncio.get_running_loop()
        self._closed = False
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket, as those of a server."""
        return () if self._closed else (self._listener,)

    def close(self) -> None:
        """Accept nobody any more. Handshakes are ended: nothing was asked on them."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for handshake in tuple(self._door.handshakes.values()):
            handshake.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptors, no memory: whoever waits longest gives up its own
                self._door.places.make_room(self._door)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE, self._resume)
                return
            accepted.setblocking(False)
            self._admit(accepted)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _admit(self, accepted: socket.socket) -> None:
        door = self._door
        if len(door.handshakes) >= UNFINISHED:
            door.turned_away += 1
            next(iter(door.handshakes.values())).cancel()
        elif not door.admits():
            accepted.close()
            return
        connection = Connection(door)
        task = self._loop.create_task(self._shake_hands(connection, accepted))
        door.handshakes[connection] = Handshake(door, connection, task)

    async def _shake_hands(self, connection: Connection, accepted: socket.socket) -> None:
        within = self._door.limits.head
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=within,
                ssl_shutdown_timeout=GOODBYE,
            )
        except (OSError, ValueError, asyncio.CancelledError):  # it failed, the client has gone, or its place was needed
            if self._door.handshakes.pop(connection, None) is not None:
                connection.connection_lost(None)
