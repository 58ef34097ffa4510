"""Measurements of one route, or of the whole service: for each objective its series, rules and last reading."""

from collections.abc import Mapping
from typing import Final

from guard.policy.models import Policy
from guard.targets.burn import OBJECTIVES, Objective, Reading, Rules, State, read, worst
from guard.targets.counting import Tally
from guard.targets.rings import Series

LATENCY_BUDGET: Final = 0.05
"""Share of requests that may take longer than `latency_p95`."""
SERVICE: Final = ""
"""Key of the scope of the whole service."""
QUIET: Final = Reading("ok", spent=False, left=1.0)


def budgets(policy: Policy) -> dict[Objective, float]:
    """The share of bad requests that each declared objective allows; those that allow none or all are not measured."""
    targets = policy.targets
    found: dict[Objective, float] = {}
    if targets.latency_p95 is not None:
        found["latency_p95"] = LATENCY_BUDGET
    if targets.error_rate is not None:
        found["error_rate"] = targets.error_rate
    if targets.availability is not None:
        found["availability"] = round(1 - targets.availability, 12)
    if targets.model_share is not None:
        found["model_share"] = round(1 - targets.model_share, 12)
    return {name: budget for name, budget in found.items() if 0 < budget < 1}


class Scope:
    """One route or the service. Times are bucket numbers; `began`: of its first traffic."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.series: dict[Objective, Series] = {}
        self.readings: dict[Objective, Reading] = {}
        self.touched = False

    @property
    def urgent(self) -> bool:
        """Whether an objective is not kept."""
        return any(reading.state != "ok" for reading in self.readings.values())

    def state(self) -> State:
        """The most urgent state."""
        return worst({reading.state for reading in self.readings.values()})

    def declare(self, time: int, rules: Mapping[Objective, Rules]) -> None:
        """Forget objectives that are not declared any more, and measure the others over their budget's period."""
        for objective in [objective for objective in self.series if objective not in rules]:
            del self.series[objective]
            self.readings.pop(objective, None)
        for objective, series in self.series.items():
            if series.period != rules[objective].period:
                series.advance(time)
                self.series[objective] = series.over(rules[objective].period, time)

    def count(self, time: int, tally: Tally, rules: Mapping[Objective, Rules]) -> None:
        """Add what was counted in a bucket."""
        self.touched = True
        counts: tuple[tuple[Objective, int, int], ...] = (
            ("latency_p95", tally.slow, tally.counted),
            ("error_rate", tally.failed, tally.counted),
            ("availability", tally.failed, tally.counted),
            ("model_share", tally.others, tally.answered),
        )
        for objective, bad, total in counts:
            if objective in rules and total:
                self._series(objective, time, rules[objective].period).add(time, bad, total)

    def read(self, time: int, rules: Mapping[Objective, Rules]) -> dict[Objective, tuple[State, Reading]]:
        """Read every objective anew; returns those whose state changed, with the state before."""
        self.touched = False
        changed: dict[Objective, tuple[State, Reading]] = {}
        for objective in OBJECTIVES:
            series = self.series.get(objective)
            if series is None or objective not in rules:
                continue
            series.advance(time)
            before = self.readings.get(objective, QUIET)
            self.readings[objective] = reading = read(series, rules[objective], spent=before.spent)
            if reading.state != before.state:
                changed[objective] = (before.state, reading)
        return changed

    def _series(self, objective: Objective, time: int, period: float) -> Series:
        series = self.series.get(objective)
        if series is None:
            series = self.series[objective] = Series(time, period)
        return series
