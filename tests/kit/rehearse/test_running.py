"""A guard that somebody else started: asked, and lowered only where that was said; interrupts; guards that are lowered."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import trustme

from guard.cli.operate import Where
from guard.kit import drill
from guard.kit.rehearse import own
from guard.policy.loading import load
from tests.kit.rehearse.stage import Model, checks, interrupted, model, policy, rehearse, told
from tests.sidecar import Sidecar, free_port, sidecar


@pytest.fixture(name="served", scope="module")
def _served() -> Iterator[Model]:
    with model() as one:
        yield one


@pytest.fixture(name="guard")
def _guard(served: Model, tmp_path: Path) -> Iterator[Sidecar]:
    policy(tmp_path, served.port)
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def against(guard: Sidecar) -> tuple[str, ...]:
    return ("--data", f"http://127.0.0.1:{guard.port}", "--ops", f"127.0.0.1:{guard.ops}", "--state-dir", "state")


def orders(guard: Sidecar) -> list[dict[str, object]]:
    return guard.events("mode")


def test_a_running_guard_is_not_lowered_unless_that_is_said(guard: Sidecar, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    code, document = told(path, *against(guard), "--seconds", "10", "--only", "fallback", "--only", "leaks")
    [skipped] = checks(document, "fallback").values()
    assert (code, skipped["result"]) == (0, "skip")
    assert "--drill" in skipped["todo"]
    assert not orders(guard)
    assert checks(document, "leaks", "pass").keys() == {"no value of a request in /metrics"}
    code, document = told(path, *against(guard), "--seconds", "10", "--only", "fallback", "--drill")
    assert code == 0
    assert set(checks(document, "fallback", "pass")) == {"the rung model", "the rung rules", "the rung disabled"}
    assert guard.wait_for("mode", 3)["to"] == "normal"


def test_a_killed_guard_is_one_finding_and_is_left_as_it_is(guard: Sidecar, tmp_path: Path) -> None:
    where = Where(None, tmp_path / "state", None, {})
    endpoint = drill.find_endpoint(where)
    drill.ask(endpoint, "PUT", "/mode", {"mode": "rules", "reason": "killed"})
    code, document = told(tmp_path / "policy.yaml", *against(guard), "--drill", "--seconds", "10")
    assert code == 1
    assert [part["name"] for part in document["result"]["parts"]] == ["requests"]
    [check] = checks(document, "requests").values()
    assert "guard is lowered (mode)" in check["got"]
    assert drill.ask(endpoint, "GET", "/status").body["mode"] == "rules"


def test_another_policy_than_the_one_that_is_served(guard: Sidecar, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((tmp_path / "policy.yaml").read_text().replace("max: 120", "max: 130"))
    code, document = told(other, *against(guard), "--seconds", "10", "--only", "leaks")
    assert code == 1
    assert checks(document, "requests", "fail").keys() == {"the running guard serves this policy"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_what_was_seen_and_takes_no_evidence_away(
    guard: Sidecar, tmp_path: Path, number: signal.Signals
) -> None:
    (evidence := tmp_path / "evidence").mkdir()
    (evidence / "rehearse.json").write_text("kept")
    arguments = (*against(guard), "--drill", "--seconds", "30", "--only", "messy", "--only", "load")
    code, report = interrupted(tmp_path / "policy.yaml", "rehearse: Load", *arguments, number=number)
    assert code == 130
    assert "INTERRUPTED" in report
    assert "Messy requests" in report
    assert "Load                       nothing, not to its end" in report or "requests, not to its end" in report
    assert (evidence / "rehearse.json").read_text() == "kept"


def test_a_model_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own, "READY_WITHIN", 1.5)
    path = policy(tmp_path, free_port())
    with (
        pytest.raises(click.ClickException, match="start the model server at http://127"),
        own.started(path, load(path, environ={}), None, Where(None, None, None, {}), tmp_path),
    ):
        pass


def test_a_guard_of_its_own_behind_a_certificate_for_somebody_else(served: Model, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("guard.internal")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "cert.pem"), append=True)
    path = policy(tmp_path, served.port)
    path.write_text(path.read_text() + "listen: {tls: {cert: cert.pem, key: key.pem}}\n")
    code, document = told(path, "--seconds", "8", "--only", "examples", "--only", "load", "--only", "fallback")
    failed = [check for part in document["result"]["parts"] for check in part["checks"] if check["result"] == "fail"]
    assert (code, failed) == (0, [])


def test_no_guard_there_is_said_and_nothing_hangs(tmp_path: Path) -> None:
    path = policy(tmp_path, 1)
    begun = time.monotonic()
    code, document = told(path, "--data", f"http://127.0.0.1:{free_port()}", "--seconds", "5")
    assert code == 1
    assert checks(document, "requests", "fail")["a request that works"]["got"] == "no answer (ConnectError)"
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "arguments",
    [("--data", "ftp://h"), ("--data", "http://h/path"), ("--seconds", "0"), ("--ops", "127.0.0.1:1"), ("--only", "all")],
)
def test_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = rehearse(policy(tmp_path, 1), *arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_policy_that_is_wrong(tmp_path: Path) -> None:
    (path := tmp_path / "policy.yaml").write_text("version: guard/v1\n")
    done = rehearse(path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "policy.yaml:1" in done.stderr


def test_the_terminal_shows_what_differs_and_the_evidence_names_it(guard: Sidecar, tmp_path: Path) -> None:
    example = tmp_path / "tests" / "requests" / "salaried.json"
    document = json.loads(example.read_text())
    document["expect"]["body"]["label"] = "decline"
    example.write_text(json.dumps(document))
    done = rehearse(tmp_path / "policy.yaml", *against(guard), "--seconds", "10", "--only", "examples")
    assert done.returncode == 1
    assert 'salaried.json /label: expected "decline", got "approve"' in done.stdout
    _, told_ = told(tmp_path / "policy.yaml", *against(guard), "--seconds", "10", "--only", "examples")
    assert checks(told_, "examples")["salaried.json"]["fields"] == ["/label"]
    assert "approve" not in json.dumps(told_)
