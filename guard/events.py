"""Everything that happens in guard and that somebody may have to know: one frozen value for each.

Whoever sees something happen publishes its event; the log, the incidents and the metrics are subscribers of one bus
(`guard.control.event_bus`). A subscriber reads the type and the fields. `name` and `keys` belong to the log alone: what a
line is called and how its keys are spelled is promised to operators (docs/runbook.md has a row for each name) and means
nothing inside guard.

A field holds words of guard, of the policy and of operators, and versions that a model server named; never a value of a
client. A place is `file:line:function` in the code.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]
Enforcement: TypeAlias = Literal["enforce", "observe"]
SPELLED: Final = {"before": "from", "after": "to"}
"""The keys of an order's line that are called otherwise than the field: `from` is a word of Python's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events. `name`: what its line in the log is called. `severity`: a level of `logging`."""

    name: ClassVar[str] = ""
    severity: ClassVar[int] = logging.INFO

    def __init_subclass__(cls, name: str = "", severity: int | None = None) -> None:
        """Take both from the class statement. A dataclass with slots is made twice, the second time without them."""
        if name:
            cls.name = name
        if severity is not None:
            cls.severity = severity

    @property
    def level(self) -> int:
        """The level of its line: the type's, unless the type says that it depends."""
        return self.severity

    def keys(self) -> Mapping[str, Any]:
        """The fields as its line in the log has them. For writers of lines only: nothing is decided by it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


Publish: TypeAlias = Callable[[Event], None]
"""What whoever sees an event is given: it never raises, and may be called from any thread."""

# ── the life of the process ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteServed(Event, name="route"):
    """A route of the policy that is served. `ladder`: its rungs, the highest first."""

    route: str
    ladder: str
    contract: Enforcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(Event, name="serving"):
    """Clients are accepted. `policy`: the digest in force, shortened."""

    version: str
    service: str
    policy: str
    listen: str
    upstream: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event, name="ready"):
    """The readiness probe answers 200 from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint(Event, name="hint"):
    """What a person who has just begun may want to do next."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining(Event, name="draining"):
    """A signal asked the process to end; clients get `seconds` to move on."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event, name="stopped"):
    """The listeners are closed. `cut`: connections whose exchange was not waited for any longer."""

    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FewDescriptors(Event, name="few_descriptors", severity=logging.WARNING):
    """The system allows fewer connections than the policy wants."""

    connections: int
    wanted: int


# ── the policy ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied(Event, name="policy"):
    """Another policy is in force. `policy`: its digest, shortened."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRefused(Event, name="policy_refused", severity=logging.ERROR):
    """The policy on disk is invalid; `in_force` stays. `errors`: the first mistakes, each with its place in the file."""

    in_force: str
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWarning(Event, name="warning"):
    """The policy in force is valid, and something in it is worth a look."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRefused(Event, name="certificate_refused", severity=logging.ERROR):
    """A new certificate of the data listener cannot be used; the one before stands."""

    why: str


# ── orders ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGiven(Event, severity=logging.WARNING):
    """The base of an order's event. `who`: the operator, or `kill file`. `durable`: it is on disk.

    `audited`: the audit has it; the log's line says so only where the audit does not have it.
    """

    who: str
    route: str | None
    audited: bool = True

    def keys(self) -> Mapping[str, Any]:
        """See Event."""
        keys = {SPELLED.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}
        if keys.get("audited"):
            del keys["audited"]
        return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(OrderGiven, name="mode"):
    """An operator, the kill file or the end of a time to live changed a mode. `route`: None for all of them."""

    before: str
    after: str
    why: str
    until: float | None
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerForced(OrderGiven, name="breaker"):
    """An operator holds a breaker in a state, or lets it go (`auto`)."""

    target: str
    before: str
    after: str
    why: str
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementChanged(OrderGiven, name="enforcement"):
    """A route's contract is only observed until a time, or enforced again."""

    before: Enforcement
    after: Enforcement
    why: str
    until: float | None
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRecalled(Event, name="mode_recalled", severity=logging.WARNING):
    """A mode was lowered before the restart, and still is."""

    route: str | None
    mode: str
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersUnreadable(Event, name="orders_unreadable", severity=logging.ERROR):
    """The orders of before the restart cannot be read; that is taken for a kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUnavailable(Event, name="state_unavailable", severity=logging.WARNING):
    """The state folder cannot be used: orders are not durable."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminListening(Event, name="admin"):
    """Operators are answered at `listen`."""

    listen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUnavailable(Event, name="admin_unavailable", severity=logging.WARNING):
    """Operators are not answered."""

    why: str


# ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── guard itself ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopError(Event, name="loop_error", severity=logging.ERROR):
    """The event loop caught an error that nobody else did: a bug of guard. `count`: such errors since the start."""

    error: str
    errno: int | None
    place: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCrashed(Event, name="task_crashed", severity=logging.ERROR):
    """A background task ended with an error. `count`: its crashes so far. `again`: seconds until it is started again."""

    task: str
    error: str
    place: str
    count: int
    again: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStuck(Event, name="task_stuck", severity=logging.ERROR):
    """A background task has not shown for `seconds` that it goes on; it is cancelled and started again."""

    task: str
    place: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySetting(Event, name="telemetry_setting", severity=logging.WARNING):
    """A variable of OpenTelemetry is not understood, and treated as unset."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting(Event, name="exporting"):
    """OTLP export has begun."""

    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryLost(Event, name="telemetry_lost", severity=logging.WARNING):
    """What the process gave up while it ran, by (signal, why)."""

    lost: Mapping[tuple[str, str], int]

    def keys(self) -> Mapping[str, Any]:
        """One key for each signal and reason."""
        return {f"{signal} {why}": count for (signal, why), count in self.lost.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryCrashed(Event, name="telemetry_crashed", severity=logging.ERROR):
    """A family of metrics, a line or an export was lost to a bug; once for each place. `error`: its type."""

    signal: str
    error: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLost(Event, name="alert_lost", severity=logging.WARNING):
    """A webhook did not take a notice. `webhook`: its place in the policy's list. `why`: a status, or what failed."""

    webhook: int
    format: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFailed(Event, name="incident_failed", severity=logging.ERROR):
    """A bug of guard: an event could not be turned into an incident. The others are."""

    event: str
    error: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryLine(Event, name="library"):
    """A library logged a warning or worse. Its words are left out: they may hold anything."""

    severity_logged: int
    logger: str
    where: str

    @property
    def level(self) -> int:
        """The library's."""
        return self.severity_logged

    def keys(self) -> Mapping[str, Any]:
        """The level stands in every line already."""
        return {"logger": self.logger, "where": self.where}


def event_types() -> tuple[type[Event], ...]:
    """Every event that can be published, in the order of this module."""
    found = (value for value in globals().values() if isinstance(value, type) and issubclass(value, Event))
    return tuple(one for one in found if one.name)
