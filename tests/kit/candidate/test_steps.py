"""`guard release test`, `plan` and `history`; and the record, which needs no name."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.kit.candidate import history
from guard.kit.candidate.history import HistoryBroken, Step
from tests.cli.test_cli import valid
from tests.kit.candidate.stage import folder, run

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def test_a_command_is_run_and_kept_as_evidence(tmp_path: Path) -> None:
    folder(tmp_path, 1)
    done = run(tmp_path, "test", "policy.yaml", "--record", "next.yaml", "--", sys.executable, "-c", "print('seen')")
    assert "seen" in done.stderr
    kept = valid("evidence.schema.json", json.loads((tmp_path / "evidence" / "test.json").read_text()))
    assert (kept["passed"], kept["result"]["exit_code"], kept["result"]["output_bytes"]) == (True, 0, 5)
    shown = run(tmp_path, "history", "policy.yaml").stdout
    assert "test 2: pass" in shown


@pytest.mark.parametrize(("command", "code"), [([sys.executable, "-c", "raise SystemExit(3)"], 3), (["./missing"], 127)])
def test_a_command_that_fails_is_kept_too(tmp_path: Path, command: list[str], code: int) -> None:
    folder(tmp_path, 1)
    run(tmp_path, "test", "policy.yaml", *command, code=1)
    assert json.loads((tmp_path / "evidence" / "test.json").read_text())["result"]["exit_code"] == code
    assert json.loads((tmp_path / "releases" / "history.jsonl").read_text())["outcome"] == "fail"


def test_a_plan_says_pairs_and_hours(tmp_path: Path) -> None:
    folder(tmp_path, 1)
    found = json.loads(run(tmp_path, "plan", "policy.yaml", "--tolerate", "invalid=0.1%", "--json").stdout)
    assert found["gates"][0]["pairs_to_pass"] == 3655
    assert found["hours"] == pytest.approx(3655 / 0.5 / 3600, abs=1e-3)  # 5 % of 10/s
    never = run(tmp_path, "plan", "policy.yaml", "--tolerate", "wrong=0%", code=1).stdout
    assert "wrong never passes" in never


def test_a_record_needs_no_name(tmp_path: Path) -> None:
    run(tmp_path, "--version", "7", "--previous", "none")
    assert "version: '7'" in (tmp_path / "release.yaml").read_text()
    run(tmp_path, "record", "other.yaml", "--version", "8", "--previous", "none")
    assert run(tmp_path, "other.yaml", "--verify").stdout.startswith("other.yaml: 8")


def _step(outcome: str) -> Step:
    return Step("evaluate", "2", None, outcome, "why", {})


def test_a_history_is_chained(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    for outcome in ("pass", "fail", "pass"):
        history.append(policy, _step(outcome), NOW, "ada")
    assert [step["outcome"] for step in history.read(policy)] == ["pass", "fail", "pass"]


@given(st.integers(0, 2), st.sampled_from(("change", "drop", "swap", "cut")))
@settings(max_examples=30)
def test_a_history_that_was_changed_is_broken_at_that_place(
    tmp_path_factory: pytest.TempPathFactory, at: int, how: str
) -> None:
    policy = tmp_path_factory.mktemp("history") / "policy.yaml"
    for outcome in ("pass", "fail", "open", "done"):
        history.append(policy, _step(outcome), NOW, "ada")
    path = history.place(policy)
    lines = path.read_bytes().splitlines(keepends=True)
    match how:
        case "change":
            lines[at] = lines[at].replace(b"why", b"not")
        case "drop":
            del lines[at]
        case "swap":
            lines[at], lines[at + 1] = lines[at + 1], lines[at]
        case "cut":
            lines = [*lines[: at + 1], lines[at + 1][:20]]
    path.write_bytes(b"".join(lines))
    with pytest.raises(HistoryBroken, match=r"restore|chain"):
        history.read(policy)
    before = path.read_bytes()
    with pytest.raises(HistoryBroken):
        history.append(policy, _step("pass"), NOW)
    assert path.read_bytes() == before


def test_a_broken_history_is_an_exit_code(tmp_path: Path) -> None:
    policy = folder(tmp_path, 1)
    (tmp_path / "releases").mkdir()
    history.place(policy).write_text("{}\n")
    assert "history.jsonl:1: not a step" in run(tmp_path, "history", "policy.yaml", code=1).stderr
