"""Events → which incidents begin and end. Pure; `wall` is seconds since the epoch.

Who is told of what follows from who can do something about it: an operator's order and a breaker are for whoever is called
at night (`incidents`); a policy that cannot be used and money that runs out for `serving`; requests that break the
contract come from data that changed (`data_freshness`); another version of the model is `model_quality`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias, assert_never, get_args

from guard.events import (
    BreakerChanged,
    BudgetReached,
    BurnChanged,
    CandidateAborted,
    CandidateAgain,
    ContractStorm,
    ContractStormEnded,
    DriftEnded,
    DriftFound,
    Event,
    FileReadable,
    FileUnreadable,
    ModeChanged,
    ModeRecalled,
    OrdersUnreadable,
    PolicyApplied,
    PolicyRefused,
    RouteDescended,
    RouteReturned,
    TokensRead,
    TokensRefused,
    TokensUnreadable,
    VersionChanged,
    VolumeChanged,
)
from guard.ladder.mode import KILLED
from guard.proxy.values import CANDIDATE

Kind: TypeAlias = Literal[
    "mode", "breaker", "budget", "policy_refused", "tokens", "file_unreadable", "contract_storm", "model_version",
    "burn", "descent", "volume", "candidate", "drift", "stale_data",
]  # fmt: skip
Severity: TypeAlias = Literal["info", "ticket", "page"]
Role: TypeAlias = Literal["incidents", "serving", "data_freshness", "model_quality"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "ticket", "page")

DAY: Final = 86400.0
DRILL: Final = "drill"
"""The reason of orders that `guard drill` gives: they are told as `info`, and page nobody."""
MOST_ERRORS: Final = 3


class Of(NamedTuple):
    """Facts about a kind of incident. `quiet`: seconds that it must be over before guard reports its end."""

    alertname: str
    role: Role
    quiet: float


KINDS: Final[Mapping[Kind, Of]] = {
    "mode": Of("GuardModeLowered", "incidents", 0.0),
    "breaker": Of("GuardBreakerOpen", "incidents", 60.0),
    "budget": Of("GuardBudget", "serving", 0.0),
    "policy_refused": Of("GuardPolicyRefused", "serving", 0.0),
    "tokens": Of("GuardTokensRefused", "serving", 0.0),
    "file_unreadable": Of("GuardFileUnreadable", "serving", 0.0),
    "contract_storm": Of("GuardContractStorm", "data_freshness", 60.0),
    "model_version": Of("GuardModelVersionChanged", "model_quality", 0.0),
    "burn": Of("GuardBurn", "incidents", 60.0),
    "descent": Of("GuardRouteLowered", "incidents", 0.0),
    "volume": Of("GuardVolume", "serving", 60.0),
    "candidate": Of("GuardCandidateAborted", "model_quality", 0.0),
    "drift": Of("GuardModelDrift", "model_quality", 0.0),
    "stale_data": Of("GuardStaleData", "data_freshness", 0.0),
}
VERSION_LASTS: Final = 3600.0
"""Seconds that a change of version is worth knowing; nothing ends it."""


class Subject(NamedTuple):
    """The subject of an incident. All replicas give it the same name, because no part of it belongs to a replica."""

    kind: Kind
    route: str | None = None
    target: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Opens:
    """The beginning of an incident. `until`: the time at which it ends by itself; `back`: the command that ends it."""

    subject: Subject
    severity: Severity
    summary: str
    cause: Mapping[str, Any] = field(default_factory=dict)
    back: str = ""
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """The end of an incident."""

    subject: Subject


Change: TypeAlias = Opens | Ends
Source: TypeAlias = (
    ModeChanged
    | ModeRecalled
    | OrdersUnreadable
    | BreakerChanged
    | BudgetReached
    | PolicyRefused
    | PolicyApplied
    | FileUnreadable
    | FileReadable
    | TokensRead
    | TokensRefused
    | TokensUnreadable
    | ContractStorm
    | ContractStormEnded
    | VersionChanged
    | BurnChanged
    | RouteDescended
    | RouteReturned
    | VolumeChanged
    | CandidateAborted
    | CandidateAgain
    | DriftFound
    | DriftEnded
)
"""The events that an incident can come from."""
SOURCES: Final[tuple[type[Event], ...]] = get_args(Source)


def changes(event: Source, wall: float) -> Iterator[Change]:  # noqa: C901, PLR0912 — one case for each event
    """The incidents that an event begins or ends."""
    match event:
        case ModeChanged():
            yield from _mode(event.route, event.after, event.who, event.why)
        case ModeRecalled():
            yield from _mode(event.route, event.mode, event.who, event.why)
        case OrdersUnreadable():
            yield from _mode(None, KILLED, "guard", "the orders in the state folder cannot be read")
        case BreakerChanged():
            yield from _breaker(event)
        case BudgetReached():
            yield _budget(event, wall)
        case PolicyRefused():
            yield _refused(event)
        case PolicyApplied():
            yield Ends(Subject("policy_refused"))
        case FileUnreadable():
            yield _unreadable(event)
        case FileReadable():
            yield Ends(Subject("file_unreadable", detail=event.file))
        case TokensRead():
            yield Ends(Subject("tokens"))
        case TokensRefused():
            yield _tokens("The token file has invalid lines", {"lines": list(event.lines)})
        case TokensUnreadable():
            yield _tokens("The token file cannot be read", {"why": event.why, "grace": event.grace})
        case ContractStorm():
            yield _storm(event)
        case ContractStormEnded():
            yield Ends(Subject("contract_storm", event.route))
        case VersionChanged():
            yield _version(event, wall)
        case BurnChanged():
            yield _burn(event)
        case RouteDescended():
            yield _descent(event)
        case RouteReturned():
            yield Ends(Subject("descent", event.route))
        case VolumeChanged():
            yield _volume(event)
        case CandidateAborted():
            yield _aborted(event, wall)
        case CandidateAgain():
            yield Ends(Subject("candidate", None, None, event.digest))
        case DriftFound():
            yield _drift(event)
        case DriftEnded():
            yield Ends(_drifting(event.route, event.topic))
        case _:
            assert_never(event)


def _mode(route: str | None, mode: str, actor: str, why: str) -> Iterator[Change]:
    file = actor == "kill file"
    subject = Subject("mode", route, None, "kill file" if file else "")
    if mode == "normal":
        yield Ends(subject)
        return
    back = f"guard restore --route '{route}' --reason '…'" if route is not None else "guard restore --reason '…'"
    yield Opens(
        subject,
        "info" if why == DRILL else "ticket",
        f"The mode was lowered to {mode}" + (" by the kill file" if file else ""),
        {"mode": mode, "who": actor, "why": why},
        "remove the kill file" if file else back,
    )


def _breaker(event: BreakerChanged) -> Iterator[Change]:
    """An order to force a breaker has an event of its own, and is followed by this one."""
    route, target, why = event.route, event.target, event.why
    if target == CANDIDATE:
        return  # whoever is asked of it has the model's answer
    subject = Subject("breaker", route, target)
    if event.after == "closed":
        yield Ends(subject)
    elif event.after == "open":
        order = f'PUT /admin/v1/breakers {{"route": "{route}", "target": "{target}", "state": "auto", "reason": "…"}}'
        yield Opens(
            subject,
            "ticket" if why == "forced_open" else "page",
            f"The breaker of {target} is open: guard does not call it",
            {"why": why},
            order if why == "forced_open" else "guard status (the breaker closes by itself once its probes succeed)",
        )


def _budget(event: BudgetReached, wall: float) -> Opens:
    midnight = (wall // DAY + 1) * DAY
    spent, whose = f"{event.alert_at:.0%}", f" of {event.route}" if event.route is not None else ""
    closes = event.on_spent != "alert"
    back = "guard kill --to rules --reason '…' stops the spending; the budget starts anew at midnight UTC"
    if closes:
        back = "a higher targets.cost.daily; the budget starts anew at midnight UTC"
    effect = "; its calls are refused until midnight UTC" if closes and event.alert_at >= 1.0 else ""
    return Opens(
        Subject("budget", event.route, detail=f"{int(wall // DAY)} {spent}"),
        "page" if event.alert_at >= 1.0 else "ticket",
        f"{spent} of the day's budget{whose} is spent{effect}",
        {"share": event.share, "alert_at": event.alert_at, "daily": event.daily, "currency": event.currency},
        back,
        midnight,
    )


def _refused(event: PolicyRefused) -> Opens:
    return Opens(
        Subject("policy_refused"),
        "ticket",
        "The policy on disk is invalid; the previous policy stays in force",
        {"in_force": event.in_force, "mistakes": len(event.errors), "errors": list(event.errors[:MOST_ERRORS])},
        "run guard check POLICY and fix the file; guard reloads it by itself",
    )


def _unreadable(event: FileUnreadable) -> Opens:
    return Opens(
        Subject("file_unreadable", detail=event.file),
        "ticket",
        f"The {event.file} cannot be read; its last content stays in force",
        {"file": event.file, "why": event.why},
        f"make the {event.file} readable; guard reads it again by itself",
    )


def _tokens(summary: str, cause: Mapping[str, Any]) -> Opens:
    return Opens(Subject("tokens"), "ticket", summary, cause, "fix admin.tokens; guard reads it again by itself")


def _storm(event: ContractStorm) -> Opens:
    return Opens(
        Subject("contract_storm", event.route),
        "ticket",
        f"{event.share:.0%} of requests break the contract",
        {"share": event.share, "requests": event.requests, "field": event.field, "code": event.code},
        f"guard observe --route '{event.route}' --ttl 15m --reason '…' (if the contract is wrong)",
    )


def _version(event: VersionChanged, wall: float) -> Opens:
    return Opens(
        Subject("model_version", event.route, event.target, event.after),
        "info",
        f"The {event.target} target now answers with another version",
        {"before": event.before, "after": event.after},
        f"guard kill --to previous --route '{event.route}' --reason '…' (if the change was not intended)",
        wall + VERSION_LASTS,
    )


def _burn(event: BurnChanged) -> Change:
    """The incident of a burning target: the route's, and not the service's too."""
    subject = Subject("burn", event.route, None, event.objective)
    if event.after == "ok" or not event.told:
        return Ends(subject)
    return Opens(
        subject,
        "page" if event.after in ("fast", "brisk") else "ticket",
        f"The budget of targets.{event.objective} " + ("is spent" if event.after == "spent" else f"burns {event.after}"),
        {"state": event.after, "burn_5m": event.burn_5m, "burn_1h": event.burn_1h, "left": event.left},
        "guard slo shows the burn rates; guard status shows what answers now",
    )


def _descent(event: RouteDescended) -> Opens:
    held = ", until a person raises it: it is the third time in a day" if event.held else ""
    return Opens(
        Subject("descent", event.route),
        "page" if event.held else "ticket",
        f"guard lowered the route to {event.to}, as it burns targets.{event.objective}{held}",
        {"to": event.to, "objective": event.objective, "lasts": event.lasts, "number": event.number},
        f"guard restore --route '{event.route}' --reason '…'",
    )


def _volume(event: VolumeChanged) -> Change:
    subject = Subject("volume")
    if event.after == "ok":
        return Ends(subject)
    summary = (
        f"No request for {event.quiet:.0f} s" if event.after == "silence" else f"{event.recent} requests in five minutes"
    )
    return Opens(
        subject,
        "ticket",
        f"{summary}; targets.expected_rate is {event.expected:g}/s",
        {"state": event.after, "expected": event.expected, "recent": event.recent, "quiet": event.quiet},
        "ask who calls the service; a rate that is usual now belongs into targets.expected_rate",
    )


def _aborted(event: CandidateAborted, wall: float) -> Opens:
    """The incident of one digest, which freezes no other. What an operator aborted is known already."""
    return Opens(
        Subject("candidate", None, None, event.digest),
        "ticket" if event.who == "guard" else "info",
        f"The candidate {event.candidate} was aborted: {event.why}",
        {"digest": event.digest, "who": event.who},
        "the model answers; a new release record is a new candidate",
        wall + VERSION_LASTS,
    )


def _drifting(route: str, topic: str) -> Subject:
    """The subject of an alarm of monitoring: one for each route and owner, whatever the signal."""
    return Subject("stale_data" if topic == "data_freshness" else "drift", route)


def _drift(event: DriftFound) -> Opens:
    what = "The inputs are stale" if event.topic == "data_freshness" else "Inputs or answers are no longer as they were"
    return Opens(
        _drifting(event.route, event.topic),
        "page" if event.strength == "critical" else "ticket",
        f"{what}: {event.signal}, since {event.onset}",
        {"signal": event.signal, "strength": event.strength, "effect": event.effect, "rows": event.rows,
         "cells": list(event.cells[:MOST_ERRORS])},
        f"guard monitor accept|reset --route '{event.route}' --reason '…' (ends by itself once traffic is as before)",
    )  # fmt: skip
