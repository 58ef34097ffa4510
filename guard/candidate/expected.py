"""The number of pairs that a verdict takes if the candidate is as assumed, before anything runs.

Counts are replaced by their expectations; half of the runs take about as many pairs, some take twice as many.
"""

from collections.abc import Callable
from math import log
from typing import Final

from guard.candidate.evidence import FALSE_ALARM, FALSE_PASS, Pairs, log_harm, log_safe

MOST: Final = 100_000_000
"""The highest number of pairs that is looked for."""


def pairs_to_pass(delta: float, *, worse: float = 0.0, better: float = 0.0, false_pass: float = FALSE_PASS) -> int | None:
    """Pairs until safety is proven, if these shares of pairs are worse and better; None if more than MOST."""
    wall = log(1 / false_pass)
    return _first(lambda pairs: log_safe(pairs, delta) >= wall, worse, better)


def pairs_to_abort(
    delta: float,
    *,
    worse: float,
    better: float = 0.0,
    tests: int = 1,
    signed: bool = True,
    false_alarm: float = FALSE_ALARM,
) -> int | None:
    """Pairs until harm is proven, among so many tests; None if more than MOST."""
    wall = log(tests / false_alarm)
    return _first(lambda pairs: log_harm(pairs, delta, signed=signed) >= wall, worse, better)


def _first(reached: Callable[[Pairs], bool], worse: float, better: float) -> int | None:
    def at(total: int) -> bool:
        return reached(Pairs(total * worse, total * (1 - worse - better), total * better))

    high = 1
    while not at(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle) else (middle, high)
    return high
