import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import instructions

ROOT = Path(__file__).resolve().parents[1]
HERE = {"python": "3", "valgrind": "3", "machine": "m"}


def test_every_scenario_ends_as_it_says():
    program = [sys.executable, "-m", "benchmarks.in_memory", "--warm", "1", "--times", "70"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("µs") == 6


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Of two commits: a baseline of 1,000 for `full`, and one after it, whose message the test writes."""
    monkeypatch.setattr(instructions, "ROOT", tmp_path)
    monkeypatch.setattr(instructions.shutil, "which", lambda _name: "/usr/bin/valgrind")
    monkeypatch.setattr(instructions, "versions", lambda: HERE)
    monkeypatch.setattr(sys, "argv", ["instructions"])

    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=tmp_path, check=True)

    def commit(message, count=1000):
        path = tmp_path / instructions.BASELINE
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"versions": HERE, "instructions": {"full": count}}))
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", message)

    git("init", "-q")
    commit("first")
    return commit


@pytest.mark.parametrize(
    ("message", "count", "status", "said"),
    [
        ("a change", 1099, 0, "+9.9%"),
        ("a change", 900, 0, "-10.0%"),
        ("a change", 1101, 1, "Say why"),
        ("a change\n\nSlower: twice the work\n", 1101, 0, "said why: twice the work"),
    ],
)
def test_slower_than_the_commit_before_needs_a_reason(repository, monkeypatch, capsys, message, count, status, said):
    monkeypatch.setattr(instructions, "counted", lambda _names: {"full": count})
    repository(message)
    assert instructions.main() == status
    assert said in capsys.readouterr().out


def test_a_baseline_cannot_be_raised_in_silence(repository, monkeypatch):
    monkeypatch.setattr(instructions, "counted", lambda _names: {"full": 2000})
    repository("raises its own baseline", count=2000)
    assert instructions.main() == 1


def test_a_reason_holds_until_the_baseline_is_written_anew(repository, monkeypatch):
    monkeypatch.setattr(instructions, "counted", lambda _names: {"full": 2000})
    repository("slow\n\nSlower: it must be\n")
    repository("another")
    assert instructions.main() == 0
    repository("the new baseline\n\nSlower: as said\n", count=2000)
    repository("and on", count=2000)
    assert instructions.main() == 0


def test_another_python_is_not_compared(repository, monkeypatch, capsys):
    monkeypatch.setattr(instructions, "counted", lambda _names: {"full": 5000})
    monkeypatch.setattr(instructions, "versions", lambda: {**HERE, "python": "4"})
    repository("a change")
    assert instructions.main() == 0
    assert "not comparable" in capsys.readouterr().out


def test_without_valgrind_nothing_is_counted_and_that_is_said(repository, monkeypatch, capsys):
    monkeypatch.setattr(instructions.shutil, "which", lambda _name: None)
    assert instructions.main() == 0
    assert "valgrind is missing" in capsys.readouterr().out
