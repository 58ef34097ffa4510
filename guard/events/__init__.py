"""Events: everything that happens in guard and that somebody may have to know, one frozen value for each.

Here: an event's fields, and the name, level and keys of its line in the log.
Not here: who publishes, takes or counts it: the bus (`guard.control.event_bus`) and its subscribers.

Read in this order: `base` (what all events share), `process` (its life, the policy), `orders`, `models`, `labels`,
`targets`, `own` (what guard itself does wrong or cannot do).

Whoever sees something happen publishes its event; the log, the incidents and the metrics are subscribers of one bus
(`guard.control.event_bus`). A subscriber reads the type and the fields. `name` and `keys` belong to the log alone: what a
line is called and how its keys are spelled is promised to operators (docs/runbook.md has a row for each name) and means
nothing inside guard.

A field holds words of guard, of the policy and of operators, and versions that a model server named; never a value of a
client. A place is `file:line:function` in the code.
"""

from guard.events import labels, models, orders, own, process, release, targets
from guard.events.base import SPELLED, BreakerState, Enforcement, Event, Publish
from guard.events.labels import LabelsDamaged, LabelsUnavailable
from guard.events.models import (
    BreakerChanged,
    BudgetReached,
    ContractStorm,
    ContractStormEnded,
    DriftEnded,
    DriftFound,
    MonitoringForgotten,
    VersionChanged,
    VersionDisagrees,
)
from guard.events.orders import (
    AdminListening,
    AdminUnavailable,
    AuditUnavailable,
    BreakerForced,
    EnforcementChanged,
    EnforcementDue,
    EnforcementRefused,
    ModeChanged,
    ModeRecalled,
    OrderGiven,
    OrdersDurable,
    OrdersNotDurable,
    OrdersUnreadable,
    SecretExposed,
    StateUnavailable,
    TokensRead,
    TokensRefused,
    TokensUnreadable,
    TokensWithdrawn,
)
from guard.events.own import (
    AlertLost,
    Exporting,
    FileReadable,
    FileUnreadable,
    IncidentFailed,
    LibraryLine,
    LoopError,
    LoopStalled,
    TaskCrashed,
    TaskStuck,
    TelemetryCrashed,
    TelemetryLost,
    TelemetrySetting,
)
from guard.events.process import (
    CertificateRefused,
    Draining,
    FewDescriptors,
    Hint,
    PolicyApplied,
    PolicyRefused,
    PolicyWarning,
    Ready,
    RouteServed,
    Serving,
    Stopped,
)
from guard.events.release import CandidateAborted, CandidateAgain, ReleaseOrdered, ReleaseRecalled
from guard.events.targets import BurnChanged, RouteDescended, RouteReturned, VolumeChanged

__all__ = [
    "SPELLED",
    "AdminListening",
    "AdminUnavailable",
    "AlertLost",
    "AuditUnavailable",
    "BreakerChanged",
    "BreakerForced",
    "BreakerState",
    "BudgetReached",
    "BurnChanged",
    "CandidateAborted",
    "CandidateAgain",
    "CertificateRefused",
    "ContractStorm",
    "ContractStormEnded",
    "Draining",
    "DriftEnded",
    "DriftFound",
    "Enforcement",
    "EnforcementChanged",
    "EnforcementDue",
    "EnforcementRefused",
    "Event",
    "Exporting",
    "FewDescriptors",
    "FileReadable",
    "FileUnreadable",
    "Hint",
    "IncidentFailed",
    "LabelsDamaged",
    "LabelsUnavailable",
    "LibraryLine",
    "LoopError",
    "LoopStalled",
    "ModeChanged",
    "ModeRecalled",
    "MonitoringForgotten",
    "OrderGiven",
    "OrdersDurable",
    "OrdersNotDurable",
    "OrdersUnreadable",
    "PolicyApplied",
    "PolicyRefused",
    "PolicyWarning",
    "Publish",
    "Ready",
    "ReleaseOrdered",
    "ReleaseRecalled",
    "RouteDescended",
    "RouteReturned",
    "RouteServed",
    "SecretExposed",
    "Serving",
    "StateUnavailable",
    "Stopped",
    "TaskCrashed",
    "TaskStuck",
    "TelemetryCrashed",
    "TelemetryLost",
    "TelemetrySetting",
    "TokensRead",
    "TokensRefused",
    "TokensUnreadable",
    "TokensWithdrawn",
    "VersionChanged",
    "VersionDisagrees",
    "VolumeChanged",
    "event_types",
]


def event_types() -> tuple[type[Event], ...]:
    """Every event that can be published, in the order of the modules."""
    modules = (process, orders, models, labels, targets, release, own)
    defined = [value for module in modules for value in vars(module).values()]
    return tuple(kind for kind in defined if isinstance(kind, type) and issubclass(kind, Event) and kind.name)
