"""One timer that is set far more often than it rings."""

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Final

GRAIN: Final = 0.001  # seconds; event loops round delays to a millisecond


class Alarm:
    """Calls `ring` once its due time has passed; setting it again moves the due time.

    Moving it later costs one attribute: the loop's timer is left where it is and, when it fires early, is armed again.
    Under load a timer is armed about once per timeout instead of once per request.
    """

    __slots__ = ("_armed_for", "_handle", "_loop", "_ring", "due")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self.due = inf

    def set(self, due: float) -> None:
        """Ring at `due` (monotonic seconds); `inf` is never."""
        self.due = due
        if due < self._armed_for:
            self._arm(due)

    def cancel(self) -> None:
        """Never ring again unless set again; drops the reference to `ring`'s owner from the loop."""
        self.due = self._armed_for = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def end(self) -> None:
        """Never ring again, and let go of whom it would ring, who holds it: a cycle would outlive each connection."""
        self.cancel()
        self._ring = _nobody

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = due
        self._handle = self._loop.call_later(max(due - monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._handle, self._armed_for = None, inf
        if self.due == inf:
            return
        if monotonic() + GRAIN < self.due:
            self._arm(self.due)
            return
        self.due = inf
        self._ring()


def _nobody() -> None:
    """Whom an alarm rings that has ended."""
