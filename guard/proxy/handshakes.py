"""The listener of clients that speak TLS: handshakes are counted, few begin in a turn of the loop, each has a deadline.

Without TLS uvloop accepts one connection in a turn of the loop, and guard knows each from then on. With TLS guard would
know a connection only after its handshake, and could not count or close those that never finish one.

The first message of a client makes guard sign, and messages of many clients may arrive in one turn of the loop. So a
message stays in the kernel until it is complete, and a turn begins few of the handshakes with a complete one; others wait.
"""

import asyncio
import socket
import ssl
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

from guard.proxy.front import Connection

if TYPE_CHECKING:
    from guard.proxy.listener_state import ListenerState

ACCEPTS: Final = 2
"""Connections accepted in one turn of the loop: signing a handshake takes up to a millisecond."""
UNFINISHED: Final = 1024
"""Most handshakes at once: the next replaces the one that has waited longest. Each takes 60 KiB."""
PAUSE: Final = 0.05
"""Seconds without accepting once the system has no descriptor left for a connection."""
BEGUN: Final = 2
"""Handshakes that begin in one turn of the loop."""
RECORD: Final = 5
"""Bytes before the content of a TLS record: type, version, length (RFC 8446 §5.1)."""
MOST_CONTENT: Final = 1 << 14
"""Bytes of a record's content."""
HANDSHAKE: Final = 22
"""Type of the records that hold handshake messages; each message begins with its type and a length of three bytes."""
GOODBYE: Final = 1.0
"""Seconds that a client has to answer the end of TLS."""


class Handshake:
    """A connection until its handshake is done."""

    __slots__ = ("_connection", "_listener_state", "_task", "since")

    def __init__(self, listener: "ListenerState", connection: Connection, task: "asyncio.Task[None]") -> None:
        self._listener_state, self._connection, self._task = listener, connection, task
        self.since: Final = monotonic()

    def cancel(self) -> None:
        """Close the connection: its place is free at once."""
        self._task.cancel()
        if self._listener_state.handshakes.pop(self._connection, None) is not None:
            self._connection.connection_lost(None)


class TlsListener:
    """Accepts TLS connections on a listening socket; `close` works as an asyncio server's."""

    def __init__(self, listener: socket.socket, listener_state: "ListenerState", context: ssl.SSLContext) -> None:
        self._listener, self._listener_state, self._context = listener, listener_state, context
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._waiting: deque[asyncio.Future[None]] = deque()  # the first message of each is whole
        self._scheduled = False
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket, as an asyncio server gives it; empty once closed."""
        return () if self._closed else (self._listener,)

    def close(self) -> None:
        """Stop accepting. Unfinished handshakes are closed: they have no request."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for handshake in tuple(self._listener_state.handshakes.values()):
            handshake.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptors, no memory: the longest waiting connection is closed
                self._listener_state.places.make_room(self._listener_state)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE, self._resume)
                return
            accepted.setblocking(False)
            self._admit(accepted)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _admit(self, accepted: socket.socket) -> None:
        listener = self._listener_state
        if len(listener.handshakes) >= UNFINISHED:
            listener.turned_away += 1
            next(iter(listener.handshakes.values())).cancel()
        elif not listener.admits():
            accepted.close()
            return
        connection = Connection(listener)
        task = self._loop.create_task(self._shake_hands(connection, accepted))
        listener.handshakes[connection] = Handshake(listener, connection, task)

    async def _shake_hands(self, connection: Connection, accepted: socket.socket) -> None:
        loop = self._loop
        until, ours = loop.time() + self._listener_state.limits.head, True
        try:
            async with asyncio.timeout_at(until):
                await self._first_message(accepted)
                await self._turn()
            ours = False
            await loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=max(until - loop.time(), PAUSE),
                ssl_shutdown_timeout=GOODBYE,
            )
        except (OSError, ValueError, asyncio.CancelledError):  # it failed, the client has gone, or its place was needed
            if ours:
                accepted.close()
            if self._listener_state.handshakes.pop(connection, None) is not None:
                connection.connection_lost(None)

    async def _first_message(self, accepted: socket.socket) -> None:
        """Return when the client's first message is complete, with all of it still unread. Raises OSError if it cannot be.

        The kernel reports the socket as readable only once it has the wanted bytes, or the client has ended.
        """
        wanted = RECORD
        while True:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
            await self._readable(accepted)
            begin = accepted.recv(wanted, socket.MSG_PEEK)
            if len(begin) < wanted:
                raise ConnectionResetError
            whole = _record(begin)
            if whole <= wanted:
                break
            wanted = whole
        if wanted > RECORD and int.from_bytes(begin[RECORD + 1 : RECORD + 4]) > wanted - RECORD - 4:
            raise ConnectionAbortedError  # split: no client does so, and the last part would make guard sign out of turn
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    async def _readable(self, accepted: socket.socket) -> None:
        readable = self._loop.create_future()
        self._loop.add_reader(accepted, _wake, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(accepted)

    async def _turn(self) -> None:
        """Wait for a turn of the loop that may begin one more handshake."""
        turn = self._loop.create_future()
        self._waiting.append(turn)
        self._schedule()
        await turn

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        begun = 0
        while self._waiting and begun < BEGUN:
            turn = self._waiting.popleft()
            if not turn.done():  # it was cancelled
                turn.set_result(None)
                begun += 1
        if self._waiting:
            self._schedule()


def _wake(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


def _record(begin: bytes) -> int:
    """Bytes of the record that begins so; only its header if it cannot begin a handshake, which OpenSSL then rejects."""
    size = int.from_bytes(begin[3:RECORD])
    return RECORD + size if begin[0] == HANDSHAKE and 4 <= size <= MOST_CONTENT else RECORD
