"""Limits the new work that begins in one turn of the event loop, so that running exchanges and small clients go first.

If many clients send at once, the loop would begin all of their requests before it reads the answers that have arrived, and
each exchange would find its data no longer in the CPU's caches. If one client sends thousands of requests at once, the loop
would answer all of them before it reads another client. So a turn begins a few requests. A connection that has more waits
in a queue for a later turn, with its bytes unparsed. Concurrency is not limited: a turn lasts as long as a few requests.

A large document, of a request or an answer, holds the loop for milliseconds. Complete ones are judged one after the other,
with a rest after each that took long: an eighth of its time, in which small requests of other clients are served.
"""

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from guard.proxy.front import Connection

A_TURN: Final = 32
"""Requests that begin in one turn; with no more connections than this, none waits.

Measured with 1,024 clients: a third more requests a second than without a limit; 64 gained less.
"""
AT_ONCE: Final = 4
"""Requests of one connection that may begin before other connections have their turn."""
A_TURN_TAKES: Final = 0.002
"""Seconds after which a turn begins nothing more, even if it has begun fewer requests than it may."""
REST: Final = 0.125
"""Seconds of rest for each second of judging large documents, if that turn took longer than A_TURN_TAKES."""
LEAST_REST: Final = 0.001
"""Shortest rest in seconds: the resolution of the loop's timers."""


class LoopAdmission:
    """The queue of one listener's connections that have more to do."""

    __slots__ = ("_begun", "_judging", "_large", "_rested", "_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[Connection, float]] = deque()
        self._large: deque[Connection] = deque()  # each has a large document that is complete
        self._judging = False
        self._rested = 0.0  # monotonic seconds from which a large document may be judged
        self._begun = 0
        self._scheduled = False

    def full(self, connection: "Connection") -> bool:
        """Whether this connection must wait until its `go_on` is called; asked if more than A_TURN are connected."""
        if self._begun < A_TURN:
            self._begun += 1
            if self._begun == A_TURN:
                self._schedule()
            return False
        self.wait(connection)
        return True

    def wait(self, connection: "Connection") -> None:
        """Call the connection's `go_on` in a later turn."""
        self._waiting.append((connection, monotonic()))
        self._schedule()

    def wait_to_judge(self, connection: "Connection") -> None:
        """Call the connection's `judge` for its large document, after those that came before it."""
        self._large.append(connection)
        if not self._judging:
            self._judging = True
            self._after(self._rested - monotonic())

    def _judge(self) -> None:
        """Judge large documents for as long as a turn may take, at least one, and then rest in proportion."""
        large, begun = self._large, monotonic()
        now = begun
        try:
            while large and now - begun <= A_TURN_TAKES:
                large.popleft().judge()
                now = monotonic()
        finally:
            now = monotonic()
            rest = (now - begun) * REST if now - begun > A_TURN_TAKES else 0.0
            self._rested = now + rest
            self._judging = bool(large)
            if large:
                self._after(rest)

    def _after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(seconds, LEAST_REST) if seconds > 0 else 0.0, self._judge)

    def waited(self, now: float) -> float:
        """Seconds that the first connection in the queue has waited; 0 without one."""
        return now - self._waiting[0][1] if self._waiting else 0.0

    def _turn(self) -> None:
        self._scheduled = False
        waiting, self._begun = self._waiting, 0
        until = monotonic() + A_TURN_TAKES
        remaining = len(waiting)  # a connection that waits again in this turn comes after all others
        try:
            while remaining and self._begun < A_TURN:
                remaining -= 1
                self._begun += 1  # counted before the call, which may raise
                self._begun += max(0, waiting.popleft()[0].go_on() - 1)
                if monotonic() > until:
                    self._begun = A_TURN
        finally:
            if waiting or self._begun >= A_TURN:
                self._begun = A_TURN
                self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)
