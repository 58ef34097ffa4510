"""Events of model servers and clients: breakers, versions, cost, drift, requests that break the contract."""

import logging

from guard.events.base import BreakerState, Event, event


@event("breaker", logging.WARNING)
class BreakerChanged(Event):
    """The breaker of a target changed its state. `why`: see `guard.ladder.breaker.Why`."""

    route: str
    target: str
    before: BreakerState
    after: BreakerState
    why: str


@event("model_version_changed", logging.WARNING)
class VersionChanged(Event):
    """A model server answers with another version than before."""

    route: str
    target: str
    before: str
    after: str


@event("model_version_disagrees", logging.WARNING)
class VersionDisagrees(Event):
    """The model answers with another version than the policy's release."""

    route: str
    served: str
    release: str


@event("budget")
class BudgetReached(Event):
    """`alert_at` of the day's budget is spent: `targets.cost.alert_at`, or 1 for all of it. `share`: what is spent.

    `route`: whose budget it is; None is the service's. `on_spent`: what happens at 1.
    """

    share: float
    alert_at: float
    daily: float
    currency: str
    route: str | None = None
    on_spent: str = "alert"

    @property
    def level(self) -> int:
        """An error once nothing is left."""
        return logging.ERROR if self.alert_at >= 1.0 else logging.WARNING


@event("contract_storm", logging.WARNING)
class ContractStorm(Event):
    """Many requests of a route break its contract. `field`, `code`: what is wrong most often."""

    route: str
    share: float
    requests: int
    field: str
    code: str


@event("contract_storm_over", logging.WARNING)
class ContractStormEnded(Event):
    """A route's requests keep the contract again."""

    route: str


@event("drift", logging.WARNING)
class DriftFound(Event):
    """Inputs or answers of a route are no longer as they were. Shares of cells are those of fields up to `internal`.

    `signal`: the strongest one, `side:field:kind`; `topic`: whose concern it is; `onset`: the time it began; `effect`:
    Cohen's h with its sign; `strength`: minor, major or critical; `rows`: since the onset.
    """

    route: str
    signal: str
    signals: tuple[str, ...]
    topic: str
    strength: str
    onset: str
    effect: float
    rows: int
    stage: str
    cells: tuple[str, ...]


@event("drift_over", logging.WARNING)
class DriftEnded(Event):
    """An alarm of a route ended. `verdict`: over (by itself), accept or reset (by an order)."""

    route: str
    signal: str
    topic: str
    strength: str
    verdict: str
    who: str
    why: str


@event("drift_forgotten", logging.WARNING)
class MonitoringForgotten(Event):
    """The saved state of a route's monitor does not fit the policy or is damaged: it learns from the beginning."""

    route: str
    why: str
