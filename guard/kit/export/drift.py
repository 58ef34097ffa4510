"""Alerts and panels of monitoring: what drifted, how strong the evidence is, and what each signal's reference allows."""

from collections.abc import Iterator
from typing import Final

from guard.kit.export.layout import Panel, Query, Row
from guard.kit.export.scope import ROUTE, Scope, matcher, routes
from guard.kit.export.values import Alert, Gap, Role, Severity
from guard.policy.monitor import Monitor
from guard.telemetry import instruments as of

WHERE: Final = "{{http_request_method}} {{http_route}}"


def _watched(scope: Scope) -> bool:
    declared = isinstance(scope.policy.monitor, Monitor)
    return declared and any(route.inputs or route.outputs for _, route in routes(scope.policy))


def drift(scope: Scope) -> Iterator[Alert | Gap]:
    """Alarms of monitoring: a page where the effect is critical, else a ticket.

    They fire at once: an alarm is latched, and its evidence has a memory of its own.
    """
    if not _watched(scope):
        yield Gap("monitor is off, or no route declares inputs or outputs: no alert on drift")
        return
    topics: tuple[tuple[str, Role, str], ...] = (
        ("GuardModelDrift", "model_quality", "inputs or answers are no longer as the reference has them"),
        ("GuardStaleData", "data_freshness", "an input stands still or is older than the reference has it"),
    )
    levels: tuple[tuple[Severity, str], ...] = (("page", "="), ("ticket", "!="))
    for name, role, what in topics:
        for severity, critical in levels:
            level = matcher("guard_topic", "=", role), matcher("guard_severity", critical, "critical")
            yield Alert(
                name=name,
                expr=f"max by ({ROUTE}, guard_signal, guard_severity) ({scope.series(of.DRIFT_ALARM, *level)}) == 1",
                severity=severity,
                role=role,
                summary=f"{scope.service}: {{{{ $labels.guard_signal }}}} of {{{{ $labels.http_route }}}} drifted",
                description=f"On this route {what}. `guard monitor` says since when, how far and in which cells, and takes "
                "the answer: accept, reset or expect.",
            )


def panels(scope: Scope) -> Row:
    """Evidence against its threshold, effects, and the references behind them."""
    if not _watched(scope):
        return Row("Drift", [])
    evidence, threshold = scope.series(of.DRIFT_EVIDENCE), scope.series(of.DRIFT_THRESHOLD)
    return Row("Drift", [
        Panel(
            "timeseries", "Evidence, as a share of the alarm's threshold",
            "At 1 the route alarms. Rises and falls below it are what traffic without drift looks like.",
            [Query(f"max by ({ROUTE}) ({evidence} / {threshold})", WHERE)], width=12, unit="percentunit",
        ),
        Panel(
            "timeseries", "Effect of each signal", "Cohen's h of the last minutes: 0.2 is small, 0.5 medium, 0.8 large.",
            [Query(f"max by ({ROUTE}, guard_signal) (abs({scope.series(of.DRIFT_EFFECT)}))", "{{guard_signal}}")], width=12,
        ),
        Panel(
            "stat", "Routes with an alarm", "An alarm stands until the traffic is as before, or a person answers it.",
            [Query(f"sum(max by ({ROUTE}) ({scope.series(of.DRIFT_ALARM)})) or vector(0)", now=True)], width=6,
            steps=[(1, "red")],
        ),
        Panel(
            "timeseries", "Signals by stage", "What references allow to be claimed: counting and gross see collapse only.",
            [Query(f"sum by (guard_stage) ({scope.series(of.DRIFT_STAGE)})", "{{guard_stage}}")], width=18,
        ),
    ])  # fmt: skip
