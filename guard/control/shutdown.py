"""The end of a process: signals, the drain, what is under way, and what is cut."""

import asyncio
import signal
from collections.abc import Callable, Collection
from time import monotonic
from typing import Final, Protocol

from guard.control.readiness import Readiness
from guard.events import Draining, Publish, Stopped

FINISH_WITHIN: Final = 20.0
"""Seconds that exchanges under way get once the listeners are closed: with `drain`, below Kubernetes' 30."""


class Connection(Protocol):
    """A client's connection, as its end sees it."""

    def drain(self) -> None:
        """Close now if idle, else after the current answer."""

    def abort(self) -> None:
        """Cut."""


class Server(Protocol):
    """A listener."""

    def close(self) -> None:
        """Take no new connection."""


class Shutdown:
    """SIGTERM drains; SIGINT, or a second signal, does not wait for clients to move on; one more cuts what is under way."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._requested, self._now, self._cut = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def handle_signals(self, loop: asyncio.AbstractEventLoop, hangup: Callable[[], None]) -> None:
        """Install the handlers. Call before the first listener opens, so that no signal is lost."""
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, hangup)

    def _on_signal(self, number: int) -> None:
        if self._now.is_set():
            self._cut.set()
        if self._requested.is_set() or number == signal.SIGINT:
            self._now.set()
        self._requested.set()

    async def requested(self) -> None:
        """Wait for a signal."""
        await self._requested.wait()

    async def drain(self, readiness: Readiness, seconds: float) -> None:
        """Report not ready at once, and serve until clients have had time to notice."""
        readiness.drain()
        self._publish(Draining(seconds=seconds))
        try:
            async with asyncio.timeout(seconds):
                await self._now.wait()
        except TimeoutError:
            self._now.set()

    async def finish(self, server: Server, connections: Collection[Connection]) -> None:
        """Take no new connection, finish what is under way, then cut; a signal more cuts at once."""
        server.close()
        for connection in tuple(connections):
            connection.drain()
        deadline = monotonic() + FINISH_WITHIN
        while connections and monotonic() < deadline and not self._cut.is_set():  # noqa: ASYNC110 — they end on their own
            await asyncio.sleep(0.01)
        self._publish(Stopped(cut=len(connections)))
        for connection in tuple(connections):
            connection.abort()
