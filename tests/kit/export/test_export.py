"""The command: what it prints for which policy, and what it refuses."""

import itertools
from pathlib import Path

import pytest

from tests.kit.export.making import export, expressions, panels, policy
from tests.servers import amtool, checkers, promtool
from tests.servers.alertmanager import alertmanager
from tests.servers.process import until

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("grafana", "prometheus-rules", "alertmanager")
POLICIES = sorted(
    path for path in (ROOT / "policies").glob("*.yaml") if path.stem not in ("reference-org", "reference-release")
)
ODD = policy().replace("score: {", "'a/b \"c\"': {at: /predictions/*/x, ").replace("score: 0", "'a/b \"c\"': 0")
"""An output whose name must be quoted."""
HOSTILE = """owners:
  serving: "{{ .Evil }} \\"quoted\\" # no comment"
  incidents: {team: "a\\\\b: {c}", page: "https://pager.example/{{x}}", runbook: "https://w.example/{{ $value }}", dashboard: "https://g.example/?a=b&c"}
"""


@pytest.mark.parametrize("file", POLICIES, ids=lambda path: path.stem)
def test_what_is_exported_of_the_examples_loads(file: Path, tmp_path: Path) -> None:
    text = file.read_text().replace("extends: reference-org.yaml\n", "").replace("release: reference-release.yaml\n", "")
    text = text.replace("reference-schema.json", str(ROOT / "policies" / "reference-schema.json"))
    for what, check in (("prometheus-rules", promtool.check_rules), ("alertmanager", amtool.check_config)):
        made = export(what, text, tmp_path)
        assert made.code == 0, made.warnings
        (tmp_path / what).write_text(made.text)
        check(tmp_path / what)
    assert len(panels(export("grafana", text, tmp_path).document)) > 20


def test_the_same_policy_gives_the_same_files(tmp_path: Path) -> None:
    for what in KINDS:
        assert export(what, policy(), tmp_path) == export(what, policy(), tmp_path)


@pytest.mark.parametrize("what", KINDS)
def test_a_policy_that_may_not_be_served_is_not_exported(what: str, tmp_path: Path) -> None:
    made = export(what, "version: guard/v1\nservice: x\nroutes: {}\n", tmp_path)
    assert (made.code, made.text) == (1, "")
    assert "mistakes" in made.warnings


@pytest.mark.parametrize(
    "selector", ["", "job", 'job="a"}', 'job="a" or up', "job='a'", 'job="a",,x="b"', 'job="a"b="c"', 'a="\n"']
)
def test_a_selector_that_is_none_is_refused(selector: str, tmp_path: Path) -> None:
    made = export("prometheus-rules", policy(), tmp_path, "--selector", selector)
    assert (made.code, made.text) == (2, "")
    assert "expected label matchers" in made.warnings


@pytest.mark.parametrize("selector", ['{job="a", namespace=~"risk.*"}', 'job!~"x|y",'])
def test_a_selector_stands_in_every_expression(selector: str, tmp_path: Path) -> None:
    wanted = selector.strip("{},")
    for rule in export("prometheus-rules", policy(), tmp_path, "--selector", selector).rules:
        if "guard_" in rule["expr"] or "http_" in rule["expr"]:
            assert wanted in rule["expr"]
    shown = expressions(export("grafana", policy(), tmp_path, "--selector", selector).document)
    assert [
        name for name, expr in shown.items() if wanted not in expr and "slo:" not in expr and "vector" not in expr
    ] == []


def test_declared_texts_are_never_templates(tmp_path: Path) -> None:
    rules = export("prometheus-rules", policy(owners=HOSTILE), tmp_path)
    (tmp_path / "rules.yaml").write_text(rules.text)
    promtool.check_rules(tmp_path / "rules.yaml")
    assert "{{ .Evil" not in rules.text
    assert 'https://w.example/{{ "{{" }} $value }}' in rules.text
    (tmp_path / "alertmanager.yaml").write_text(export("alertmanager", policy(owners=HOSTILE), tmp_path).text)
    amtool.check_config(tmp_path / "alertmanager.yaml")


# ── Alertmanager ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_alerts_reach_their_owners(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yaml"
    made = export("alertmanager", policy(), tmp_path)
    file.write_text(made.text)
    amtool.check_config(file)

    def where(**labels: str) -> list[str]:
        return amtool.receivers(file, **labels)

    assert where(service="credit-risk", severity="page", owner="sre") == ["guard-sre"]
    assert where(service="credit-risk", severity="ticket", owner="risk-ds") == ["guard-risk-ds", "guard-sre"]
    assert where(service="credit-risk", severity="ticket", owner="data-eng") == ["guard-data-eng", "guard-sre"]
    assert where(service="credit-risk", severity="ticket") == ["guard-sre"]
    assert where(service="another", severity="page") == ["guard"]
    hooks = {
        receiver["name"]: [hook["url"] for hook in receiver.get("webhook_configs", [])]
        for receiver in made.document["receivers"]
    }
    assert hooks == {
        "guard": [], "guard-sre": ["https://pager.example/risk"], "guard-data-eng": [], "guard-platform": [], "guard-risk-ds": [],
    }  # fmt: skip
    assert made.warnings.count("complete its receiver") == 3


def test_a_lowered_mode_silences_what_follows_from_it(tmp_path: Path) -> None:
    rules = export("alertmanager", policy(), tmp_path).document["inhibit_rules"]
    silenced = {
        target.split('"')[1]: rule["equal"]
        for rule in rules
        if 'alertname="GuardModeLowered"' in rule["source_matchers"]
        for target in rule["target_matchers"]
        if target.startswith("alertname=")
    }
    assert silenced == {
        "GuardFallbackShare": ["service"],
        "GuardBreakerOpen": ["service", "http_request_method", "http_route"],
    }


def test_a_real_alertmanager_silences_just_that(tmp_path: Path) -> None:
    config = export("alertmanager", policy(), tmp_path).text.replace("https://pager.example", "http://127.0.0.1:9")
    of_ours = {"service": "credit-risk", "severity": "ticket", "owner": "platform"}
    route = {"http_request_method": "POST", "http_route": "/predict"}
    slo = {"sloth_slo": "availability"}
    with alertmanager(config) as server:
        server.fire([
            {**of_ours, **route, "alertname": "GuardModeLowered", "guard_mode": "rules"},
            {**of_ours, "alertname": "GuardFallbackShare", "severity": "page", "sloth_slo": "model-share"},
            {**of_ours, **route, "alertname": "GuardBreakerOpen"},
            {**of_ours, **route, "http_route": "/other", "alertname": "GuardBreakerOpen"},
            {**of_ours, **slo, "alertname": "GuardAvailability", "severity": "page"},
            {**of_ours, **slo, "alertname": "GuardAvailability"},
            {**of_ours, "alertname": "GuardPolicyRefused"},
            {**of_ours, "alertname": "GuardFallbackShare", "severity": "page", "service": "another"},
        ])  # fmt: skip
        until(lambda: len(server.alerts()) == 8, lambda: str(server.alerts()))
        silent = [
            (alert["labels"]["alertname"], alert["labels"]["severity"], alert["labels"].get("http_route"))
            for alert in server.alerts()
            if alert["status"]["inhibitedBy"]
        ]
        assert sorted(silent, key=str) == [
            ("GuardAvailability", "ticket", None),
            ("GuardBreakerOpen", "ticket", "/predict"),
            ("GuardFallbackShare", "page", None),
        ]
        went = {alert["labels"]["alertname"]: [to["name"] for to in alert["receivers"]] for alert in server.alerts()}
        assert went["GuardPolicyRefused"] == ["guard-platform", "guard-sre"]
        server.fire([{"alertname": "GuardAbsent", "service": "credit-risk", "severity": "page"}])
        until(
            lambda: sum(bool(alert["status"]["inhibitedBy"]) for alert in server.alerts()) == 7,
            lambda: str(server.alerts()),
        )


def test_webhooks_of_the_format_are_addresses_and_secrets_are_not_written(tmp_path: Path) -> None:
    hooks = 'webhooks: [{url: "https://a.example", format: alertmanager}, {url: {env: HOOK}, format: alertmanager}, {url: "https://j.example"}]\n'
    made = export("alertmanager", policy(owners=hooks), tmp_path)
    assert made.document["receivers"] == [
        {"name": "guard", "webhook_configs": [{"url": "https://a.example", "send_resolved": True}]}
    ]
    assert "a webhook whose address is a secret" in made.warnings


# ── Grafana ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", [policy(), policy("", ""), ODD], ids=["all", "least", "odd"])
def test_the_dashboard_is_one_that_grafana_reads(text: str, tmp_path: Path) -> None:
    made = export("grafana", text, tmp_path)
    assert made.code == 0, made.warnings
    document = made.document
    every = document["panels"]
    assert [panel["id"] for panel in every] == list(range(1, len(every) + 1))
    results = [panel["gridPos"] for panel in every]
    for grid in results:
        assert 0 <= grid["x"] < grid["x"] + grid["w"] <= 24
        assert grid["h"] > 0
    for combination, other in itertools.combinations(results, 2):
        apart = combination["x"] + combination["w"] <= other["x"] or other["x"] + other["w"] <= combination["x"]
        assert apart or combination["y"] + combination["h"] <= other["y"] or other["y"] + other["h"] <= combination["y"]
    (variable,) = document["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    for panel in panels(document):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C", "D", "E", "F", "G"][
            : len(panel["targets"])
        ]
        assert panel["description"]
    lost = differences(document, checkers.dashboard(document))
    assert lost == []


def test_rows_are_only_about_what_is_declared(tmp_path: Path) -> None:
    def rows(text: str) -> list[str]:
        return [panel["title"] for panel in export("grafana", text, tmp_path).document["panels"] if panel["type"] == "row"]

    assert rows(policy()) == [
        "What answers now", "Traffic", "Latency", "Ladder", "Contract", "Predictions by version", "Freshness", "Drift", "Cost",
        "Targets and budgets", "Guard itself",
    ]  # fmt: skip
    less = policy("", "").replace("balance_at", "#")
    assert rows(less) == [
        "What answers now", "Traffic", "Latency", "Ladder", "Contract", "Predictions by version", "Drift", "Guard itself",
    ]  # fmt: skip


def test_a_policy_of_many_routes_has_a_dashboard_that_can_be_looked_at(tmp_path: Path) -> None:
    many = "".join(f"  POST /r{n}:\n    output: {{label: {{enum: [a, b]}}}}\n" for n in range(300))
    made = export("grafana", policy().replace("  GET /health", many + "  GET /health"), tmp_path)
    assert "predictions of 285 further outputs" in made.warnings
    assert len(panels(made.document)) < 100


def test_every_alert_is_in_the_documentation(tmp_path: Path) -> None:
    table = {
        line.split("|")[1].strip(): line
        for line in (ROOT / "docs" / "export.md").read_text().splitlines()
        if line.startswith("| Guard")
    }
    rules = [rule for rule in export("prometheus-rules", policy(), tmp_path).rules if "alert" in rule]
    assert set(table) == {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["labels"]["severity"] in table[rule["alert"]].split("|")[2]


def test_outputs_that_are_not_measured_are_not_shown(tmp_path: Path) -> None:
    titles = str([panel["title"] for panel in panels(export("grafana", policy(), tmp_path).document)])
    assert "score of POST /predict" in titles
    secret = policy().replace("score: {type: number,", "score: {type: number, sensitivity: personal,")
    assert "score of POST /predict" not in str(
        [panel["title"] for panel in panels(export("grafana", secret, tmp_path).document)]
    )


def differences(given: object, read: object, path: str = "") -> list[str]:
    """What of a document did not survive: keys that are gone, values that changed. What was added are defaults."""
    if isinstance(given, dict) and isinstance(read, dict):
        return [
            difference
            for key, value in given.items()
            for difference in (
                differences(value, read[key], f"{path}/{key}") if key in read else [f"{path}/{key} is not known"]
            )
        ]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [
            difference
            for index, pair in enumerate(zip(given, read, strict=True))
            for difference in differences(*pair, f"{path}/{index}")
        ]
    return [] if given == read else [f"{path}: {given!r} became {read!r}"]
