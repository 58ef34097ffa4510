"""Objectives as recording rules, under the names and labels that Sloth gives them, and their burn-rate alerts.

Windows and factors are the SRE workbook's (chapter 5, table 5-8) for thirty days. Two things Sloth does not do:
a window without traffic records nothing (0/0 would be NaN, and spoil the month), and an alert stands on EVIDENCE failed
requests at least, so that one failure among ten requests wakes nobody.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from guard.kit.export.scope import ANSWERED, COUNTED, FAILED, LOWERED, Scope, matcher, number, share
from guard.kit.export.values import Alert, Gap, Severity
from guard.telemetry import instruments as of

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PERIOD_DAYS: Final = 30
EVIDENCE: Final = 5
"""Requests that must have failed within the long window: the clause against low traffic."""


class Burn(NamedTuple):
    """A pair of windows, and how many times faster than allowed the budget burns over both."""

    severity: Severity
    factor: float
    short: str
    long: str


BURNS: Final = (
    Burn("page", 14.4, "5m", "1h"),
    Burn("page", 6, "30m", "6h"),
    Burn("ticket", 3, "2h", "1d"),
    Burn("ticket", 1, "6h", "3d"),
)


class Slo(NamedTuple):
    """An objective. `errors` and `total` are series of counters; `scope` made them."""

    name: str
    objective: float
    errors: str
    total: str
    service: str

    @property
    def budget(self) -> float:
        """The share that may fail."""
        return round(1 - self.objective, 12)

    @property
    def labels(self) -> dict[str, str]:
        """Sloth's."""
        return {"sloth_id": f"{self.service}-{self.name}", "sloth_service": self.service, "sloth_slo": self.name}

    def recorded(self, record: str) -> str:
        """A selector of what one of the rules records."""
        return f"{record}{{{', '.join(matcher(key, '=', value) for key, value in self.labels.items())}}}"

    def failures(self, window: str) -> str:
        """The number of failed requests."""
        return f"sum(increase({self.errors}[{window}]))"


def slos(scope: Scope) -> Iterator[Slo]:
    """The objectives that the policy declares. A fallback's answer is an answer; one with a status of 5xx is none."""
    targets = scope.policy.targets
    if targets.availability is not None:
        errors = scope.series(of.SERVER_DURATION, scope.promised, FAILED, part="_count")
        total = scope.series(of.SERVER_DURATION, scope.promised, COUNTED, part="_count")
        yield Slo("availability", targets.availability, errors, total, scope.service)
    if targets.model_share is not None:
        errors = scope.series(of.REQUESTS, scope.promised, LOWERED)
        total = scope.series(of.REQUESTS, scope.promised, ANSWERED)
        yield Slo("model-share", targets.model_share, errors, total, scope.service)


def recordings(slo: Slo) -> list[dict[str, Any]]:
    """Two groups of recording rules: how much fails over each window, and what that means for the budget."""
    sli = [
        _record(
            f"slo:sli_error:ratio_rate{window}",
            share(f"rate({slo.errors}[{window}])", f"rate({slo.total}[{window}])"),
            {**slo.labels, "sloth_window": window},
        )
        for window in WINDOWS
    ]
    five, period = slo.recorded("slo:sli_error:ratio_rate5m"), f"{PERIOD_DAYS}d"
    month = f"sum_over_time({five}[{period}])\n/ ignoring (sloth_window)\ncount_over_time({five}[{period}])"
    sli.append(_record(f"slo:sli_error:ratio_rate{period}", month, {**slo.labels, "sloth_window": period}))
    budget = f"/ on (sloth_id, sloth_slo, sloth_service) group_left\n{slo.recorded('slo:error_budget:ratio')}"
    meta = [
        ("slo:objective:ratio", f"vector({number(slo.objective)})"),
        ("slo:error_budget:ratio", f"vector({number(slo.budget)})"),
        ("slo:time_period:days", f"vector({PERIOD_DAYS})"),
    ]
    if slo.budget:
        meta += [
            ("slo:current_burn_rate:ratio", f"{five}\n{budget}"),
            ("slo:period_burn_rate:ratio", f"{slo.recorded(f'slo:sli_error:ratio_rate{period}')}\n{budget}"),
            ("slo:period_error_budget_remaining:ratio", f"1 - {slo.recorded('slo:period_burn_rate:ratio')}"),
        ]
    info = {"sloth_mode": "guard", "sloth_objective": number(slo.objective * 100), "sloth_spec": "guard/v1"}
    facts = [_record(record, expr, slo.labels) for record, expr in meta]
    facts.append(_record("sloth_slo_info", "vector(1)", {**slo.labels, **info}))
    return [
        {"name": f"sloth-slo-sli-recordings-{slo.service}-{slo.name}", "rules": sli},
        {"name": f"sloth-slo-meta-recordings-{slo.service}-{slo.name}", "rules": facts},
    ]


def burning(slo: Slo) -> Iterator[Alert | Gap]:
    """Burn-rate alerts of an objective: one page and one ticket, each over the pairs of windows that can be reached."""
    if not slo.budget:
        yield Gap(f"targets.{slo.name} is 100%: it leaves no budget, so no burn-rate alert can be made of it")
        return
    severities: tuple[Severity, ...] = ("page", "ticket")
    for severity in severities:
        pairs = [burn for burn in BURNS if burn.severity == severity]
        reached = [burn for burn in pairs if burn.factor * slo.budget < 1]
        for burn in pairs:
            if burn not in reached:
                why = f"{number(burn.factor)} times a budget of {number(slo.budget * 100)}% is all requests or more"
                yield Gap(f"targets.{slo.name}: no {severity} over {burn.short} and {burn.long}: {why}")
        if reached:
            yield Alert(
                name="GuardAvailability",
                expr="\nor\n".join(_pair(slo, burn) for burn in reached),
                wait="0m",
                severity=severity,
                role="serving",
                summary=f"{slo.service}: requests fail faster than the {slo.name} target allows",
                description="Clients get 5xx. guard_requests_total by guard_source and guard_reason says why; "
                "`guard status` says what answers now.",
                labels=(("sloth_severity", severity),),
            )


def _pair(slo: Slo, burn: Burn) -> str:
    most = number(burn.factor * slo.budget)
    short, long = (slo.recorded(f"slo:sli_error:ratio_rate{window}") for window in (burn.short, burn.long))
    return (
        f"(\n  max without (sloth_window) ({short} > {most})\n  and\n  max without (sloth_window) ({long} > {most})\n"
        f"  and on ()\n  {slo.failures(burn.long)} >= {EVIDENCE}\n)"
    )


def _record(record: str, expr: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"record": record, "expr": expr, "labels": labels}
