"""`guard release`: what it writes reads back the same, says nothing that was not given, and is held against the disk."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.kit.release import record
from guard.kit.release.record import Unwritable
from guard.policy.loading import load, load_release
from tests.cli.test_cli import ROOT, valid

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:1
release: release.yaml
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""
KINDS = ("weights", "preprocessing", "features", "tokenizer", "postprocessing", "thresholds", "rules")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"w")
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    (tmp_path / "requirements.lock").write_text("x==1\n")
    (tmp_path / "report.json").write_text('{"auc": 0.87, "metrics": {"ece": 0.03}}')
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", "release", *arguments]
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, env=environ)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def whole(folder: Path, *more: str, version: str = "3.10") -> dict[str, Any]:
    arguments = [
        "--policy", "policy.yaml", "--model", "m", "--version", version, "--commit", "4f2a9c1", "--lockfile", "requirements.lock",
        "--part", "weights=model", *(item for kind in KINDS[1:] for item in ("--part", f"{kind}=none")),
        "--evaluation", "report.json", "--dataset", "holdout", "--evaluated", "2025-06-01", "--metric", "auc=0.87",
        "--approved-by", "risk", "--pipeline", "https://ci/1", "--config", "threshold=0.5", *more,
    ]  # fmt: skip
    found: dict[str, Any] = valid("release.schema.json", json.loads(run(folder, *arguments, "--json").stdout))
    return found


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@e", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_record(folder: Path) -> None:
    told = whole(folder, "--previous", "none")
    assert (told["written"], told["kept"], told["absent"], told["notes"]) == ("release.yaml", None, [], [])
    again = load_release(folder / "release.yaml")
    assert again.model_dump(exclude_unset=True) == told["release"]
    loaded = load(folder / "policy.yaml", environ={})
    assert loaded.policy.release == again
    assert loaded.warnings == (), "its contract is the policy's"
    assert again.lockfile.digest == "sha256:" + hashlib.sha256(b"x==1\n").hexdigest()  # type: ignore[union-attr]
    kept = valid("evidence.schema.json", json.loads((folder / "evidence" / "release.json").read_text()))
    assert (kept["kind"], kept["passed"], kept["policy_digest"]) == ("release", True, loaded.digest)
    assert kept["result"] == {"version": "3.10", "differences": [], "unchecked": []}


def test_what_was_not_given_is_absent_and_said_so(folder: Path) -> None:
    done = run(folder, "--version", "1")
    lines = (folder / "release.yaml").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["version: '1'"]
    for name in ("model", "commit", "lockfile", "contract", "configuration", "approved_by", "pipeline", "previous"):
        assert f"absent: {name} " in done.stdout
    for kind in KINDS:
        assert f"absent: parts.{kind} " in done.stdout
    assert "not a git repository" in done.stdout
    assert not (folder / "evidence").exists()


@pytest.mark.parametrize(
    "text",
    ["3.10", "4f2a9c1", "12345678", "4e12345", "1e3", "0x1f", "0o17", "no", "null", "~", "true", "2025-06-01", "1_000", "12:30:45",
     "a: b", "# x", " x ", "'", '"', "\\", "- x", "{a}", "[b", "é µ 漢 \U0001f600", "\t", "a\nb", "\x07", "\u2028", "\x85", "&a", "*a",
     "!t", "%", "@", "`", "=", "<<", ".inf", ".nan", "x" * 5000],
)  # fmt: skip
def test_texts_stay_texts(text: str) -> None:
    by_name = {"version": text, "configuration": {text: text}, "evaluation": {"data_set": text}}
    written = record.text(by_name)
    assert record.read_back(written).model_dump(exclude_unset=True) == by_name
    assert yaml.safe_load(written) == by_name, "another reader, of YAML 1.1, reads the same"


@given(st.text(min_size=1, max_size=40))
@settings(deadline=None)
def test_any_text_reads_back_or_is_refused(text: str) -> None:
    by_name = {"version": text, "configuration": {"a": text}}
    try:
        written = record.text(by_name)
    except Unwritable:
        return
    assert record.read_back(written).model_dump(exclude_unset=True) == by_name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("0.5", 0.5), ("5", 5), ("-3", -3), ("true", True), ("false", False), ("3.10", "3.10"), ("007", "007"), ("1e3", "1e3"), ("no", "no"),
     ("True", "True"), ("null", "null"), ("+5", "+5"), ("nan", "nan"), ("9" * 50, "9" * 50)],
)  # fmt: skip
def test_a_configuration_value_is_a_number_only_in_just_these_characters(typed: str, meant: Any) -> None:
    found = record.value(typed)
    assert (type(found), found) == (type(meant), meant)
    by_name = {"version": "1", "configuration": {"k": found}}
    assert record.read_back(record.text(by_name)).configuration == {"k": meant}


def test_no_configuration_is_an_answer(folder: Path) -> None:
    run(folder, "--version", "1", "--config", "none")
    assert load_release(folder / "release.yaml").is_set("configuration")


# ── git ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_commit_is_gits_and_a_dirty_tree_is_said(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    commit = git(folder, "rev-parse", "HEAD")
    run(folder, "--version", "1", "--policy", "policy.yaml")
    assert load_release(folder / "release.yaml").commit == commit
    git(folder, "add", "release.yaml")
    git(folder, "commit", "-qm", "two")
    commit = git(folder, "rev-parse", "HEAD")
    assert "dirty" not in run(folder, "--version", "2", "--policy", "policy.yaml").stdout, "untracked files do not count"
    assert "dirty" not in run(folder, "--version", "3", "--policy", "policy.yaml").stdout, "nor does what guard writes"
    (folder / "model" / "weights.bin").write_bytes(b"other")
    assert "uncommitted changes" in run(folder, "--version", "4").stdout
    assert load_release(folder / "release.yaml").commit == f"{commit}-dirty"


def test_a_repository_without_a_commit(folder: Path) -> None:
    git(folder, "init", "-q")
    assert "absent: commit" in run(folder, "--version", "1").stdout


# ── the release before ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_record_that_stood_there_is_kept_and_named(folder: Path) -> None:
    whole(folder, "--previous", "none")
    first = (folder / "release.yaml").read_bytes()
    told = whole(folder, version="3.11")
    before = told["release"]["previous"]
    assert (before["version"], before["commit"]) == ("3.10", "4f2a9c1")
    assert (folder / before["record"]).read_bytes() == first
    assert told["kept"] == before["record"]
    told = whole(folder, "--config", "more=1", version="3.11")
    assert told["release"]["previous"] == before, "a release is not its own predecessor"
    assert len(list((folder / "releases").iterdir())) == 2, "and is kept all the same"
    assert run(folder, "--verify", "--policy", "policy.yaml").stdout.endswith("3.11: it agrees with the disk\n")
    (folder / before["record"]).write_text("version: 3.09\n")
    done = run(folder, "--verify", "--policy", "policy.yaml", code=1)
    assert f"previous: {before['record']}: declared {before['digest']}, found sha256:" in done.stdout


def test_the_same_again_is_kept_once(folder: Path) -> None:
    for _ in range(2):
        told = whole(folder, "--approved-at", "2025-06-02", "--previous", "none")
        assert told["kept"] is None
    assert not (folder / "releases").exists()


def test_previous_by_name(folder: Path) -> None:
    (folder / "old.yaml").write_text("version: 2\ncommit: abc\n")
    told = whole(folder, "--previous", "old.yaml")
    assert (told["release"]["previous"]["version"], told["release"]["previous"]["record"]) == ("2", "old.yaml")
    assert "cannot read nowhere.yaml" in run(folder, "--version", "1", "--previous", "nowhere.yaml", code=1).stderr


def test_what_is_no_release_is_kept_too(folder: Path) -> None:
    (folder / "release.yaml").write_text("somebody's notes")
    done = run(folder, "--version", "1")
    (kept,) = (folder / "releases").iterdir()
    assert kept.read_text() == "somebody's notes"
    assert "not a release; it is kept" in done.stdout


def test_what_cannot_be_kept_is_not_replaced(folder: Path) -> None:
    (folder / "release.yaml").write_text("version: 1\n")
    (folder / "releases").write_text("a file where a folder belongs")
    assert run(folder, "--version", "2", code=1).stderr
    assert (folder / "release.yaml").read_text() == "version: 1\n"
    (folder / "releases").unlink()
    (folder / "release.yaml").write_bytes(b"#" * (2 << 20))
    assert "more than 1 MiB" in run(folder, "--version", "2", code=1).stderr
    assert (folder / "release.yaml").stat().st_size == 2 << 20


# ── verify ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_difference_is_said(folder: Path) -> None:
    whole(folder, "--previous", "none")
    (folder / "model" / "weights.bin").write_bytes(b"retrained")
    (folder / "requirements.lock").unlink()
    (folder / "report.json").unlink()
    os.mkfifo(folder / "report.json")
    (folder / "policy.yaml").write_text(POLICY.replace("min: 18", "min: 16"))
    done = run(folder, "--verify", "--policy", "policy.yaml", "--json", code=1)
    told = valid("release.schema.json", json.loads(done.stdout))
    assert [difference["what"] for difference in told["differences"]] == [
        "lockfile",
        "parts.weights",
        "evaluation",
        "contract",
    ]
    assert "No such file" in told["differences"][0]["found"]
    assert "not a regular file" in told["differences"][2]["found"]
    document = json.loads((folder / "evidence" / "release.json").read_text())
    assert not document["passed"]
    assert len(document["result"]["differences"]) == 4
    lines = run(folder, "--verify", "release.yaml", code=1).stdout.splitlines()
    assert len(lines) == 5, "three differences without a policy, one thing that was not compared, and the sum"


def test_what_nobody_can_compare_is_said(folder: Path) -> None:
    (folder / "release.yaml").write_text("version: 1\nlockfile: sha256:1\ncontract: sha256:2\nprevious: 0.9\n")
    lines = run(folder, "--verify").stdout.splitlines()
    assert [line.partition(": ")[2] for line in lines[:3]] == [
        "lockfile: a digest without a path", "previous: a version without a record", "contract: no --policy to compare it with",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b'version: 1\nparts: {weights: {path: "a\\0b", digest: x}}\n', b"a: [", b"version: 1\nmore: 2\n", b"x" * 2_000_000],
)  # fmt: skip
def test_a_record_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "release.yaml").write_bytes(content)
    done = run(folder, "--verify", code=1)
    assert "release.yaml" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_inline_release_is_verified_too(folder: Path) -> None:
    inline = "release: {version: 1, parts: {weights: {path: model, digest: x}}}"
    (folder / "policy.yaml").write_text(POLICY.replace("release: release.yaml", inline))
    done = run(folder, "--verify", "--policy", "policy.yaml", code=1)
    assert "parts.weights: model: declared x, found sha256:" in done.stdout


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_that_is_wrong_at_once_and_nothing_written(folder: Path) -> None:
    done = run(
        folder, "--version", "1", "--lockfile", "nowhere", "--part", "weights=/dev/null", "--evaluation", "report.json",
        "--metric", "auc=0.9", "--metric", "ece=0.04", code=1,
    )  # fmt: skip
    assert done.stderr.splitlines() == [
        "/dev/null: not a regular file", "nowhere: No such file or directory", "report.json reports auc 0.87, but --metric gives 0.9",
        "report.json reports ece 0.03, but --metric gives 0.04",
    ]  # fmt: skip
    assert not (folder / "release.yaml").exists()


@pytest.mark.parametrize(
    "content", [b"<html>", b"[1]", b"\xff\xfe", b'{"auc": "0.9"}', b"[" * 100_000, b'{"auc": 1' + b"0" * 5000 + b"}"]
)
def test_a_report_that_is_not_json_is_a_digest(folder: Path, content: bytes) -> None:
    (folder / "report.json").write_bytes(content)
    told = whole(folder, "--previous", "none")
    assert told["release"]["evaluation"]["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert bool(told["notes"]) == (content != b'{"auc": "0.9"}')


@pytest.mark.parametrize(
    "wrong",
    [
        (), ("--version", "1", "--part", "wheights=none"), ("--version", "1", "--part", "weights"), ("--version", "1", "--part", "weights="),
        ("--version", "1", "--part", "rules=none", "--part", "rules=in_code"), ("--version", "1", "--metric", "auc=high"),
        ("--version", "1", "--metric", "auc=nan"), ("--version", "1", "--config", "x"), ("--verify", "--version", "1"),
    ],
)  # fmt: skip
def test_usage(folder: Path, wrong: tuple[str, ...]) -> None:
    run(folder, *wrong, code=2)
    assert not (folder / "release.yaml").exists()


def test_a_text_that_is_not_utf8(folder: Path) -> None:
    command = [sys.executable.encode(), b"-m", b"guard", b"release", b"--version", b"\xff"]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=folder)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert not (folder / "release.yaml").exists()


def test_a_policy_that_is_wrong(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("type: integer", "type: int"))
    assert "unknown word" in run(folder, "--policy", "policy.yaml", "--version", "1", code=1).stderr
    assert not (folder / "release.yaml").exists()


def test_a_policy_that_names_another_place(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("release.yaml", "rel/this.yaml"))
    (folder / "rel").mkdir()
    run(folder, "--policy", "policy.yaml", "--version", "1")
    assert (folder / "rel" / "this.yaml").exists()
    (folder / "policy.yaml").write_text(POLICY.replace("release: release.yaml\n", ""))
    done = run(folder, "--policy", "policy.yaml", "--version", "1")
    assert "add `release: release.yaml`" in done.stdout
    assert (folder / "release.yaml").exists()


def test_the_reference_is_a_record() -> None:
    assert load_release(ROOT / "policies" / "reference-release.yaml").before.version == "3.10"  # type: ignore[union-attr]


def test_the_command_of_the_documentation_is_one(folder: Path) -> None:
    text = (ROOT / "docs" / "launch.md").read_text()
    command = text[text.index("guard release --policy policy.yaml --model") :].partition("\n```")[0]
    for name in ("scaler.joblib", "thresholds.json"):
        (folder / name).write_text("{}")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CI_URL": "https://ci/1"}
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=60, cwd=folder, env=environ)
    assert done.returncode == 0, done.stderr
    absent = [line.split()[1] for line in done.stdout.splitlines() if line.lstrip().startswith("absent")]
    assert absent in ([], ["commit"]), "but for git, nothing is missing"
    assert done.stdout.endswith("release.yaml: 1.4.0: it agrees with the disk\n")
