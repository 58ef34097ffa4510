"""A running guard and its webhooks; a real Alertmanager where it can be had."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import guard as check
from tests.cli.test_cli import valid
from tests.incidents.receiver import Receiver, receiving
from tests.servers.alertmanager import alertmanager
from tests.servers.process import until
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import model, run  # noqa: F401 — a fixture
from tests.test_serve import Model

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
kill_file: KILL
owners:
  serving: platform
  data_freshness: data-eng
  incidents: {team: sre, runbook: 'https://wiki.example/t', dashboard: 'https://grafana.example/t'}
targets: {cost: {per_request: 1 EUR, daily: 10 EUR, alert_at: 50%}}
webhooks: [WEBHOOKS]
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
    breaker: {consecutive_failures: 3, open_for: 1m}
  POST /other:
    input: {age: {type: integer}}
    fallback: [{disabled: {status: 503}}]
"""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def write(folder: Path, model: Model, webhooks: str) -> None:  # noqa: F811
    model.answer = (200, b'{"label":"b"}')
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}").replace("WEBHOOKS", webhooks)
    (folder / "policy.yaml").write_text(text)


@pytest.fixture
def guard(model: Model, hook: Receiver, tmp_path: Path) -> Iterator[Sidecar]:  # noqa: F811
    (tmp_path / "hook").write_text(f"{hook.url}/s3cr3t\n")
    write(tmp_path, model, "{url: {file: hook}}")
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def of(kind: str, status: str = "firing") -> Any:
    return lambda body: (body["kind"], body["status"]) == (kind, status)


def ask(guard: Sidecar, age: object = 20, route: str = "/predict") -> int:
    client = guard.connect()
    client.request("POST", route, json.dumps({"age": age}), {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    return answer.status


def test_a_rehearsal_pages_nobody(model: Model, hook: Receiver, tmp_path: Path) -> None:  # noqa: F811
    """Two guards of one policy, one of them silent: only the other's notice comes, though the silent one was killed first."""
    for name, environ in (("silent", {**os.environ, "GUARD_WEBHOOKS": "off"}), ("loud", None)):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, model, f"{{url: {hook.url}/all}}")
        with sidecar("policy.yaml", folder=folder, environ=environ) as running:
            running.wait_for("admin")
            assert run(folder, "kill", "--reason", name).returncode == 0
            running.process.terminate()
            running.ended()
    (told,) = hook.wait(1, of("mode"))
    assert told["cause"]["why"] == "loud"


def test_a_kill_and_its_end(guard: Sidecar, hook: Receiver, tmp_path: Path) -> None:
    assert run(tmp_path, "kill", "--reason", "it does harm").returncode == 0
    (told,) = hook.wait(1, of("mode"))
    valid("alert.schema.json", told)
    assert told["cause"] == {"mode": "rules", "who": "local", "why": "it does harm"}
    assert told["back"] == "guard restore --reason '…'"
    assert told["answers_now"] == "rules, disabled"
    assert told["owner"] == {"role": "incidents", "name": "sre"}
    assert told["runbook"] == "https://wiki.example/t"
    assert run(tmp_path, *told["back"].replace("'…'", "over").split()[1:]).returncode == 0
    (over,) = hook.wait(1, of("mode", "resolved"))
    assert over["key"] == told["key"]
    assert over["started_at"] == told["started_at"]
    assert over["ended_at"] > told["started_at"]
    assert hook.got[0][0] == "/s3cr3t"
    assert "s3cr3t" not in "".join(guard.lines)


def test_what_was_ordered_is_an_incident_after_a_restart_with_the_same_key(guard: Sidecar, hook: Receiver, tmp_path: Path) -> None:  # fmt: skip
    assert run(tmp_path, "kill", "--route", "POST /predict", "--reason", "r").returncode == 0
    (before,) = hook.wait(1, of("mode"))
    guard.process.kill()
    guard.ended()
    with sidecar("policy.yaml", folder=tmp_path) as again:
        again.wait_for("admin")
        _, after = hook.wait(2, of("mode"))
        assert (after["key"], after["route"]) == (before["key"], "POST /predict")


def test_a_breaker_a_budget_and_a_policy(guard: Sidecar, hook: Receiver, model: Model, tmp_path: Path) -> None:  # noqa: F811
    model.answer = (500, b"{}")
    for _ in range(5):
        assert ask(guard) == 200
    (told,) = hook.wait(1, of("breaker"))
    assert (told["route"], told["target"], told["severity"]) == ("POST /predict", "model", "page")
    assert told["cause"] == {"why": "consecutive_failures"}
    assert told["answers_now"] == "rules"
    for _ in range(2):
        ask(guard, route="/other")
    (spent,) = hook.wait(1, of("budget"))
    assert (spent["owner"]["name"], spent["cause"]["currency"]) == ("platform", "EUR")
    good = (tmp_path / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(good.replace("enum: [a, b]", "enum: []"))
    (refused,) = hook.wait(1, of("policy_refused"))
    assert refused["owner"] == {"role": "serving", "name": "platform"}
    assert "empty" in json.dumps(refused["cause"])
    (tmp_path / "policy.yaml").write_text(good)
    hook.wait(1, of("policy_refused", "resolved"))
    page = guard.probe("/metrics")[1]
    assert "guard_alerts_total{" in page
    assert 'guard_incident="breaker"' in page
    for body in hook.bodies():
        valid("alert.schema.json", body)


def test_a_contract_storm_and_no_value_of_a_client(guard: Sidecar, hook: Receiver) -> None:
    for _ in range(60):
        assert ask(guard, "canary-4711") == 422
    (told,) = hook.wait(1, of("contract_storm"))
    assert told["owner"] == {"role": "data_freshness", "name": "data-eng"}
    assert told["cause"]["code"] == "type"
    assert told["cause"]["field"] == "age"
    assert "canary" not in json.dumps(hook.bodies())


def test_a_receiver_that_hangs_costs_nothing(model: Model, tmp_path: Path) -> None:  # noqa: F811
    from tests.incidents.receiver import saying
    from tests.incidents.test_notifier import hangs

    with saying(hangs) as (url, came):
        write(tmp_path, model, f"{{url: '{url}'}}")
        with sidecar("policy.yaml", folder=tmp_path) as guard:
            guard.wait_for("admin")
            assert run(tmp_path, "kill", "--reason", "r").returncode == 0
            until(lambda: bool(came), lambda: "nobody came")
            assert [ask(guard) for _ in range(50)] == [200] * 50
            guard.process.terminate()
            assert guard.ended() == 0
        lost = guard.events("telemetry_lost")
        assert lost == [] or lost[0]["alerts shutdown"] == 1
        assert "s3cr3t" not in "".join(guard.lines)


@pytest.mark.parametrize(
    "hooks",
    [
        "{url: 'https://user:s3cr3t@h/x'}", "{url: 'ftp://h/s3cr3t'}", "{url: 'https://h/s3cr3t#x'}", "{url: 'https:// h/s3cr3t'}",
        "'https://h/s3cr3t'", "[s3cr3t]", "{url: [https://h/s3cr3t]}",
    ],
)  # fmt: skip
def test_a_webhook_that_is_none_is_a_mistake_whose_text_is_not_repeated(tmp_path: Path, hooks: str) -> None:
    text = POLICY.replace("UPSTREAM", "http://h:1").replace("WEBHOOKS", hooks)
    (tmp_path / "policy.yaml").write_text(text)
    done = check("check", tmp_path / "policy.yaml")
    assert done.returncode == 1
    assert "webhooks[0]" in done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr


# ── Alertmanager ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_alertmanager_takes_two_replicas_for_one(model: Model, hook: Receiver, tmp_path: Path) -> None:  # noqa: F811
    config = {
        "route": {"receiver": "tests", "group_by": ["alertname", "service"], "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "tests", "webhook_configs": [{"url": hook.url, "send_resolved": True}]}],
    }
    with alertmanager(json.dumps(config)) as server:
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
            write(folder, model, f"{{url: 'http://127.0.0.1:{server.port}', format: alertmanager}}")
        with sidecar("policy.yaml", folder=folders[0]) as one, sidecar("policy.yaml", folder=folders[1]) as two:
            for guard, folder in ((one, folders[0]), (two, folders[1])):
                guard.wait_for("admin")
                (folder / "KILL").write_text("rules\n")
            until(lambda: len(server.alerts()) == 1, lambda: str(server.alerts()))
            (alert,) = server.alerts()
            assert alert["labels"]["alertname"] == "GuardModeLowered"
            assert alert["labels"]["owner"] == "sre"
            assert alert["annotations"]["runbook_url"] == "https://wiki.example/t"
            assert alert["annotations"]["back"] == "remove the kill file"
            assert alert["generatorURL"] == "https://grafana.example/t"
            (told,) = hook.wait(1)
            assert [alert["status"] for alert in told["alerts"]] == ["firing"]
            for folder in folders:
                (folder / "KILL").unlink()
            (over,) = hook.wait(1, lambda body: body["status"] == "resolved")
            assert len(over["alerts"]) == 1
            until(lambda: server.alerts() == [], lambda: str(server.alerts()))
            assert len([body for body in hook.bodies() if body["status"] == "firing"]) == 1
            for guard in (one, two):
                assert guard.events("alert_lost") == []
