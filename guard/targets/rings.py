"""Good and bad events of one service level objective, in rings of buckets; any window is read in constant time.

Three rings hold an hour in buckets of 10 s, six hours in buckets of a minute, and 30 days in buckets of half an hour:
2,160 buckets of two 32-bit integers, 17 KiB. Each window keeps its sum by subtracting the bucket that leaves it. A window
holds the current, unfinished bucket and those before it. Times are bucket numbers: whole tens of seconds of one timeline.
"""

from array import array
from typing import Final, NamedTuple

BUCKET: Final = 10.0
"""Seconds of the finest bucket, whose number is the time that everything here is given."""
MINUTE: Final = 6
HALF_HOUR: Final = 180
DAYS_30: Final = 30 * 86400
MOST: Final = 2**32 - 1


class Counts(NamedTuple):
    """Events of a window."""

    bad: int
    total: int


class Ring:
    """Buckets of one width. `windows`: lengths in buckets whose sums are kept; the longest is the ring's size."""

    def __init__(self, width: int, windows: tuple[int, ...]) -> None:
        """`width` in the finest buckets."""
        self.width: Final = width
        self.windows: Final = windows
        self.size: Final = windows[-1]
        self.number = 0
        self.bad = array("I", bytes(4 * self.size))
        self.total = array("I", bytes(4 * self.size))
        self._bad = [0] * len(windows)
        self._total = [0] * len(windows)

    def advance(self, time: int) -> None:
        """Go on to a time. An earlier one changes nothing: time does not go back."""
        number = time // self.width
        if number - self.number >= self.size:
            self.bad = array("I", bytes(4 * self.size))
            self.total = array("I", bytes(4 * self.size))
            self._bad = [0] * len(self.windows)
            self._total = [0] * len(self.windows)
            self.number = number
        while self.number < number:
            self.number += 1
            for index, window in enumerate(self.windows):
                leaving = (self.number - window) % self.size
                self._bad[index] -= self.bad[leaving]
                self._total[index] -= self.total[leaving]
            self.bad[self.number % self.size] = 0
            self.total[self.number % self.size] = 0

    def add(self, bad: int, total: int) -> None:
        """Count in the current bucket. One that is full counts no more."""
        at = self.number % self.size
        total = min(total, MOST - self.total[at])
        bad = min(bad, MOST - self.bad[at], total)
        self.bad[at] += bad
        self.total[at] += total
        for index in range(len(self.windows)):
            self._bad[index] += bad
            self._total[index] += total

    def window(self, length: int) -> Counts:
        """The events of a window, in buckets of this ring: one of `windows` costs nothing, any other is added up."""
        if length in self.windows:
            index = self.windows.index(length)
            return Counts(self._bad[index], self._total[index])
        return self._sum(min(length, self.size))

    def since(self, time: int, length: int) -> Counts:
        """The events of a window that are not older than the bucket of `time`."""
        return self._sum(max(0, min(length, self.number - time // self.width + 1)))

    def _sum(self, length: int) -> Counts:
        slots = [(self.number - back) % self.size for back in range(length)]
        return Counts(sum(self.bad[slot] for slot in slots), sum(self.total[slot] for slot in slots))

    def dump(self) -> bytes:
        """The buckets."""
        return self.bad.tobytes() + self.total.tobytes()

    def load(self, time: int, raw: bytes) -> None:
        """Take over the buckets that `dump` gave at `time`. Raises ValueError for anything else."""
        if len(raw) != 8 * self.size:
            raise ValueError(len(raw))
        self.bad, self.total = array("I", raw[: 4 * self.size]), array("I", raw[4 * self.size :])
        self.number = time // self.width
        for index, window in enumerate(self.windows):
            self._bad[index], self._total[index] = self._sum(window)


class Series:
    """The events of one objective. `window` lengths are seconds."""

    def __init__(self, time: int, period: float = DAYS_30) -> None:
        """`period`: of the budget, in seconds; its window is kept too."""
        self.period: Final = period
        self._hour = Ring(1, (30, 180, 360))
        self._day = Ring(MINUTE, (120, 360))
        self._month = Ring(HALF_HOUR, tuple(sorted({48, 144, round(period / 1800), DAYS_30 // 1800})))
        self.advance(time)

    def advance(self, time: int) -> None:
        """Go on to a time."""
        self._hour.advance(time)
        self._day.advance(time)
        self._month.advance(time)

    def add(self, time: int, bad: int, total: int) -> None:
        """Count events at a time; those of a time that is over count now."""
        self.advance(time)
        self._hour.add(bad, total)
        self._day.add(bad, total)
        self._month.add(bad, total)

    def window(self, seconds: float) -> Counts:
        """The events of a window that ends now."""
        ring, length = self._ring(seconds)
        return ring.window(length)

    def since(self, time: int, seconds: float) -> Counts:
        """The events of a window that are not older than `time`."""
        ring, length = self._ring(seconds)
        return ring.since(time, length)

    def _ring(self, seconds: float) -> tuple[Ring, int]:
        for ring in (self._hour, self._day):
            if seconds <= ring.size * ring.width * BUCKET:
                return ring, round(seconds / (ring.width * BUCKET))
        return self._month, round(seconds / (HALF_HOUR * BUCKET))

    def over(self, period: float, time: int) -> "Series":
        """The same events with a budget of another period. This one was advanced to `time`."""
        other = Series(time, period)
        other.load(time, self.dump())
        return other

    def dump(self) -> bytes:
        """All buckets."""
        return self._hour.dump() + self._day.dump() + self._month.dump()

    def load(self, time: int, raw: bytes) -> None:
        """Take over what `dump` gave at `time`. Raises ValueError for anything else."""
        for ring in (self._hour, self._day, self._month):
            ring.load(time, raw[: 8 * ring.size])
            raw = raw[8 * ring.size :]
        if raw:
            raise ValueError(len(raw))
