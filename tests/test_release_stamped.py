"""A release on replies, metrics, status and the log of a real guard; and a contract that is no longer its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar import Sidecar, sidecar
from tests.test_lifecycle import ask
from tests.test_operators import run
from tests.test_serve import Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
release: release.yaml
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [approve, review]}}
    fallback:
      - previous: UPSTREAM
      - rules: [{answer: {label: review}}]
"""


@pytest.fixture
def model() -> Iterator[Model]:
    with threaded(Model()) as server:
        yield server


@pytest.fixture
def guard(model: Model, tmp_path: Path) -> Iterator[Sidecar]:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
    for version in ("3.9", "3.10"):
        command = [sys.executable, "-m", "guard", "release", "--policy", "policy.yaml", "--version", version]
        command += ["--model", "risk", "--commit", "4f2a9c1", "--approved-by", "lead", "--json"]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=60)
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def test_a_release_is_on_replies_metrics_and_status(guard: Sidecar, tmp_path: Path) -> None:
    client = guard.connect()
    client.request("POST", "/predict", b'{"age": 20}', {"content-type": "application/json"})
    answer = client.getresponse()
    answer.read()
    assert (answer.getheader("x-guard-source"), answer.getheader("x-guard-model-version")) == ("model", "3.10")
    assert run(tmp_path, "kill", "--to", "previous", "--reason", "r").returncode == 0
    client.request("POST", "/predict", b'{"age": 20}', {"content-type": "application/json"})
    answer = client.getresponse()
    answer.read()
    assert (answer.getheader("x-guard-source"), answer.getheader("x-guard-model-version")) == ("previous", "3.9")
    told = json.loads(run(tmp_path, "status", "--json").stdout)["release"]
    assert (told["model"], told["version"], told["commit"], told["contract"]) == ("risk", "3.10", "4f2a9c1", "same")
    assert (told["approved_by"], told["previous"], told["first"]) == ("lead", "3.9", False)
    page = guard.probe("/metrics")[1]
    labels = f'guard_model="risk",guard_model_version="3.10",vcs_ref_head_revision="4f2a9c1",guard_release_digest="{told["digest"][:19]}"'
    assert f"guard_model_info{{{labels}}} 1" in page
    assert 'guard_model_version="3.10"' in page
    assert "release:     risk 3.10, commit 4f2a9c1, approved by lead\n" in run(tmp_path, "status").stdout
    assert guard.events("warning") == []


def test_a_contract_that_is_not_the_releases_is_a_warning_everywhere(guard: Sidecar, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(path.read_text().replace("min: 18", "min: 16"))
    message = "release.contract: the routes have another contract than this release's"
    assert message in guard.wait_for("warning")["message"], "also when the policy changes under a running guard"
    assert ask(guard.connect(), 17)[0] == 200, "it is served all the same"
    shown = run(tmp_path, "status").stdout
    assert "THE CONTRACT IS NOT THIS RELEASE'S" in shown
    checked = subprocess.run(
        [sys.executable, "-m", "guard", "check", str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert message in checked.stdout
    guard.process.kill()
    guard.process.wait(20)
    with sidecar("policy.yaml", folder=tmp_path) as again:
        assert message in again.wait_for("warning")["message"]
