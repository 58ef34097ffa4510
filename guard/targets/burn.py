"""Burn rates of a service level objective, and the state that follows: a table. Pure.

A burn rate is the share of bad events ÷ the share that the objective allows: 1 spends the budget in exactly its period.
Windows and factors are those of the SRE Workbook, chapter 5, table 5-8. A pair of windows is exceeded if both burn at least
that fast and the long one holds at least `at_least` bad events. No rate exceeds 1 ÷ budget, so a factor is at most 0.8 of
that: an objective of 80 % could otherwise never be `fast`.

    state   when                                         urgency
    fast    14.4 over 1 h and 5 m                         page
    brisk   6 over 6 h and 30 m                           page
    spent   no budget is left                             ticket
    slow    3 over 1 d and 2 h, 1 over 3 d and 6 h, or    ticket
            half of the period's budget is spent
    ok      otherwise
"""

from collections.abc import Collection
from typing import Final, Literal, NamedTuple, TypeAlias

from guard.targets.rings import Counts, Series

State: TypeAlias = Literal["fast", "brisk", "spent", "slow", "ok"]
STATES: Final[tuple[State, ...]] = ("fast", "brisk", "spent", "slow", "ok")
"""States, the most urgent first."""
Objective: TypeAlias = Literal["latency_p95", "error_rate", "availability", "model_share"]
OBJECTIVES: Final[tuple[Objective, ...]] = ("latency_p95", "error_rate", "availability", "model_share")
CURABLE: Final[tuple[Objective, ...]] = ("latency_p95", "error_rate")
"""Objectives that leaving the model can cure. Descending is itself a bad event of the others."""
AT_LEAST: Final = 10
LOW_TRAFFIC: Final = 0.5
"""Share of the period's budget whose spending is `slow`, however slowly it was spent."""
FREE_ABOVE: Final = 0.1
"""Share of the budget that must be left again before a spent one counts as not spent."""
REACHABLE: Final = 0.8
M5, M30, H1, H2, H6, D1, D3 = 300, 1800, 3600, 7200, 21600, 86400, 259200
WINDOWS: Final = (("5m", M5), ("30m", M30), ("1h", H1), ("2h", H2), ("6h", H6), ("1d", D1), ("3d", D3))


class Pair(NamedTuple):
    """Two windows in seconds, and the factor that both must reach."""

    state: State
    factor: float
    long: int
    short: int


PAIRS: Final = (
    Pair("fast", 14.4, H1, M5),
    Pair("brisk", 6.0, H6, M30),
    Pair("slow", 3.0, D1, H2),
    Pair("slow", 1.0, D3, H6),
)


class Rules(NamedTuple):
    """One objective of a service. `budget`: share that may be bad, above 0. `period` in seconds, `expected` per second."""

    budget: float
    period: float
    at_least: int = AT_LEAST
    expected: float = 0.0

    def factor(self, pair: Pair) -> float:
        """The pair's factor, as far as a rate can reach it."""
        return min(pair.factor, REACHABLE / self.budget)

    def burn(self, counts: Counts) -> float:
        """The burn rate of a window; 0 without events."""
        return counts.bad / counts.total / self.budget if counts.total else 0.0


class Reading(NamedTuple):
    """The state of an objective. `left`: share of the period's budget, below 0 if more than all is spent."""

    state: State
    spent: bool
    left: float


def read(series: Series, rules: Rules, *, spent: bool = False) -> Reading:
    """The state of a series that was advanced to now. `spent`: whether its budget counted as spent before."""
    counts = series.window(rules.period)
    allowed = rules.budget * max(counts.total, rules.expected * rules.period)
    left = 1.0 - counts.bad / allowed if allowed else 1.0
    evidence = counts.bad >= rules.at_least
    spent = evidence and left <= (FREE_ABOVE if spent else 0.0)
    reached: set[State] = {pair.state for pair in PAIRS if exceeded(series, rules, pair)}
    if spent:
        reached.add("spent")
    if evidence and left <= LOW_TRAFFIC:
        reached.add("slow")
    return Reading(worst(reached), spent, left)


def worst(states: Collection[State]) -> State:
    """The most urgent of these states."""
    for state in STATES:
        if state in states:
            return state
    return "ok"


def exceeded(series: Series, rules: Rules, pair: Pair, since: int | None = None) -> bool:
    """Whether both windows burn at the pair's factor. `since`: bucket before which nothing counts."""
    long = series.window(pair.long) if since is None else series.since(since, pair.long)
    if long.bad < rules.at_least:
        return False
    factor = rules.factor(pair) * rules.budget * (1 - 1e-12)  # 0.05 * 14.4 is not 0.72 in binary
    short = series.window(pair.short) if since is None else series.since(since, pair.short)
    return long.bad >= factor * long.total and short.bad > 0 and short.bad >= factor * short.total
