"""Drift in a real process: what operators see of it, order about it, and find again after a restart."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from guard.monitoring.reference import parse_reference
from tests.sidecar import Sidecar, sidecar
from tests.test_serve import Handler, Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
monitor: {rate: 10000/s}
routes:
  POST /predict:
    input: {age: {type: integer}, fixed: {type: number}, note: {type: string, required: false}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""
ROUTE = "POST /predict"
LEARN = 2_000
DEADLINE = 120.0
Label = Callable[[int], str]


def mixed(number: int) -> str:
    return "aabab"[number % 5]


class Traffic:
    """A client and its model, one request after the other."""

    def __init__(self, guard: Sidecar, model: Model) -> None:
        self.guard, self.model, self.number = guard, model, 0
        self.client = guard.connect()

    def send(self, label: Label) -> None:
        """One request, whose answer has this label."""
        self.number += 1
        self.model.answer = (200, json.dumps({"label": label(self.number)}).encode())
        self.model.received.clear()
        self.client.request(
            "POST",
            "/predict",
            json.dumps({"age": self.number * 7 % 61, "fixed": 1.5}),
            {"Content-Type": "application/json"},
        )
        answer = self.client.getresponse()
        assert (answer.status, answer.getheader("x-guard-source")) == (200, "model")
        answer.read()

    def until(self, label: Label, seen: Callable[[], bool], within: float = DEADLINE) -> None:
        """Traffic until something is seen."""
        ends = monotonic() + within
        while not seen():
            assert monotonic() < ends, self.guard.lines[-5:]
            for _ in range(100):
                self.send(label)


def order(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", "monitor", *arguments, "--state-dir", str(folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def shown(folder: Path) -> dict[str, Any]:
    done = order(folder, "--json")
    assert done.returncode == 0, done.stderr
    (route,) = json.loads(done.stdout)["routes"] or [{"signals": []}]
    return dict(route)


def stages(route: dict[str, Any]) -> dict[str, str]:
    return {item["signal"]: item["stage"] for item in route["signals"]}


class Prompt(Handler):
    """Answers without waiting for a client's acknowledgement."""

    disable_nagle_algorithm = True


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    server.RequestHandlerClass = Prompt
    with threaded(server):
        yield server


def test_a_collapse_is_alarmed_kept_over_a_restart_and_reset(model: Model, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        guard.wait_for("admin")
        traffic = Traffic(guard, model)
        for _ in range(LEARN):
            traffic.send(mixed)
        traffic.until(mixed, lambda: stages(shown(tmp_path)).get("output:label:values") == "gross")
        learned = stages(shown(tmp_path))
        assert learned["input:fixed:values"] == learned["input:note:states"] == "shown"  # nothing is claimed of these
        assert guard.events("drift") == []

        learn = [sys.executable, "-m", "guard", "reference", "learn", "--state-dir", "state", "--out", "learned.json"]
        done = subprocess.run(learn, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        made = parse_reference((tmp_path / "learned.json").read_bytes())
        assert made.requests >= LEARN
        assert [field.name for field in made.fields] == ["age", "fixed", "note", "label"]
        assert guard.probe("/metrics")[1].count("guard_reference_age_seconds{") == 2

        traffic.until(lambda _: "b", lambda: guard.events("drift") != [])
        (found,) = guard.events("drift")
        assert (found["route"], found["signal"], found["topic"]) == (ROUTE, "output:label:values", "model_quality")
        assert shown(tmp_path)["alarm"]["signal"] == "output:label:values"
        assert "output:label:values" in order(tmp_path).stdout
        metrics = guard.probe("/metrics")[1]
        assert (
            'guard_drift_alarm{http_request_method="POST",http_route="/predict",guard_signal="output:label:values"'
            in metrics
        )
        guard.process.terminate()
        guard.ended()

    with sidecar("policy.yaml", folder=tmp_path) as guard:  # the alarm is known again, and told once
        guard.wait_for("admin")
        traffic = Traffic(guard, model)
        traffic.until(mixed, lambda: bool(shown(tmp_path).get("alarm")))
        assert guard.events("drift") == []
        named = ("--route", ROUTE, "--signal", "output:label:values", "--reason", "a test")
        done = order(tmp_path, "reset", *named)
        assert done.returncode == 0, done.stderr
        assert guard.wait_for("drift_over")["verdict"] == "reset"
        assert shown(tmp_path)["alarm"] is None
        again = order(tmp_path, "reset", *named)
        assert (again.returncode, again.stdout) == (1, "")
        assert "no alarm" in again.stderr


def test_without_monitoring_nothing_is_watched(model: Model, tmp_path: Path) -> None:
    text = POLICY.replace("{rate: 10000/s}", "off")
    (tmp_path / "policy.yaml").write_text(text.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        guard.wait_for("admin")
        Traffic(guard, model).send(mixed)
        assert "off" in order(tmp_path).stdout
        assert "guard_drift" not in guard.probe("/metrics")[1]
