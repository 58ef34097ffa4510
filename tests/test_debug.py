"""`guard debug` against a real guard and without one: what is in the archive, and what is nowhere in it."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.kit import bundle
from tests.sidecar import Sidecar, sidecar
from tests.test_serve import Model
from tests.threaded import threaded

SECRETS = (
    "hushhush-token", "Zebedee", "Quuxly", "71.25", "verdant", "hooks-secret-path", "Ottoline", "because-of-me",
    "pager-number", "hidden-default", "314159",
)  # fmt: skip
POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
owners: {incidents: {team: Ottoline, page: pager-number, runbook: 'https://r'}}
webhooks: [{url: 'https://hooks.example/hooks-secret-path'}]
release: {model: m, version: "3"}
routes:
  POST /predict:
    input:
      age: {type: number, max: 314159, sensitivity: personal}
      name: {type: string, required: false, example: Quuxly, sensitivity: personal}
      tone: {type: string, default: hidden-default}
    output: {label: {enum: [verdant, red]}}
    fallback: [{rules: [{answer: {label: verdant}}]}, {disabled: {status: 503, body: {text: verdant}}}]
"""


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Sidecar]:
    model = Model()
    model.answer = (200, b'{"label":"verdant"}')
    with threaded(model):
        (tmp_path / "policy.yaml").write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
        with sidecar("policy.yaml", folder=tmp_path, environ={**os.environ, "GUARD_WEBHOOKS": "off"}) as running:
            running.wait_for("admin")
            yield running


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guard", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
    environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ, timeout=120, check=False)


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {Path(name).name: tar.extractfile(name).read().decode() for name in tar.getnames()}  # type: ignore[union-attr]


def test_the_archive_of_a_running_guard_holds_no_value_and_no_secret(guard: Sidecar, tmp_path: Path) -> None:
    for _ in range(3):
        client = guard.connect()
        client.request("POST", "/predict", b'{"age": 71.25, "name": "Zebedee"}', {"content-type": "application/json"})
        assert client.getresponse().read() == b'{"label":"verdant"}'
    assert run(tmp_path, "kill", "--state-dir", "state", "--reason", "because-of-me").returncode == 0
    (tmp_path / "log").write_text(
        "".join(guard.lines) + '{"event": "reload", "error": "Zebedee"}\nnot json hushhush-token\n'
    )
    done = run(tmp_path, "debug", "--state-dir", "state", "--ops", f"127.0.0.1:{guard.ops}", "--log", "log", "-o", "d.tgz")
    assert done.returncode == 0, done.stderr
    assert "Read it before you send it" in done.stdout
    assert "could not be had" not in done.stdout
    files = contents(tmp_path / "d.tgz")
    assert {
        "versions.json", "policy.yaml", "status.json", "metrics.txt", "stalls.txt", "events.json", "audit.json",
        "incidents.json", "monitor.json", "slo.json", "missing.json",
    } <= set(files)  # fmt: skip
    assert json.loads(files["status.json"])["mode"] == "rules"
    assert "POST /predict" in files["policy.yaml"]
    assert "guard_loop_errors_total" in files["stalls.txt"]
    token = next((tmp_path / "state/private").glob("*.token")).read_text().strip()
    for name, content in files.items():
        found = [word for word in (*SECRETS, token) if word in content]
        assert not found, (name, found)
    assert (tmp_path / "d.tgz").stat().st_mode & 0o077 == 0


def test_a_guard_that_is_down_leaves_the_policy_and_what_could_not_be_had(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY.replace("UPSTREAM", "http://127.0.0.1:1"))
    arguments = ("debug", "p.yaml", "--state-dir", "none", "--admin", "127.0.0.1:1", "--ops", "127.0.0.1:1", "--json")
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert {"status.json", "metrics.txt"} <= set(said["missing"])
    files = contents(tmp_path / said["file"])
    assert "sensitivity: personal" in files["policy.yaml"]
    assert not [word for word in SECRETS for content in files.values() if word in content]


def test_an_invalid_policy_is_named_by_its_lines_only(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("version: guard/v1\nservice: hushhush-token!\nupstream: 3\n")
    done = run(tmp_path, "debug", "p.yaml", "--admin", "127.0.0.1:1", "--ops", "127.0.0.1:1")
    assert "mistakes (line" in done.stdout
    assert "hushhush" not in done.stdout


def test_an_archive_that_cannot_be_written_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    done = run(tmp_path, "debug", "--admin", "127.0.0.1:1", "--ops", "127.0.0.1:1", "-o", "no/such/folder.tgz")
    assert done.returncode == 1
    assert "--output" in done.stderr


def test_a_url_keeps_neither_user_nor_query() -> None:
    assert bundle.text("https://ann:pw@h.example:1/p?key=s#f") == "https://h.example:1/p"
    assert bundle.document({"to": "mail ann@example.com now"})["to"] == "mail [email] now"
