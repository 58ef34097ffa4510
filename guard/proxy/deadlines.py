"""The deadlines of a connection: one for each purpose, the nearest of them armed on one timer."""

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Final

NONE: Final = 0
"""No purpose: its deadline never comes."""
HEAD: Final = 1
"""The client owes the rest of a head, or its first one."""
BODY: Final = 2
"""The client owes the rest of a body that is read before it is judged."""
KEEP_ALIVE: Final = 3
"""The client owes the first byte of its next request."""
WRITE_STALL: Final = 4
"""The client must have taken some of what was written."""
FLUSH: Final = 5
"""The next check whether the client has taken everything, so that the connection may be closed."""
LINGER: Final = 6
"""The client must close its side of the connection."""
QUEUE: Final = 7
"""A slot of the target must become free."""
CONNECT: Final = 8
"""A connection to the target must be there."""
ATTEMPT: Final = 9
"""The target owes its answer, or the head of one that is streamed."""
IDLE: Final = 10
"""The next bytes of a body that is streamed are due, from the target or from the client."""
REQUEST: Final = 11
"""The time of the whole request, if it ends before that of the attempt."""
HEARTBEAT: Final = 12
"""The next heartbeat to the client of a silent event stream; neither side owes anything."""

NAMES: Final = (
    "none", "head", "body", "keep_alive", "write_stall", "flush", "linger", "queue", "connect", "attempt", "idle",
    "request", "heartbeat",
)  # fmt: skip
GRAIN: Final = 0.001  # seconds; event loops round delays to a millisecond
STALL: Final = 0.1
"""Seconds of delay from which a timer counts as late: the loop stalled, so guard itself missed the deadlines."""
CATCH_UP: Final = 0.02
"""Seconds after a stall in which sockets are read before deadlines are judged: they may hold bytes that came in time."""


class DeadlineTimer:
    """Calls `expired` with the purpose whose deadline has passed.

    Moving a deadline later costs one write: the loop's timer stays and, when it fires early, is armed again. Under load a
    timer is armed about once per timeout instead of once per request. A timer that fires late waits for CATCH_UP before it
    judges, and sets `late`: neither peer is to blame for a deadline missed then.
    """

    __slots__ = ("_armed_for", "_expired", "_handle", "_loop", "due", "late")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[int], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self.late = False
        """Whether the deadline passed to `expired` was missed because the loop stalled."""
        self.due: list[float] = [inf] * len(NAMES)
        """Purpose → deadline in monotonic seconds. Write `inf` to clear one; `set` arms one."""

    def __repr__(self) -> str:
        return f"<DeadlineTimer {' '.join(f'{NAMES[purpose]}={self.due[purpose]:.3f}' for purpose in self.armed())}>"

    def armed(self) -> list[int]:
        """The purposes that have a deadline now."""
        return [purpose for purpose, due in enumerate(self.due) if due < inf]

    def set(self, purpose: int, due: float) -> None:
        """Set the deadline of one purpose (monotonic seconds)."""
        self.due[purpose] = due
        if due < self._armed_for:
            self._arm(due)

    def cancel(self) -> None:
        """Clear every deadline."""
        for purpose in range(len(NAMES)):
            self.due[purpose] = inf
        self._armed_for = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def end(self) -> None:
        """Clear every deadline and the reference to the owner, which holds this timer: a cycle would keep both alive."""
        self.cancel()
        self._expired = _nobody

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = due
        self._handle = self._loop.call_later(max(due - monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        now = monotonic() + GRAIN
        late = now - self._armed_for > STALL
        self._handle, self._armed_for = None, inf
        if late and not self.late:
            self.late = True
            self._arm(now + CATCH_UP)
            return
        try:
            while (nearest := min(self.due)) <= now:
                purpose = self.due.index(nearest)
                self.due[purpose] = inf
                self._expired(purpose)
        finally:
            self.late = False
            nearest = min(self.due)
            if nearest < self._armed_for:
                self._arm(nearest)


def _nobody(purpose: int) -> None:
    """Does nothing: the `expired` of a timer that has ended."""
