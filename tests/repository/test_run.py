"""What failed beside others is run once more, alone; what fails again, or fails often, fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PASSES_THE_SECOND_TIME = """
from pathlib import Path

def test_that_passes_the_second_time():
    mark = Path("mark")
    was_there = mark.exists()
    mark.touch()
    assert was_there

def test_that_passes():
    pass
"""


def run(folder: Path, test: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "tests.run", *arguments, "-q", "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_test_that_passes_alone_is_named_and_does_not_fail_the_run(tmp_path):
    done = run(tmp_path, PASSES_THE_SECOND_TIME)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / ".cache/passed-alone.txt").read_text() == "test_it.py::test_that_passes_the_second_time\n"
    assert "passed alone, to be mended:\n  test_it.py::test_that_passes_the_second_time" in done.stdout


def test_a_test_that_fails_twice_fails_the_run(tmp_path):
    done = run(tmp_path, "def test_that_fails():\n    assert 1 == 2\n")
    assert done.returncode == 1
    assert not (tmp_path / ".cache/passed-alone.txt").exists()


@pytest.mark.parametrize(("at_most", "code"), [("1", 1), ("2", 0)])
def test_many_failures_are_not_run_again(tmp_path, at_most, code):
    twice = PASSES_THE_SECOND_TIME + PASSES_THE_SECOND_TIME.replace("second_time", "second_time_too").replace(
        "mark", "other"
    )
    assert run(tmp_path, twice, "--at-most", at_most).returncode == code


def test_a_run_that_cannot_begin_is_not_run_again(tmp_path):
    done = run(tmp_path, "def test_it(:\n")
    assert done.returncode == 2  # pytest: interrupted by an error while it collected
    assert "once more" not in done.stdout


def test_a_green_run_says_nothing(tmp_path):
    done = run(tmp_path, "def test_that_passes():\n    pass\n")
    assert done.returncode == 0
    assert "alone" not in done.stdout
