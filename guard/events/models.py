"""What model servers and their clients do: breakers, versions, cost, requests that break the contract."""

import logging
from dataclasses import dataclass

from guard.events.base import BreakerState, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event, name="breaker", severity=logging.WARNING):
    """The breaker of a target changed its state. `why`: see `guard.ladder.breaker.Why`."""

    route: str
    target: str
    before: BreakerState
    after: BreakerState
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChanged(Event, name="model_version_changed", severity=logging.WARNING):
    """A model server answers with another version than before."""

    route: str
    target: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDisagrees(Event, name="model_version_disagrees", severity=logging.WARNING):
    """The model answers with another version than the policy's release."""

    route: str
    served: str
    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached(Event, name="budget"):
    """`alert_at` of the day's budget is spent: `targets.cost.alert_at`, or 1 for all of it. `share`: what is spent."""

    share: float
    alert_at: float
    daily: float
    currency: str

    @property
    def level(self) -> int:
        """An error once nothing is left."""
        return logging.ERROR if self.alert_at >= 1.0 else logging.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractStorm(Event, name="contract_storm", severity=logging.WARNING):
    """Many requests of a route break its contract. `field`, `code`: what is wrong most often."""

    route: str
    share: float
    requests: int
    field: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractStormEnded(Event, name="contract_storm_over", severity=logging.WARNING):
    """A route's requests keep the contract again."""

    route: str
