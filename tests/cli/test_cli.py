"""The command line as a user meets it: its own process, exit codes, words."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = ROOT / "policies" / "minimal.yaml"


def guard(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def valid(name: str, document: Any) -> Any:
    schema = json.loads((ROOT / "docs" / name).read_text())
    jsonschema_rs.validate(schema, document)
    return document


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(
        "version: guard/v1\nservice: x\nupstream: http://127.0.0.1:1\nroutes:\n  POST /p:\n    input:\n"
        "      age: {type: integer, mni: 1}\n      s: {type: string, pattern: '(?=a)'}\n"
    )
    return path


def request(tmp_path: Path, body: object) -> Path:
    path = tmp_path / "request.json"
    path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    return path


def test_version_help_and_usage() -> None:
    assert guard("--version").stdout.startswith("guard, version")
    assert "explain" in guard("--help").stdout
    for wrong in (
        (),
        ("nonsense",),
        ("check",),
        ("serve", MINIMAL, "--listen", "nonsense"),
        ("serve", MINIMAL, "--upstream", "x"),
    ):
        assert guard(*wrong).returncode == 2


def test_check_says_what_is_fine() -> None:
    done = guard("check", ROOT / "policies" / "reference.yaml")
    assert done.returncode == 0
    assert "POST  /predict" in done.stdout
    found = valid("check.schema.json", json.loads(guard("check", MINIMAL, "--json").stdout))
    assert found["valid"]
    assert found["routes"][0]["ladder"] == ["model", "rules", "disabled"]


def test_check_says_every_mistake_at_its_place(broken: Path) -> None:
    done = guard("check", broken)
    assert done.returncode == 1
    assert f"{broken}:7:28: " in done.stderr
    assert 'did you mean "min"' in done.stderr
    assert f"{broken}:8:" in done.stderr
    assert "2 mistakes" in done.stderr
    found = valid("check.schema.json", json.loads(guard("check", broken, "--json").stdout))
    assert [error["line"] for error in found["errors"]] == [7, 8]


def test_check_finds_what_only_compiling_finds(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        MINIMAL.read_text().replace(
            "fallback: {label: review}", "fallback: [{rules: [{when: age < ,  answer: {label: review}}]}]"
        )
    )
    done = guard("check", path)
    assert done.returncode == 1
    assert "yntax error" in done.stderr
    assert f"{path}:" in done.stderr


def test_check_resolved_prints_origins() -> None:
    done = guard("check", MINIMAL, "--resolved")
    assert done.returncode == 0
    assert "# default" in done.stdout
    assert "minimal.yaml:" in done.stdout


def test_explain_shows_the_amended_document_and_every_rung(tmp_path: Path) -> None:
    path = request(tmp_path, {"age": 30, "income": 5, "x": 1})
    done = guard("explain", MINIMAL, path)
    assert done.returncode == 0
    assert '{"age": 30, "income": 5' in done.stdout
    assert "http://127.0.0.1:8080/predict" in done.stdout
    found = valid("explain.schema.json", json.loads(guard("explain", MINIMAL, path, "--json").stdout))
    assert found["verdict"] == "amend"
    assert [rung["source"] for rung in found["rungs"]] == ["model", "rules", "disabled"]
    assert found["rungs"][1]["body"] == {"label": "review"}


def test_explain_calls_another_spelling_no_amendment(tmp_path: Path) -> None:
    path = request(tmp_path, b'{ "age": 30, "income": 5 }\n')
    assert json.loads(guard("explain", MINIMAL, path, "--json").stdout)["verdict"] == "allow"


@pytest.mark.parametrize(
    ("body", "code"), [({"age": "x"}, "contract"), (b"{", "json_syntax"), (b"x" * 2_000_000, "body_too_large")]
)
def test_explain_says_why_a_request_is_denied(tmp_path: Path, body: object, code: str) -> None:
    done = guard("explain", MINIMAL, request(tmp_path, body), "--json")
    assert done.returncode == 1
    assert valid("explain.schema.json", json.loads(done.stdout))["code"] == code


def test_explain_needs_a_file_and_a_route_that_are_there(tmp_path: Path, broken: Path) -> None:
    assert guard("explain", MINIMAL, tmp_path / "absent.json").returncode == 2
    assert guard("explain", MINIMAL, request(tmp_path, {}), "--route", "POST /other").returncode == 2
    assert guard("explain", broken, request(tmp_path, {})).returncode == 1


def test_the_schema_for_editors_is_printed_whole() -> None:
    done = guard("schema")
    assert done.returncode == 0
    assert done.stdout == (ROOT / "docs" / "policy.schema.json").read_text()


def test_serve_says_what_keeps_it_from_starting(broken: Path, tmp_path: Path) -> None:
    import socket

    done = guard("serve", broken, "--state-dir", tmp_path / "state")
    assert done.returncode == 1
    assert 'did you mean "min"' in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = guard("serve", MINIMAL, "--listen", where, "--state-dir", tmp_path / "state")
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_keeps_every_promise() -> None:
    done = guard("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything as promised." in done.stdout
    assert re.search(r"guard alarms after \d+ answers, .*: output:", done.stdout)
    assert "rules  connect" in done.stdout


def test_no_plugin_of_pydantic_is_shown_what_is_validated(tmp_path: Path) -> None:
    """Any package that is installed may bring one, and it would see requests."""
    (tmp_path / "spy.py").write_text("print('SPY')\n\n\nclass plugin:\n    new_schema_validator = lambda *_: (None,) * 3\n")
    brought = tmp_path / "spy-1.dist-info"
    brought.mkdir()
    (brought / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    (brought / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n")
    model = "import pydantic; pydantic.create_model('Any', x=(int, 1))(x=2)"
    spied = {**os.environ, "PYTHONPATH": str(tmp_path), "PYDANTIC_DISABLE_PLUGINS": ""}
    for command, seen in (["-c", model], True), (["-m", "guard", "check", str(MINIMAL)], False):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, env=spied, cwd=ROOT)
        assert ("SPY" in done.stdout) is seen


def test_check_names_the_lines_of_tokens_and_who_else_reaches_secrets(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# who\nvera viewer sha256:" + "0" * 64 + "\notto operator sha256:c4n4ry\n")
    (tmp_path / "tokens").chmod(0o666)
    (tmp_path / "hash.key").write_text("x")
    (tmp_path / "hash.key").chmod(0o644)
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:1\nadmin: {tokens: {file: tokens}}\n"
        "privacy: {hash_key: {file: hash.key}}\nroutes:\n  POST /p: passthrough\n"
    )
    done = guard("check", str(policy))
    assert done.returncode == 0
    assert f"{tmp_path / 'tokens'}:3: guard rejects this line" in done.stdout
    assert f"warning: {policy}:4:" in done.stdout
    assert f"admin.tokens: {tmp_path / 'tokens'}: every user of this machine can write it" in done.stdout
    assert "privacy.hash_key" in done.stdout
    assert "c4n4ry" not in done.stdout + done.stderr
    document = json.loads(guard("check", str(policy), "--json").stdout)
    valid("check.schema.json", document)
    assert len([warning for warning in document["warnings"] if "tokens" in warning["message"]]) == 2


@pytest.mark.parametrize("ttl", ["5x", "0s", "5 m", "-1s", "9999d", ""])
def test_a_time_to_live_is_read_as_a_policy_reads_durations(ttl: str) -> None:
    done = guard("kill", "--reason", "x", "--ttl", ttl)
    assert done.returncode == 2
    assert "expected a duration such as 300ms" in done.stderr
