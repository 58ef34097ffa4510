"""A sample of a stream from which quantile cuts are made: uniform in the middle, exact in the tails.

Cuts need not be exact: a reference holds the exact counts of the cells that they make, whatever they are. So a uniform
reservoir (Vitter 1985, algorithm R) is enough: of `size` values, the level of a cut at p is off by √(p(1 − p)/size),
which is 0.2 points at the median for 65,536 values and 0 while the stream is no longer than that. Unlike a sketch it
knows ties, so a tree's few scores have few cuts. Tails are kept apart: the `tail` smallest and largest values give the
cuts at 0.1 and 99.9 % exactly while the stream is no longer than 1,000·tail.
"""

from array import array
from bisect import insort
from typing import Final

from guard.monitoring.cells import Cut, make_cuts, round_to_two

LIVE_SIZE: Final = 512
"""Sample size from live traffic: these values make the first cuts, and are counted in them."""
LIVE_TAIL: Final = 32
FILE_SIZE: Final = 65_536


MULTIPLIER: Final = 6_364_136_223_846_793_005
INCREMENT: Final = 1_442_695_040_888_963_407
MASK: Final = (1 << 64) - 1
"""Knuth's MMIX generator (TAOCP 2, §3.3.4): 8 bytes of state, and seeded, so that a file always has the same reference."""


class QuantileSample:
    """Values of one field. Memory: 8 bytes for each of `size` + 2·`tail` values."""

    __slots__ = ("_high", "_low", "_random", "_size", "_tail", "rows", "values")

    def __init__(self, size: int = LIVE_SIZE, tail: int = LIVE_TAIL, seed: int = 0) -> None:
        self.values = array("d")
        self.rows = 0
        self._low: list[float] = []
        self._high: list[float] = []
        self._size = size
        self._tail = tail
        self._random = seed

    @property
    def complete(self) -> bool:
        """Whether every value of the stream is in `values`."""
        return self.rows == len(self.values)

    def add(self, value: float) -> None:
        """Take one finite value."""
        self.rows += 1
        if len(self.values) < self._size:
            self.values.append(value)
        else:
            self._random = (self._random * MULTIPLIER + INCREMENT) & MASK
            place = ((self._random >> 32) * self.rows) >> 32
            if place < self._size:
                self.values[place] = value
        if self._tail:
            self._keep_extremes(value)

    def cuts(self, *, private: bool) -> tuple[Cut, ...]:
        """See `make_cuts`. Tails replace what the reservoir says of them."""
        ordered = sorted(self.values)
        cuts = make_cuts(ordered, self.rows, private=private)
        if not self._tail or self.complete:
            return cuts
        below, above = -(-self.rows // 1000), self.rows // 1000
        if below > self._tail or above >= self._tail:
            return cuts
        exact = {0.001: self._low[below - 1], 0.999: self._high[-above - 1]}
        return replace_levels(cuts, exact, private=private)

    def _keep_extremes(self, value: float) -> None:
        low, high = self._low, self._high
        if len(low) < self._tail or value < low[-1]:
            insort(low, value)
            del low[self._tail :]
        if len(high) < self._tail or value > high[0]:
            insort(high, value)
            del high[: -self._tail]


def replace_levels(cuts: tuple[Cut, ...], exact: dict[float, float], *, private: bool) -> tuple[Cut, ...]:
    """The cuts with these values at their levels, as far as they rise. Levels that are not cut stay so."""
    rising: list[Cut] = []
    for level, value in cuts:
        replaced = exact.get(level, value)
        if private:
            replaced = round_to_two(replaced)
        if not rising or replaced > rising[-1][1]:
            rising.append((level, replaced))
    return tuple(rising)
