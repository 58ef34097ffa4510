"""A route's recent cell counts: at least 10 minutes and 1,000 requests, with intervals and distances.

The window goes on while an alarm is latched: it tells whether the alarm is over. It is made of ten blocks, each at least a
minute and 100 requests long, so it reaches back further where traffic is thin.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from math import log, sqrt
from typing import Final

BLOCKS: Final = 10
MINUTES: Final = 10.0
REQUESTS: Final = 1_000
Z95: Final = 1.959964


class CountWindow:
    """Counts of the last ten blocks of a route, in rows. `seconds` and `requests` are what the window holds at least."""

    __slots__ = ("_begun", "_blocks", "_current", "_requests", "_seconds", "_since", "_size")

    def __init__(self, size: int, seconds: float = 60.0 * MINUTES, requests: int = REQUESTS) -> None:
        self._size = size
        self._seconds = seconds / BLOCKS
        self._requests = -(-requests // BLOCKS)
        self.clear()

    def clear(self) -> None:
        """Begin with nothing: an alarm's end is judged by what came after it."""
        self._blocks: deque[array[float]] = deque(maxlen=BLOCKS)
        self._current = array("f", bytes(4 * self._size))
        self._since = 0
        self._begun: float | None = None

    def add(self, counts: Sequence[float], requests: int, now: float) -> bool:
        """Count one tick. Returns whether a block ended with it, so that the window is worth a look."""
        if self._begun is None:
            self._begun = now
        current = self._current
        for place, count in enumerate(counts):
            if count:
                current[place] += count
        self._since += requests
        if now - self._begun < self._seconds or self._since < self._requests:
            return False
        self._blocks.append(current)
        self._current = array("f", bytes(4 * self._size))
        self._since = 0
        self._begun = now
        return True

    @property
    def full(self) -> bool:
        """Whether ten blocks have ended since the start."""
        return len(self._blocks) == BLOCKS

    def counts(self) -> list[float]:
        """The counts of the blocks that ended, and of the one under way."""
        return [sum(column) for column in zip(*self._blocks, self._current, strict=True)]


def wilson(hits: float, trials: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share (1927): 95 % by default. (0, 1) without trials."""
    if trials <= 0.0:
        return 0.0, 1.0
    share, square = hits / trials, z * z / trials
    middle = (share + square / 2.0) / (1.0 + square)
    half = z * sqrt(share * (1.0 - share) / trials + square / (4.0 * trials)) / (1.0 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def total_variation(before: Sequence[float], after: Sequence[float]) -> float:
    """½·Σ|p − q| of two rows of counts, 0 to 1; 0 where either is empty."""
    m, n = sum(before), sum(after)
    return 0.5 * sum(abs(b / m - a / n) for b, a in zip(before, after, strict=True)) if m > 0.0 and n > 0.0 else 0.0


def stability_index(before: Sequence[float], after: Sequence[float]) -> float:
    """PSI: Σ(q − p)·ln(q/p) over cells, each count raised by ½ so that empty cells do not make it infinite."""
    m, n = sum(before) + 0.5 * len(before), sum(after) + 0.5 * len(after)
    pairs = [((b + 0.5) / m, (a + 0.5) / n) for b, a in zip(before, after, strict=True)]
    return sum((q - p) * log(q / p) for p, q in pairs)
