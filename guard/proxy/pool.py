"""Connections to one origin: reuse, age, idleness, and the attempts to make new ones."""

import asyncio
import ssl
from time import monotonic

from guard.proxy.alarm import Alarm
from guard.proxy.back import IDLE, Link
from guard.proxy.budget import Budget
from guard.proxy.parties import Owner
from guard.proxy.values import Reason


class Dial:
    """One attempt to connect, for an owner who may lose interest: the connection then goes to the pool, or away."""

    __slots__ = ("owner", "task")

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.task: asyncio.Task[None] | None = None


class Pool:
    """Connections to one origin, last used first. Bounded by the slots of the routes that use it."""

    def __init__(
        self,
        *,
        host: str = "",
        port: int = 0,
        path: str | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        max_age: float = 300.0,
        budget: Budget | None = None,
    ) -> None:
        self._host, self._port, self._path = host, port, path
        self._tls, self._server_name = tls, server_name
        self._max_age = max_age
        self.budget = budget or Budget(64 << 20)
        self._idle: list[Link] = []
        self._dials: set[Dial] = set()
        self._alarm: Alarm | None = None
        self.links = 0
        """Open connections, in use or idle."""

    def __repr__(self) -> str:
        where = self._path or f"{self._host}:{self._port}"
        return f"<Pool {where} open={self.links} idle={len(self._idle)} dialling={len(self._dials)}>"

    @property
    def idle(self) -> int:
        """Connections without a call."""
        return len(self._idle)

    @property
    def dialling(self) -> int:
        """Attempts to connect under way."""
        return len(self._dials)

    def take(self, now: float) -> Link | None:
        """An idle connection, the most recently used."""
        while self._idle:
            link = self._idle.pop()
            if link.usable(now, now - self._max_age):
                link.reused = True
                return link
            link.close()
        return None

    def give(self, link: Link) -> None:
        """A connection whose call is over."""
        now = monotonic()
        if now - link.born > self._max_age:
            link.close()
            return
        link.idle_since = now
        self._idle.append(link)
        if self._alarm is None:
            self._alarm = Alarm(asyncio.get_running_loop(), self._sweep)
        if self._alarm.due > now + IDLE:
            self._alarm.set(now + IDLE)

    def lost(self, link: Link) -> None:
        """A connection is gone."""
        self.links -= 1
        if link in self._idle:
            self._idle.remove(link)

    def dial(self, owner: Owner, timeout: float) -> Dial:
        """Connect; `owner.dialled` hears how it went."""
        dial = Dial(owner)
        dial.task = asyncio.get_running_loop().create_task(self._connect(dial, timeout))
        self._dials.add(dial)
        return dial

    async def _connect(self, dial: Dial, timeout: float) -> None:  # noqa: ASYNC109 — bounds the dial even when its owner left
        link: Link | None = None
        reason: Reason | None = None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(max(timeout, 0.001)):
                if self._path is not None:
                    _, link = await loop.create_unix_connection(lambda: Link(self), self._path, ssl=self._tls)
                else:
                    _, link = await loop.create_connection(
                        lambda: Link(self), self._host, self._port, ssl=self._tls, server_hostname=self._server_name
                    )
        except ssl.SSLError:
            reason = "tls"
        except (OSError, TimeoutError):
            reason = "connect"
        finally:
            self._dials.discard(dial)
        if link is not None:
            self.links += 1
        if not dial.owner.dialled(dial, link, reason) and link is not None:
            self.give(link)

    def _sweep(self) -> None:
        """Close what was idle too long; oldest first in the list."""
        now = monotonic()
        while self._idle and now - self._idle[0].idle_since >= IDLE:
            self._idle.pop(0).close()
        if self._idle and self._alarm is not None:
            self._alarm.set(self._idle[0].idle_since + IDLE)

    def close(self) -> None:
        """Close every idle connection and stop dialling; calls in flight go on."""
        for link in self._idle:
            link.close()
        self._idle.clear()
        for dial in self._dials:
            if dial.task is not None:
                dial.task.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
