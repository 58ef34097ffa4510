"""Objectives for other tools: OpenSLO v1, Sloth's PrometheusServiceLevel and Pyrra's ServiceLevelObjective.

Each counts what guard itself measures (`guard.control.slo`), as ratios of Prometheus series. What a format cannot say is a
gap: OpenSLO v1 has one window in a condition, so no alerts are made for it; Sloth's budget is always of 30 days.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from guard.kit.export.scope import ANSWERED, COUNTED, FAILED, LOWERED, Scope, matcher, number
from guard.kit.export.values import Gap
from guard.policy.scalars import write_duration
from guard.telemetry import instruments as of

MONTH: Final = 30 * 86400.0
LATENCY: Final = 0.95
_OTHER: Final = re.compile(r"[^a-z0-9]+")


class Objective(NamedTuple):
    """One objective: bad of all. `good`: the series of good events, where only those are counted."""

    name: str
    share: float
    bad: str
    total: str
    good: str
    text: str

    def errors(self, window: str) -> str:
        """PromQL of bad events per second."""
        if self.good:
            return f"sum(rate({self.total}[{window}])) - sum(rate({self.good}[{window}]))"
        return f"sum(rate({self.bad}[{window}])) or vector(0)"

    def all(self, window: str) -> str:
        """PromQL of all events per second."""
        return f"sum(rate({self.total}[{window}]))"


def objectives(scope: Scope) -> Iterator[Objective]:
    """The objectives that the policy declares and that leave a budget."""
    targets = scope.policy.targets
    total = scope.series(of.SERVER_DURATION, scope.promised, COUNTED, part="_count")
    failed = scope.series(of.SERVER_DURATION, scope.promised, FAILED, part="_count")
    found: list[Objective] = []
    if targets.latency_p95 is not None:
        within = matcher("le", "=", repr(float(targets.latency_p95)))  # as guard.telemetry.prometheus writes a bound
        good = scope.series(of.SERVER_DURATION, scope.promised, COUNTED, within, part="_bucket")
        text = f"95% of requests take at most {write_duration(targets.latency_p95)}"
        found.append(Objective("latency-p95", LATENCY, "", total, good, text))
    if targets.error_rate is not None:
        text = f"at most {percent(targets.error_rate)} of requests end with a 5xx"
        found.append(Objective("error-rate", round(1 - targets.error_rate, 12), failed, total, "", text))
    if targets.availability is not None:
        text = f"{percent(targets.availability)} of requests are answered, by any rung"
        found.append(Objective("availability", targets.availability, failed, total, "", text))
    if targets.model_share is not None:
        others = scope.series(of.REQUESTS, scope.promised, LOWERED)
        answers = scope.series(of.REQUESTS, scope.promised, ANSWERED)
        text = f"{percent(targets.model_share)} of answers come from the model"
        found.append(Objective("model-share", targets.model_share, others, answers, "", text))
    yield from (item for item in found if 0 < item.share < 1)


def gaps(scope: Scope) -> list[Gap]:
    """Declared targets that are no objective, or none at all."""
    named = {item.name for item in objectives(scope)}
    targets = scope.policy.targets
    found = [
        Gap(f"targets.{key} leaves no budget, or all of it: no objective is made of it")
        for key in ("error_rate", "availability", "model_share")
        if getattr(targets, key) is not None and key.replace("_", "-") not in named
    ]
    if not named and not found:
        found.append(Gap("targets declares none of latency_p95, error_rate, availability, model_share: no objectives"))
    return found


def window(scope: Scope) -> float:
    """Seconds of the budget."""
    burn = scope.policy.targets.burn
    return burn.window if burn is not None else MONTH


def openslo(scope: Scope) -> tuple[list[dict[str, Any]], list[Gap]]:
    """Documents of OpenSLO v1, one for each objective."""
    documents = [
        {
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": {
                "name": f"{slug(scope.service)}-{item.name}",
                "annotations": {"guard/sli": item.name.replace("-", "_")},
            },
            "spec": {
                "description": item.text,
                "service": slug(scope.service),
                "indicator": {
                    "metadata": {"name": f"{slug(scope.service)}-{item.name}-sli"},
                    "spec": {
                        "ratioMetric": {
                            "counter": True,
                            ("good" if item.good else "bad"): _source(item.good or item.bad),
                            "total": _source(item.total),
                        }
                    },
                },
                "timeWindow": [{"duration": _days(window(scope)), "isRolling": True}],
                "budgetingMethod": "Occurrences",
                "objectives": [{"displayName": item.text, "target": item.share}],
            },
        }
        for item in objectives(scope)
    ]
    alerts = Gap("OpenSLO v1 has one window in a condition: burn-rate alerts are in `guard export prometheus-rules`")
    return documents, [*gaps(scope), *([alerts] if documents else [])]


def sloth(scope: Scope) -> tuple[list[dict[str, Any]], list[Gap]]:
    """The PrometheusServiceLevel of Sloth's operator; Sloth makes recording rules and alerts of it."""
    slos = [
        {
            "name": item.name,
            "objective": round(item.share * 100, 10),
            "description": item.text,
            "sli": {"events": {"errorQuery": item.errors("{{.window}}"), "totalQuery": item.all("{{.window}}")}},
            "alerting": {
                "name": f"{slug(scope.service)}-{item.name}",
                "pageAlert": {"labels": {"severity": "page"}},
                "ticketAlert": {"labels": {"severity": "ticket"}},
            },
        }
        for item in objectives(scope)
    ]
    found = gaps(scope)
    if window(scope) != MONTH:
        found.append(Gap(f"Sloth's budget is of 30 days, and not of {write_duration(window(scope))} (targets.burn.window)"))
    document = {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "PrometheusServiceLevel",
        "metadata": {"name": slug(scope.service)},
        "spec": {"service": scope.service, "slos": slos},
    }
    return [document] if slos else [], found


def pyrra(scope: Scope) -> tuple[list[dict[str, Any]], list[Gap]]:
    """ServiceLevelObjectives of Pyrra, one for each objective."""
    documents = []
    for item in objectives(scope):
        if item.good:
            indicator = {"latency": {"success": {"metric": item.good}, "total": {"metric": item.total}}}
        else:
            indicator = {"ratio": {"errors": {"metric": item.bad}, "total": {"metric": item.total}}}
        documents.append(
            {
                "apiVersion": "pyrra.dev/v1alpha1",
                "kind": "ServiceLevelObjective",
                "metadata": {"name": f"{slug(scope.service)}-{item.name}"},
                "spec": {
                    "target": number(item.share * 100),
                    "window": _days(window(scope)),
                    "description": item.text,
                    "indicator": indicator,
                },
            }
        )
    return documents, gaps(scope)


def slug(text: str) -> str:
    """A name as Kubernetes and OpenSLO take it."""
    return _OTHER.sub("-", text.lower()).strip("-") or "guard"


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{number(share * 100)}%"


def _days(seconds: float) -> str:
    """A duration in whole days, hours or minutes."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    raise ValueError(seconds)


def _source(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
