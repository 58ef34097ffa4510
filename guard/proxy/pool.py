"""Connections to one origin: reuse, age, idleness, and the attempts to make new ones.

Whoever waits for a dial hears how it ended, once, however it ends: connected, refused, late, cancelled, or by a bug.
"""

import asyncio
import re
import ssl
from functools import partial
from math import inf
from time import monotonic
from typing import Final

from guard.proxy.answer_heads import HeadLimits
from guard.proxy.back import Link
from guard.proxy.budget import Budget
from guard.proxy.deadlines import IDLE, DeadlineTimer
from guard.proxy.interfaces import Owner
from guard.proxy.states import FREE
from guard.proxy.values import Reason

OVERTIME: Final = 0.1
"""Seconds that a dial may take beyond its owner's deadline; only the owner knows whether a stall made it late."""

SAFE: Final = 0.8
"""Share of a server's own idle time after which guard closes: its clock started earlier, and its FIN takes time."""
SHORTEST: Final = 0.1
"""Shortest idle time in seconds that is learned; a server that closes sooner does so because an answer ended."""
LEARNED: Final = 300.0
"""Seconds for which a learned idle time holds: a restart of the server looks like one."""

_TIMEOUT: Final = re.compile(rb"(?:\A|[,;])[ \t]*timeout[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE)


class Dial:
    """One attempt to connect. If its owner gives up, the connection goes to the pool or is closed."""

    __slots__ = ("owner", "task")

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.task: asyncio.Task[Link | Reason | None] | None = None


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
        keep: float = 1.5,
        limits: HeadLimits | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._host, self._port, self._path = host, port, path
        self._tls, self._server_name = tls, server_name
        self._max_age = max_age
        self.keep = self._declared_keep = keep
        """Seconds that an unused connection is kept: below the server's keep-alive, so that guard closes it first.

        Shorter than declared while the server announces, or shows, a shorter idle time.
        """
        self._learned_until = inf
        self.limits = limits or HeadLimits()
        self.budget = budget or Budget(64 << 20)
        self._idle: list[Link] = []
        self._dials: set[Dial] = set()
        self._timer: DeadlineTimer | None = None
        self._closed = False
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
        """The most recently used idle connection that is usable; None without one. `now`: monotonic seconds."""
        while self._idle:
            link = self._idle.pop()
            if link.usable(now, now - self._max_age):
                link.reused = True
                return link
            link.drop()
        return None

    def give(self, link: Link) -> None:
        """Keep a connection whose call has ended, or close it if it is too old."""
        now = monotonic()
        if now > self._learned_until:
            self.keep, self._learned_until = self._declared_keep, inf
        if self._closed or now - link.born > self._max_age:
            link.drop()
            return
        link.idle_since = now
        self._idle.append(link)
        if self._timer is None:
            self._timer = DeadlineTimer(asyncio.get_running_loop(), self._sweep)
        if self._timer.due[IDLE] > now + self.keep:
            self._timer.set(IDLE, now + self.keep)

    def waits(self, seconds: float) -> None:
        """Learn the seconds after which the server closes an idle connection; guard keeps none for nearly as long."""
        keep = seconds * SAFE
        if keep <= self.keep:
            self.keep, self._learned_until = keep, monotonic() + LEARNED

    def announced(self, keep_alive: bytes) -> None:
        """Learn the idle time in the server's Keep-Alive field (RFC 2068 §19.7.1.1)."""
        timeout = _TIMEOUT.search(keep_alive)
        if timeout is not None:
            self.waits(int(timeout[1]))

    def ended(self, link: Link) -> None:
        """Learn from an idle connection that the server ended, unless it did so directly after an answer."""
        idle = monotonic() - link.idle_since
        if link in self._idle and idle >= SHORTEST:
            self.waits(idle)

    def lost(self, link: Link) -> None:
        """Remove a connection that has ended."""
        self.links -= 1
        if link in self._idle:
            self._idle.remove(link)

    def dial(self, owner: Owner, timeout: float) -> Dial:
        """Connect within `timeout` seconds; the result goes to `owner.dialled`."""
        dial = Dial(owner)
        dial.task = asyncio.get_running_loop().create_task(self._connect(timeout))
        dial.task.add_done_callback(partial(self._dialled, dial))
        self._dials.add(dial)
        return dial

    async def _connect(self, timeout: float) -> Link | Reason | None:  # noqa: ASYNC109 — bounds the dial even when its owner left
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(max(timeout, 0.0) + OVERTIME):
                if self._path is not None:
                    _, link = await loop.create_unix_connection(lambda: Link(self), self._path, ssl=self._tls)
                else:
                    _, link = await loop.create_connection(
                        lambda: Link(self), self._host, self._port, ssl=self._tls, server_hostname=self._server_name
                    )
        except ssl.SSLError:
            return "tls"
        except OSError as error:
            return None if isinstance(error, TimeoutError) and error.errno is None else "connect"
        except ValueError:  # an invalid host name: UnicodeError
            return "connect"
        self.links += 1
        return link

    def _dialled(self, dial: Dial, task: "asyncio.Task[Link | Reason | None]") -> None:
        """Report the end of a dial to its owner."""
        self._dials.discard(dial)
        link: Link | None = None
        reason: Reason | None = None
        if task.cancelled():
            pass
        elif (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "a dial crashed", "exception": error})
        elif isinstance(outcome := task.result(), Link):
            link, reason = (outcome, None) if outcome.state == FREE else (None, "connect")
        else:
            reason = outcome
        if not dial.owner.dialled(dial, link, reason) and link is not None:
            self.give(link)

    def _sweep(self, purpose: int) -> None:  # noqa: ARG002 — there is one
        """Close what was idle too long; oldest first in the list."""
        now = monotonic()
        while self._idle and now - self._idle[0].idle_since >= self.keep:
            self._idle.pop(0).drop()
        if self._idle and self._timer is not None:
            self._timer.set(IDLE, self._idle[0].idle_since + self.keep)

    def close(self) -> None:
        """Close the idle connections and keep none from now on. Running calls go on; their connections close afterwards."""
        self._closed = True
        for link in self._idle:
            link.drop()
        self._idle.clear()
        if self._timer is not None:
            self._timer.cancel()
