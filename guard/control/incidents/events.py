"""Events of the log → what opens and what ends. Pure; `wall` is seconds since the epoch.

Who is told of what follows from who can do something about it: an operator's order and a breaker are for whoever is called
at night (`incidents`); a policy that cannot be used and money that runs out for `serving`; requests that break the
contract come from data that changed (`data_freshness`); another version of the model is `model_quality`'s.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["mode", "breaker", "budget", "policy_refused", "contract_storm", "model_version"]
Severity: TypeAlias = Literal["info", "ticket", "page"]
Role: TypeAlias = Literal["incidents", "serving", "data_freshness", "model_quality"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "ticket", "page")

DAY: Final = 86400.0
DRILL: Final = "drill"
"""The reason of orders that `guard drill` gives: they are told as `info`, and page nobody."""
MOST_ERRORS: Final = 3


class Of(NamedTuple):
    """What is true of a kind. `quiet`: seconds that it must be over before that is told; it may come back meanwhile."""

    alertname: str
    role: Role
    quiet: float


KINDS: Final[Mapping[Kind, Of]] = {
    "mode": Of("GuardModeLowered", "incidents", 0.0),
    "breaker": Of("GuardBreakerOpen", "incidents", 60.0),
    "budget": Of("GuardBudget", "serving", 0.0),
    "policy_refused": Of("GuardPolicyRefused", "serving", 0.0),
    "contract_storm": Of("GuardContractStorm", "data_freshness", 60.0),
    "model_version": Of("GuardModelVersionChanged", "model_quality", 0.0),
}
VERSION_LASTS: Final = 3600.0
"""Seconds that a change of version is worth knowing; nothing ends it."""


class Subject(NamedTuple):
    """What an incident is about. No part of it is a replica's own, so that all replicas name it alike."""

    kind: Kind
    route: str | None = None
    target: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Opens:
    """Something is wrong. `until`: when it is over by itself; `back`: the exact words that lead back."""

    subject: Subject
    severity: Severity
    summary: str
    cause: Mapping[str, Any] = field(default_factory=dict)
    back: str = ""
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """It is over."""

    subject: Subject


Change: TypeAlias = Opens | Ends
Fields: TypeAlias = Mapping[str, Any]


def changes(name: str, fields: Fields, wall: float) -> Iterator[Change]:
    """What an event says of incidents; of most, nothing."""
    reader = READERS.get(name)
    if reader is not None:
        yield from reader(fields, wall)


def _mode(fields: Fields, _: float) -> Iterator[Change]:
    route, mode, who = fields.get("route"), fields["to"], fields.get("who", "")
    file = who == "kill file"
    subject = Subject("mode", route, None, "kill file" if file else "")
    if mode == "normal":
        yield Ends(subject)
        return
    why = fields.get("why", "")
    back = f"guard restore --route '{route}' --reason '…'" if route is not None else "guard restore --reason '…'"
    yield Opens(
        subject,
        "info" if why == DRILL else "ticket",
        f"The mode was lowered to {mode}" + (" by the kill file" if file else ""),
        {"mode": mode, "who": who, "why": why},
        "remove the kill file" if file else back,
    )


def _breaker(fields: Fields, _: float) -> Iterator[Change]:
    """A breaker's own event; an order to force one has another form, and is followed by this one."""
    if "after" not in fields:
        return
    route, target, why = fields["route"], fields["target"], fields["why"]
    subject = Subject("breaker", route, target)
    if fields["after"] == "closed":
        yield Ends(subject)
    elif fields["after"] == "open":
        order = f'PUT /admin/v1/breakers {{"route": "{route}", "target": "{target}", "state": "auto", "reason": "…"}}'
        yield Opens(
            subject,
            "ticket" if why == "forced_open" else "page",
            f"The breaker of {target} is open: it is not asked",
            {"why": why},
            order if why == "forced_open" else "guard status (it closes by itself, once probes are answered well)",
        )


def _budget(fields: Fields, wall: float) -> Iterator[Change]:
    midnight = (wall // DAY + 1) * DAY
    spent = f"{fields['alert_at']:.0%}"
    yield Opens(
        Subject("budget", detail=f"{int(wall // DAY)} {spent}"),
        "page" if fields["alert_at"] >= 1.0 else "ticket",
        f"{spent} of the day's budget is spent",
        {name: fields[name] for name in ("share", "alert_at", "daily", "currency")},
        "guard kill --to rules --reason '…' spends nothing; the day ends at midnight UTC",
        midnight,
    )


def _refused(fields: Fields, _: float) -> Iterator[Change]:
    errors = list(fields.get("errors", ()))
    yield Opens(
        Subject("policy_refused"),
        "ticket",
        "The policy on disk is refused; the one before stays in force",
        {"in_force": fields.get("in_force", ""), "mistakes": len(errors), "errors": errors[:MOST_ERRORS]},
        "guard check POLICY, then mend the file: it is read by itself",
    )


def _applied(_: Fields, __: float) -> Iterator[Change]:
    yield Ends(Subject("policy_refused"))


def _storm(fields: Fields, _: float) -> Iterator[Change]:
    route = fields["route"]
    yield Opens(
        Subject("contract_storm", route),
        "ticket",
        f"{fields['share']:.0%} of requests break the contract",
        {name: fields[name] for name in ("share", "requests", "field", "code")},
        f"guard observe --route '{route}' --ttl 15m --reason '…' (if it is the contract that is wrong)",
    )


def _storm_over(fields: Fields, _: float) -> Iterator[Change]:
    yield Ends(Subject("contract_storm", fields["route"]))


def _version(fields: Fields, wall: float) -> Iterator[Change]:
    after = str(fields["after"])
    yield Opens(
        Subject("model_version", fields["route"], fields["target"], after),
        "info",
        f"Another version of {fields['target']} answers",
        {"before": fields["before"], "after": after},
        f"guard kill --to previous --route '{fields['route']}' --reason '…' (if it was not meant)",
        wall + VERSION_LASTS,
    )


READERS: Final[Mapping[str, Callable[[Fields, float], Iterator[Change]]]] = {
    "mode": _mode,
    "breaker": _breaker,
    "budget": _budget,
    "policy_refused": _refused,
    "policy": _applied,
    "contract_storm": _storm,
    "contract_storm_over": _storm_over,
    "model_version_changed": _version,
}
"""By the name of the event."""
