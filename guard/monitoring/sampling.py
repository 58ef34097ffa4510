"""Samples requests for monitoring: about `rate` a second, drawn by request id, never more than `rate` in any second.

A request is drawn with p = rate ÷ (requests of the last second), 1 where that is above 1, where a hash of its id falls
below p: the same id is drawn again, and ids that a client chooses by content bias nothing. Where traffic grows within a
second, the cap holds: the first `rate` of that second are looked at. Beyond the cap a request costs one comparison.
"""

from typing import Final

SPAN: Final = 1 << 32
MIX: Final = 0x9E3779B97F4A7C15
"""2⁶⁴ ÷ the golden ratio: Knuth's multiplicative hash (TAOCP 3, §6.4) spreads keys that differ in few bits."""
MASK: Final = (1 << 64) - 1


class Sampler:
    """Draws requests. `rate` is in requests a second, at least 1. Every time is in seconds of one monotonic clock."""

    __slots__ = ("_bound", "_drawn", "_rate", "_second", "_seen", "drawn", "seen")

    def __init__(self, rate: int) -> None:
        if rate < 1:
            raise ValueError(f"a rate of {rate} a second draws nothing; it is at least 1")
        self._rate = rate
        self._second = -1
        self._seen = 0  # in this second
        self._drawn = 0
        self._bound = SPAN  # p as a share of SPAN
        self.seen = 0
        self.drawn = 0

    def draw(self, key: int, now: float) -> bool:
        """Whether to look at the request with this key: any integer made of its id."""
        second = int(now)
        if second != self._second:
            self._turn(second)
        self._seen += 1
        self.seen += 1
        if self._drawn >= self._rate:
            return False
        if self._bound < SPAN and ((key * MIX) & MASK) >> 32 >= self._bound:
            return False
        self._drawn += 1
        self.drawn += 1
        return True

    def _turn(self, second: int) -> None:
        """Begin a second. One without requests before it says nothing of the rate: all are drawn, up to the cap."""
        seen = self._seen if second == self._second + 1 else 0
        self._bound = SPAN if seen <= self._rate else SPAN * self._rate // seen
        self._second = second
        self._seen = self._drawn = 0
