"""The account of labels, for `GET /admin/v1/quality`: figures, and the declared targets that they are held against."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.control.labels.keeper import LabelKeeper
from guard.labels.quality import ALIASES, FIGURES, LOWER_IS_BETTER
from guard.policy.models import Policy
from guard.policy.route import Route

FORMAT: Final = "guard/quality/v1"
Verdict: TypeAlias = Literal["held", "open", "missed", "unknown"]
"""held: the worse end of the interval keeps the target. open: the target is inside. missed: the better end breaks it."""


class Promise(NamedTuple):
    """A declared figure. `where`: its key in the policy; `output`: None where it may be of any."""

    where: str
    figure: str
    target: float
    route: str | None = None
    output: str | None = None


def promises(policy: Policy) -> Iterator[Promise]:
    """`targets.quality`, and the `calibration.ece` of outputs; those that labels can hold."""
    for name, target in policy.targets.quality.items():
        figure = ALIASES.get(name, name)
        if figure in FIGURES:
            yield Promise(f"targets.quality.{name}", figure, float(target))
    for key, route in policy.routes.items():
        for name, field in route.outputs.items() if isinstance(route, Route) else ():
            if field.calibration is not None and field.calibration.ece is not None:
                where = f"routes.{key}.output.{name}.calibration.ece"
                yield Promise(where, "calibration_error", float(field.calibration.ece), key, name)


def verdict(figure: Mapping[str, float] | None, target: float, *, lower: bool) -> Verdict:
    """Compare an interval with a target; `lower`: less is better."""
    if figure is None:
        return "unknown"
    worse, better = (figure["high"], figure["low"]) if lower else (figure["low"], figure["high"])
    if lower:
        return "held" if worse <= target else "missed" if better > target else "open"
    return "held" if worse >= target else "missed" if better < target else "open"


def held(policy: Policy, versions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each promise against the latest version of each route that has mature labels."""
    found: list[dict[str, Any]] = []
    for promise in promises(policy):
        for latest in _latest(versions, promise):
            figure = latest["mature"]["figures"][promise.figure] if latest["mature"] is not None else None
            lower = promise.figure in LOWER_IS_BETTER
            found.append({
                "target": promise.where, "figure": promise.figure, "value": promise.target, "route": latest["route"],
                "version": latest["version"], "found": figure, "verdict": verdict(figure, promise.target, lower=lower),
                "labelled": latest["mature"]["labelled"] if latest["mature"] is not None else 0,
            })  # fmt: skip
    return found


def _latest(versions: Sequence[Mapping[str, Any]], promise: Promise) -> list[Mapping[str, Any]]:
    """The latest version of each route with mature labels; else the latest of all."""
    of_route: dict[str, Mapping[str, Any]] = {}
    for each in versions:  # the latest first
        if promise.route not in (None, each["route"]) or promise.output not in (None, each["score"]):
            continue
        known = of_route.get(each["route"])
        if known is None or (not _told(known, promise.figure) and _told(each, promise.figure)):
            of_route[each["route"]] = each
    return list(of_route.values())


def _told(version: Mapping[str, Any], figure: str) -> bool:
    return version["mature"] is not None and version["mature"]["figures"][figure] is not None


async def quality_document(keeper: LabelKeeper) -> dict[str, Any]:
    """The body of GET quality. Raises Refused."""
    declared, versions = keeper.declared, await keeper.figures()
    return {
        "format": FORMAT,
        "state": keeper.state,
        "share": declared.share if declared is not None else None,
        "maturity": declared.maturity if declared is not None else None,
        "expire": declared.expire if declared is not None else None,
        "last_at": _written(keeper.last_at),
        "outcomes": dict(keeper.counts()),
        "targets": held(keeper.policy, versions) if keeper.policy is not None else [],
        "versions": [{**each, "from": _written(each["from"]), "until": _written(each["until"])} for each in versions],
    }


def _written(wall: float | None) -> str | None:
    return None if wall is None else datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
