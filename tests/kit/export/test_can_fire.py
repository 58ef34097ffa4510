"""Every exported alert can fire: promtool plays what breaks each target to the rules of policies with all kinds of targets.

A target whose alert cannot fire at the expected traffic, or has none, is named by `guard check`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from guard.control.duration_bounds import duration_bounds
from guard.policy.loading import Loaded, load
from tests.kit.export.making import Exported, export, policy
from tests.kit.export.test_alerts import CASES, JOB, bare, gauge, requests, served
from tests.servers import promtool

TARGETS: Mapping[str, str] = {
    "usual": "latency_p95: 300ms, error_rate: 1%, availability: 99.5%, model_share: 95%, expected_rate: 50/s, cost: {per_request: 0.01 EUR, daily: 10 EUR}",
    "long": "latency_p95: 30s",
    "longest": "latency_p95: 59s",
    "longer than any": "latency_p95: 60s",
    "short": "latency_p95: 1ms",
    "shorter than any bound": "latency_p95: 2ms",
    "strict": "error_rate: 0%, availability: 99.999%, model_share: 100%",
    "perfect": "availability: 100%",
    "loose": "error_rate: 99%, availability: 50%, model_share: 1%",
    "looser": "availability: 95%, error_rate: 50%",
    "nothing promised": "error_rate: 100%, availability: 0%, model_share: 0%",
    "tokens": "cost: {per_million_input_tokens: 2 EUR, daily: 20 EUR}",
    "tokens out": "cost: {per_million_output_tokens: 8 EUR, daily: 20 EUR, alert_at: 100%}",
    "free": "cost: {per_request: 0 EUR, daily: 20 EUR}",
    "no budget": "cost: {per_request: 1 EUR}",
    "a budget of nothing": "cost: {per_request: 1 EUR, daily: 0 EUR}",
    "no price": "cost: {daily: 20 EUR}",
    "few": "expected_rate: 0.02/s, latency_p95: 300ms, error_rate: 1%, availability: 99.5%, model_share: 95%",
    "very few": "expected_rate: 2/h, latency_p95: 300ms, error_rate: 1%",
    "many": "expected_rate: 20000/s, error_rate: 0.1%",
    "calibration": "quality: {ece: 0.03, auc: 0.85}",
}  # fmt: skip
STREAMED = policy("").replace("POST /predict:", "POST /v1/chat/completions:\n    dialect: openai\n  POST /predict:")
MINUTES = 70
OF_TARGET = {
    "GuardAvailability": "availability", "GuardErrorRate": "error_rate", "GuardLatency": "latency_p95",
    "GuardFallbackShare": "model_share", "GuardTrafficGone": "expected_rate", "GuardBudget": "cost",
}  # fmt: skip


class Subject(NamedTuple):
    """A policy, its rules, and what `guard check` warns of."""

    loaded: Loaded
    exported: Exported

    @property
    def warned(self) -> set[str]:
        """The targets that are named."""
        return {str(warning.pointer).split(".")[1] for warning in self.loaded.warnings if warning.path[0] == "targets"}

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return [(rule["alert"], rule["labels"]["severity"]) for rule in self.exported.rules if "alert" in rule]

    @property
    def a_minute(self) -> float:
        """Requests."""
        return (self.loaded.policy.targets.expected_rate or 10.0) * 60


def subject(text: str, folder: Path) -> Subject:
    (folder / "policy.yaml").write_text(text)
    return Subject(load(folder / "policy.yaml", environ={}), export("prometheus-rules", text, folder))


def worst(alert: str, severity: str, of: Subject) -> tuple[list[dict[str, str]], int]:
    """The series of a service that breaks what an alert is about, and the minutes until it must have fired."""
    rising, here = f"0+{of.a_minute:g}x{MINUTES}", gauge("guard_policy_info", f"1x{MINUTES}", guard_service="credit-risk")
    match alert:
        case "GuardAvailability" | "GuardErrorRate":
            return [served(200, f"0x{MINUTES}"), served(500, rising)], 65
        case "GuardFallbackShare":
            return [requests("model", f"0x{MINUTES}"), requests("rules", rising, "connect")], 65
        case "GuardTrafficGone":
            return [here], 65
        case "GuardBudget":
            return [gauge("guard_cost_budget_share", f"1x{MINUTES}", guard_currency="EUR", instance="a")], 65
        case "GuardLatency":
            target = of.loaded.policy.targets.latency_p95
            assert target is not None
            bounds = [*map(str, duration_bounds(of.loaded.policy)), "+Inf"]
            labels = f'{JOB}, http_request_method="POST", http_route="/predict", http_response_status_code="200"'
            return [
                served(200, rising),
                *(
                    {
                        "series": f'http_server_request_duration_seconds_bucket{{{labels}, le="{bound}"}}',
                        "values": rising if float(bound) > target else f"0x{MINUTES}",
                    }
                    for bound in bounds
                ),
            ], 65
    case_ = next(case for case in CASES if case.alert == alert and severity in case.fires)
    return list(case_.given), int(case_.after.removesuffix("m"))


def fires(of: Subject, folder: Path, alerts: list[tuple[str, str]]) -> None:
    """Raises promtool.Refused."""
    if not alerts:
        return
    document = bare(of.exported.document)
    (folder / "rules.yaml").write_text(yaml.safe_dump(document))
    tests: list[dict[str, Any]] = []
    for alert, severity in alerts:
        given, minutes = worst(alert, severity, of)
        firing = f'ALERTS{{alertname="{alert}", severity="{severity}", alertstate="firing"}}'
        sample = {
            "expr": f"sgn(count({firing}))",
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        tests.append({"name": f"{alert} {severity}", "interval": "1m", "input_series": given, "promql_expr_test": [sample]})
    order = [group["name"] for group in document["groups"]]
    (folder / "tests.yaml").write_text(
        yaml.safe_dump(
            {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "group_eval_order": order, "tests": tests}
        )
    )
    promtool.test_rules(folder / "tests.yaml")


@pytest.mark.parametrize("name", TARGETS)
def test_every_exported_alert_can_fire_or_check_names_its_target(name: str, tmp_path: Path) -> None:
    text = policy("{" + TARGETS[name] + "}").replace("    rows:", "    timeout: {request: 60s}\n    rows:")
    of = subject(text, tmp_path)
    mine = [alert for alert in of.alerts if name == "usual" or alert[0] in OF_TARGET]  # the others are the same everywhere
    fires(of, tmp_path, [item for item in mine if OF_TARGET.get(item[0]) not in of.warned])
    exported = {alert for alert, _ in of.alerts}
    targets = of.loaded.policy.targets
    for alert, target in OF_TARGET.items():
        declared = getattr(targets, target)
        if declared is not None and alert not in exported and not (target == "cost" and declared.daily is None):
            assert target in of.warned, f"{target} has no alert, and guard check is silent"
    assert not targets.quality or "quality" in of.warned


@pytest.mark.parametrize("target", ["1ms", "10s", "30s", "10m"])
def test_streams_outlast_timeouts_so_their_latency_is_measured_beyond_them(target: str, tmp_path: Path) -> None:
    of = subject(STREAMED + f"targets: {{latency_p95: {target}}}\n", tmp_path)
    assert "latency_p95" not in of.warned
    fires(of, tmp_path, [("GuardLatency", "page")])
