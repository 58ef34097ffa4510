"""promtool plays hours and days of made-up series to the exported rules: who is told, when, and when nobody is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.kit.export.making import TARGETS, Exported, export, policy
from tests.servers import promtool

JOB = 'job="credit-risk"'
PREDICT = f'{JOB}, http_request_method="POST", http_route="/predict"'


def served(status: int, values: str, route: str = "/predict") -> dict[str, str]:
    labels = f'{JOB}, http_request_method="POST", http_route="{route}", http_response_status_code="{status}"'
    return {"series": f"http_server_request_duration_seconds_count{{{labels}}}", "values": values}


def requests(source: str, values: str, reason: str = "") -> dict[str, str]:
    labels = f'{PREDICT}, guard_source="{source}"' + (f', guard_reason="{reason}"' if reason else "")
    return {"series": f"guard_requests_total{{{labels}}}", "values": values}


def bucket(le: str, values: str) -> dict[str, str]:
    labels = f'{PREDICT}, http_response_status_code="200", le="{le}"'
    return {"series": f"http_server_request_duration_seconds_bucket{{{labels}}}", "values": values}


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    shown = ", ".join([PREDICT, *(f'{key}="{value}"' for key, value in labels.items())])
    return {"series": f"{name}{{{shown}}}", "values": values}


def gauge(name: str, values: str, **labels: str) -> dict[str, str]:
    shown = ", ".join([JOB, *(f'{key}="{value}"' for key, value in labels.items())])
    return {"series": f"{name}{{{shown}}}", "values": values}


class Case(NamedTuple):
    """Series, one value a minute; what fires after so long: (alert, severity) → how often."""

    name: str
    alert: str
    after: str
    given: Sequence[dict[str, str]]
    fires: Sequence[str]


HERE = gauge("guard_policy_info", "1x60", guard_service="credit-risk")
CASES = (
    # a page: more than 7.2% of an hour and of five minutes; the day's ticket is true then too
    Case("a tenth fails for an hour", "GuardAvailability", "65m", [served(200, "0+540x90"), served(502, "0+60x90")], ["page", "ticket"]),
    Case("4% fail for six hours", "GuardAvailability", "6h30m", [served(200, "0+576x400"), served(503, "0+24x400")], ["page", "ticket"]),
    Case("2% fail for a day", "GuardAvailability", "25h", [served(200, "0+588x1600"), served(500, "0+12x1600")], ["ticket"]),
    Case("0.6% fail for three days", "GuardAvailability", "74h", [served(200, "0+994x4500"), served(500, "0+6x4500")], ["ticket"]),
    Case("0.3% fail for three days", "GuardAvailability", "74h", [served(200, "0+997x4500"), served(500, "0+3x4500")], []),
    Case("one of ten requests in an hour", "GuardAvailability", "65m", [served(200, "0x9 1x9 2x9 3x9 4x9 5x9 6x90"), served(500, "0x30 1x90")], []),
    Case("nobody asks", "GuardAvailability", "65m", [served(200, "5x90"), served(500, "0x90")], []),
    Case("it is over for forty minutes", "GuardAvailability", "105m", [served(200, "0+540x60 32400+600x60"), served(502, "0+60x60 3600x60")], ["ticket"]),
    Case("what guard refused fails nobody", "GuardAvailability", "65m", [served(200, "0+60x90"), served(422, "0+540x90")], []),
    Case("nor do health checks", "GuardAvailability", "65m", [served(200, "0+60x90"), served(502, "0+540x90", route="/health")], []),
    Case("2% now", "GuardErrorRate", "40m", [served(200, "0+588x60"), served(500, "0+12x60")], ["ticket"]),
    Case("half a percent", "GuardErrorRate", "40m", [served(200, "0+597x60"), served(500, "0+3x60")], []),
    Case("one of twenty", "GuardErrorRate", "40m", [served(200, "0+1x60"), served(500, "0x30 1x30")], []),
    Case("the model is dead", "GuardFallbackShare", "14m", [requests("model", "0+600x10 6000x60"), requests("rules", "0x10 0+600x60", "connect")], ["page"]),
    Case("3% fall", "GuardFallbackShare", "40m", [requests("model", "0+582x60"), requests("rules", "0+18x60", "timeout")], []),
    Case("one fallback in a quiet half hour", "GuardFallbackShare", "32m", [requests("model", "0x10 1x60"), requests("rules", "0x30 1x60", "timeout")], []),
    Case("refusals are no fallbacks", "GuardFallbackShare", "40m", [requests("model", "0+60x60"), requests("none", "0+600x60", "contract")], []),
    Case("slow", "GuardLatency", "40m", [bucket("0.25", "0+100x60"), bucket("0.5", "0+600x60"), bucket("+Inf", "0+600x60"), served(200, "0+600x60")], ["page"]),
    Case("a tail beyond the 95th", "GuardLatency", "40m", [bucket("0.25", "0+580x60"), bucket("0.5", "0+590x60"), bucket("+Inf", "0+600x60"), served(200, "0+600x60")], []),
    Case("slow, but three requests an hour", "GuardLatency", "40m", [bucket("0.25", "0x60"), bucket("0.5", "0x20 1x40"), bucket("+Inf", "0x20 1x40"), served(200, "0x20 1x40")], []),
    Case("cannot be scraped", "GuardDown", "3m", [gauge("up", "0x10", instance="a:8902"), gauge("up", "1x10", instance="b:8902")], ["ticket"]),
    Case("one failed scrape", "GuardDown", "3m", [gauge("up", "1 1 0 1 1", instance="a:8902")], []),
    Case("nobody is there", "GuardAbsent", "6m", [gauge("up", "1x10", instance="a:8902")], ["page"]),
    Case("somebody is", "GuardAbsent", "6m", [gauge("guard_policy_info", "1x10", guard_service="credit-risk")], []),
    Case("open, and asked now and then", "GuardBreakerOpen", "4m", [series("guard_breaker_state", "1 _ 1 1 1", guard_target="model", guard_state="open"), series("guard_breaker_state", "_ 1 _", guard_target="model", guard_state="half_open")], ["ticket"]),
    Case("closed", "GuardBreakerOpen", "4m", [series("guard_breaker_state", "1x9", guard_target="model", guard_state="closed")], []),
    Case("an operator killed", "GuardModeLowered", "1m", [series("guard_mode", "1x9", guard_mode="rules")], ["ticket"]),
    Case("normal", "GuardModeLowered", "1m", [series("guard_mode", "1x9", guard_mode="normal")], []),
    Case("tokens", "GuardTokensRefused", "3m", [gauge("guard_tokens_refused", "1x9")], ["ticket"]),
    Case("tokens mended", "GuardTokensRefused", "3m", [gauge("guard_tokens_refused", "1 0 0 0")], []),
    Case("refused", "GuardPolicyRefused", "3m", [gauge("guard_policy_refused", "1x9")], ["ticket"]),
    Case("mended within a minute", "GuardPolicyRefused", "3m", [gauge("guard_policy_refused", "1 0 0 0")], []),
    Case("a bug of guard", "GuardLoopErrors", "6m", [gauge("guard_loop_errors_total", "0 0 1 1 1 1 1")], ["ticket"]),
    Case("a bug of yesterday", "GuardLoopErrors", "6m", [gauge("guard_loop_errors_total", "7x9")], []),
    Case("a task that crashes", "GuardTaskCrashed", "6m", [gauge("guard_task_crashes_total", "0 0 1 1 1 1 1", guard_task="orders"), gauge("guard_task_crashes_total", "0x9", guard_task="reload")], ["ticket"]),
    Case("tasks that run", "GuardTaskCrashed", "6m", [gauge("guard_task_crashes_total", "0x9", guard_task="orders")], []),
    Case("a subscriber that fails", "GuardSubscriberCrashed", "6m", [gauge("guard_subscriber_crashes_total", "0 0 1 1 1 1 1", guard_subscriber="incidents")], ["ticket"]),
    Case("subscribers that do not", "GuardSubscriberCrashed", "6m", [gauge("guard_subscriber_crashes_total", "0x9", guard_subscriber="log")], []),
    Case("a loop that stands still", "GuardLoopStalled", "15m", [gauge("guard_loop_stalls_total", "0+2x15", guard_place="guard/x.py:1:f")], ["ticket"]),
    Case("a large document now and then", "GuardLoopStalled", "15m", [gauge("guard_loop_stalls_total", "0 0 1 1 1 1 2 2 2 2 2 2 2 2 2 2", guard_place="guard/x.py:1:f")], []),
    Case("a mount that hangs", "GuardFileUnreadable", "3m", [gauge("guard_file_unreadable", "1x9", guard_file="kill file")], ["ticket"]),
    Case("a file that was replaced", "GuardFileUnreadable", "3m", [gauge("guard_file_unreadable", "1 0 0 0", guard_file="policy")], []),
    Case("a caller's release gone wrong", "GuardContractStorm", "20m", [requests("model", "0+90x40"), requests("none", "0+10x40", "contract")], ["ticket"]),
    Case("callers err as they do", "GuardContractStorm", "20m", [requests("model", "0+980x40"), requests("none", "0+20x40", "contract")], []),
    Case("a few of few", "GuardContractStorm", "20m", [requests("model", "0+1x40"), requests("none", "0+1x40", "contract")], []),
    Case("a model that says what nobody declared", "GuardAnswersInvalid", "20m", [requests("model", "0+95x40"), requests("rules", "0+5x40", "invalid"), series("guard_violations_total", "0+5x40", guard_direction="output", guard_field="label", guard_code="enum")], ["ticket"]),
    Case("requests that break the contract", "GuardAnswersInvalid", "20m", [requests("model", "0+95x40"), series("guard_violations_total", "0+5x40", guard_direction="input", guard_field="age", guard_code="min")], []),
    Case("a pipeline that stopped a day ago", "GuardFeatureStale", "20m", [series("guard_instances_total", "0+100x40"), series("guard_violations_total", "0+5x40", guard_direction="input", guard_field="balance_at", guard_code="stale")], ["ticket"]),
    Case("one customer of a thousand", "GuardFeatureStale", "20m", [series("guard_instances_total", "0+10000x40"), series("guard_violations_total", "0+5x40", guard_direction="input", guard_field="balance_at", guard_code="stale")], []),
    Case("a pipeline that is late", "GuardFeatureAging", "20m", [series("guard_instances_total", "0+100x40"), series("guard_features_total", "0+80x40", guard_field="balance_at", guard_state="aging")], ["ticket"]),
    Case("values at a bound", "GuardFeatureAging", "20m", [series("guard_instances_total", "0+100x40"), series("guard_features_total", "0+80x40", guard_field="age", guard_state="at_min")], []),
    Case("answers drifted", "GuardModelDrift", "1m", [series("guard_drift_alarm", "1x9", guard_signal="output:label:values", guard_severity="major", guard_topic="model_quality")], ["ticket"]),
    Case("answers collapsed", "GuardModelDrift", "1m", [series("guard_drift_alarm", "1x9", guard_signal="output:label:values", guard_severity="critical", guard_topic="model_quality")], ["page"]),
    Case("timestamps are a little older", "GuardStaleData", "1m", [series("guard_drift_alarm", "1x9", guard_signal="input:age:repeat", guard_severity="major", guard_topic="data_freshness")], ["ticket"]),
    Case("nothing drifted", "GuardModelDrift", "1m", [series("guard_drift_alarm", "0x9", guard_signal="", guard_severity="", guard_topic="")], []),
    Case("an input stands still", "GuardStaleData", "1m", [series("guard_drift_alarm", "1x9", guard_signal="input:age:repeat", guard_severity="critical", guard_topic="data_freshness")], ["page"]),
    Case("answers drifted, inputs did not", "GuardStaleData", "1m", [series("guard_drift_alarm", "1x9", guard_signal="output:label:values", guard_severity="major", guard_topic="model_quality")], []),
    Case("the router sends elsewhere", "GuardTrafficGone", "50m", [requests("model", "0x60"), HERE], ["ticket"]),
    Case("nobody has asked since a restart", "GuardTrafficGone", "50m", [HERE], ["ticket"]),
    Case("nobody is there to be asked", "GuardTrafficGone", "50m", [requests("model", "0x60")], []),
    Case("a quiet night", "GuardTrafficGone", "50m", [requests("model", "0+60x60"), HERE], []),
    Case("two replicas spent the budget", "GuardBudget", "5m", [gauge("guard_cost_budget_share", "0.4x9", guard_currency="EUR", instance="a"), gauge("guard_cost_budget_share", "0.36x9", guard_currency="EUR", instance="b")], ["ticket"]),
    Case("they have not", "GuardBudget", "5m", [gauge("guard_cost_budget_share", "0.3x9", guard_currency="EUR", instance="a"), gauge("guard_cost_budget_share", "0.36x9", guard_currency="EUR", instance="b")], []),
)  # fmt: skip
CARRIED = {
    "GuardAvailability": {"sloth_id": "credit-risk-availability", "sloth_service": "credit-risk", "sloth_slo": "availability"},
    "GuardFallbackShare": {"sloth_id": "credit-risk-model-share", "sloth_service": "credit-risk", "sloth_slo": "model-share"},
    "GuardDown": {"job": "credit-risk", "instance": "a:8902"},
    "GuardAbsent": {"job": "credit-risk", "guard_service": "credit-risk"},
    "GuardBudget": {"guard_currency": "EUR"},
    "GuardTaskCrashed": {"guard_task": "orders"},
    "GuardSubscriberCrashed": {"guard_subscriber": "incidents"},
    "GuardLoopStalled": {"guard_place": "guard/x.py:1:f"},
    "GuardFileUnreadable": {"guard_file": "kill file"},
    **{name: {"http_request_method": "POST", "http_route": "/predict", **more} for name, more in {
        "GuardBreakerOpen": {"guard_target": "model"}, "GuardModeLowered": {"guard_mode": "rules"}, "GuardContractStorm": {},
        "GuardAnswersInvalid": {"guard_field": "label"}, "GuardFeatureStale": {"guard_field": "balance_at"},
        "GuardFeatureAging": {"guard_field": "balance_at"},
        "GuardModelDrift": {"guard_signal": "output:label:values"}, "GuardStaleData": {"guard_signal": "input:age:repeat"},
    }.items()},
}  # fmt: skip
"""Labels that an alert has from its series, besides those of its rule."""
DRIFT = ("GuardModelDrift", "GuardStaleData")
"""Alerts that page by the severity of their series."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export("prometheus-rules", policy(), tmp_path_factory.mktemp("rules"))


def bare(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without annotations, which promtool would compare to the last digit of every value."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    for group in copied["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
    return copied


def labels(exported: Exported, alert: str, severity: str) -> dict[str, str]:
    (rule,) = [rule for rule in exported.rules if rule.get("alert") == alert and rule["labels"]["severity"] == severity]
    drifted = {"guard_severity": "critical" if severity == "page" else "major"} if alert in DRIFT else {}
    return {**rule["labels"], **CARRIED.get(alert, {}), **drifted}


@pytest.mark.parametrize("step", ["1m", "30m"])
def test_every_alert_fires_when_it_must_and_is_silent_when_it_must(exported: Exported, step: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(bare(exported.document)))
    tests = [
        {
            "name": f"{case.alert}: {case.name}",
            "interval": "1m",
            "input_series": list(case.given),
            "alert_rule_test": [
                {
                    "eval_time": case.after,
                    "alertname": case.alert,
                    "exp_alerts": [{"exp_labels": labels(exported, case.alert, severity)} for severity in case.fires],
                }
            ],
        }
        for case in CASES
        if ("h" in case.after) == (step == "30m")  # days are played in steps of half an hour, or promtool takes minutes
    ]
    order = [group["name"] for group in exported.document["groups"]]  # or promtool takes them as they come
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump(
            {"rule_files": ["rules.yaml"], "evaluation_interval": step, "group_eval_order": order, "tests": tests}
        )
    )
    promtool.test_rules(tmp_path / "tests.yaml")


def test_every_alert_has_a_case_that_fires_and_one_that_does_not(exported: Exported) -> None:
    fired = {case.alert for case in CASES if case.fires}
    silent = {case.alert for case in CASES if not case.fires}
    assert {rule["alert"] for rule in exported.rules if "alert" in rule} == fired == silent


def test_what_is_told_can_be_read(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(exported.text)
    summary = "credit-risk: the breaker of model is open on /predict"
    (rule,) = [rule for rule in exported.rules if rule.get("alert") == "GuardBreakerOpen"]
    expected = {"exp_labels": labels(exported, "GuardBreakerOpen", "ticket"), "exp_annotations": {**rule["annotations"], "summary": summary}}  # fmt: skip
    assert expected["exp_annotations"]["runbook_url"] == "https://wiki.example/risk"
    assert expected["exp_annotations"]["dashboard_url"] == "https://grafana.example/risk"
    test = {
        "interval": "1m",
        "input_series": [series("guard_breaker_state", "1x9", guard_target="model", guard_state="open")],
        "alert_rule_test": [{"eval_time": "4m", "alertname": "GuardBreakerOpen", "exp_alerts": [expected]}],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    promtool.test_rules(tmp_path / "tests.yaml")


def test_a_quiet_hour_does_not_spoil_the_month(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(exported.text)
    name = 'slo:sli_error:ratio_rate30d{sloth_slo="availability"}'
    full = {**CARRIED["GuardAvailability"], "sloth_window": "30d"}
    shown = ", ".join(f'{key}="{value}"' for key, value in full.items())
    test = {
        "interval": "1m",
        "input_series": [served(200, "0+90x30 2700x60 2700+90x30"), served(500, "0+10x30 300x60 300+10x30")],
        "promql_expr_test": [
            {"expr": f"round({name}, 0.01)", "eval_time": "110m", "exp_samples": [{"labels": f"{{{shown}}}", "value": 0.1}]}
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    promtool.test_rules(tmp_path / "tests.yaml")


@pytest.mark.parametrize(
    ("targets", "gone"),
    [
        (TARGETS.replace("availability: 99.5%, ", ""), {"GuardAvailability"}),
        (TARGETS.replace("error_rate: 1%, ", ""), {"GuardErrorRate"}),
        (TARGETS.replace("latency_p95: 300ms, ", ""), {"GuardLatency"}),
        (TARGETS.replace("model_share: 95%, ", ""), {"GuardFallbackShare"}),
        (TARGETS.replace("expected_rate: 50/s, ", ""), {"GuardTrafficGone"}),
        (TARGETS.replace("per_request: 0.01 EUR, ", ""), {"GuardBudget"}),
        (
            "",
            {
                "GuardAvailability",
                "GuardErrorRate",
                "GuardLatency",
                "GuardFallbackShare",
                "GuardTrafficGone",
                "GuardBudget",
            },
        ),
    ],
)
def test_no_target_no_alert_and_it_is_said(exported: Exported, targets: str, gone: set[str], tmp_path: Path) -> None:
    less = export("prometheus-rules", policy(targets), tmp_path)
    names = {rule["alert"] for rule in exported.rules if "alert" in rule}
    assert names - {rule["alert"] for rule in less.rules if "alert" in rule} == gone
    said = less.warnings.count("no alert") + less.warnings.count("no burn-rate")
    assert said == len(gone)
    assert all(f"# Note: {line.removeprefix('warning: ')}." in less.text for line in less.warnings.splitlines())
    (tmp_path / "rules.yaml").write_text(less.text)
    promtool.check_rules(tmp_path / "rules.yaml")


def test_a_pair_of_windows_that_can_never_be_reached_is_left_out(tmp_path: Path) -> None:
    loose = export("prometheus-rules", policy("{availability: 90%}"), tmp_path)
    pages = [
        rule for rule in loose.rules if rule.get("alert") == "GuardAvailability" and rule["labels"]["severity"] == "page"
    ]
    assert "no page over 5m and 1h: 14.4 times a budget of 10% is all requests or more" in loose.warnings
    assert len(pages) == 1
    assert "ratio_rate30m" in pages[0]["expr"]
    assert "ratio_rate5m" not in pages[0]["expr"]
    none = export("prometheus-rules", policy("{availability: 0%}"), tmp_path)
    assert not [rule for rule in none.rules if rule.get("alert") == "GuardAvailability"]


def test_a_target_without_a_budget_has_no_burn_rate(tmp_path: Path) -> None:
    perfect = export("prometheus-rules", policy("{availability: 100%, model_share: 100%}"), tmp_path)
    assert "targets.availability is 100%: it leaves no budget" in perfect.warnings
    records = {rule["record"] for rule in perfect.rules if "record" in rule}
    assert "slo:current_burn_rate:ratio" not in records
    assert "slo:sli_error:ratio_rate5m" in records
    (tmp_path / "rules.yaml").write_text(perfect.text)
    promtool.check_rules(tmp_path / "rules.yaml")


def test_pages_go_to_incidents_tickets_to_the_owner_of_the_matter(exported: Exported) -> None:
    owners = {
        (rule["alert"], rule["labels"]["severity"]): rule["labels"]["owner"] for rule in exported.rules if "alert" in rule
    }
    assert {owner for (_, severity), owner in owners.items() if severity == "page"} == {"sre"}
    assert owners["GuardAnswersInvalid", "ticket"] == "risk-ds"
    assert owners["GuardFeatureStale", "ticket"] == "data-eng"
    assert owners["GuardBudget", "ticket"] == "platform"


def test_a_breaker_pages_where_nothing_else_would(tmp_path: Path) -> None:
    less = export("prometheus-rules", policy("{availability: 99.5%}"), tmp_path)
    (rule,) = [rule for rule in less.rules if rule.get("alert") == "GuardBreakerOpen"]
    assert rule["labels"]["severity"] == "page"
