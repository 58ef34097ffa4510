"""Policy → a file of Prometheus rules."""

from typing import Any

from guard.kit.export import owners
from guard.kit.export.alerts import alerts
from guard.kit.export.scope import Scope
from guard.kit.export.slo import recordings, slos
from guard.kit.export.values import Alert, Gap


def rules(scope: Scope) -> tuple[dict[str, Any], list[Gap]]:
    """The document that Prometheus loads (`rule_files`, or the spec of a PrometheusRule), and what it lacks."""
    results = list(alerts(scope))
    written = [_rule(scope, item) for item in results if isinstance(item, Alert)]
    groups = [group for slo in slos(scope) for group in recordings(slo)]
    groups.append({"name": f"guard-alerts-{scope.service}", "rules": written})
    return {"groups": groups}, [*(item for item in results if isinstance(item, Gap)), *owners.gaps(scope.policy)]


def _rule(scope: Scope, alert: Alert) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.wait != "0m":
        rule["for"] = alert.wait
    return {
        **rule,
        "labels": owners.labels(scope.policy, alert),
        "annotations": owners.annotations(scope.policy, alert),
    }
