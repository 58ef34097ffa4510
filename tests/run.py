"""Runs pytest, and runs what failed once more, alone.

    python -m tests.run [--at-most 10] PYTEST-ARGUMENTS

Thousands of tests that start processes on two loaded cores meet a late timer now and then. A test that fails again while
nothing else runs has found a fault, and so has a run with more than `--at-most` failures: they end with 1. A test that
passes alone is named at the end and in .cache/passed-alone.txt, because its timing is a fault of its own, to be mended.
Failures of hypothesis cannot hide behind this: the example that failed is kept, and tried first.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(".cache") / "pytest"
REPORT = Path(".cache") / "passed-alone.txt"
FAILED = 1
"""pytest's exit code of a run in which tests failed; every other code means that the run itself went wrong."""


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-o", f"cache_dir={CACHE}", *arguments], check=False).returncode


def _failures() -> list[str]:
    listed = CACHE / "v" / "cache" / "lastfailed"
    return sorted(json.loads(listed.read_text())) if listed.exists() else []


def run(arguments: list[str], at_most: int = 10) -> int:
    """Runs pytest with these arguments and returns its exit code, or that of the second run of what failed."""
    code = _pytest(["--cache-clear", *arguments])
    failures = _failures()
    if code != FAILED or not 0 < len(failures) <= at_most:
        return code
    print(f"\n{len(failures)} failed; each is run once more, alone:", *failures, sep="\n  ", flush=True)
    again = _pytest([*_alone(arguments), "--last-failed", "--last-failed-no-failures", "none"])
    if again == 0:
        print("Failed beside others and passed alone, to be mended:", *failures, sep="\n  ", flush=True)
        with REPORT.open("a") as report:
            report.writelines(f"{failure}\n" for failure in failures)
    return again


def _alone(arguments: list[str]) -> list[str]:
    """The same arguments with one process in place of several."""
    alone = list(arguments)
    if "--numprocesses" in alone:
        alone[alone.index("--numprocesses") + 1] = "0"
    return alone


def main() -> int:
    arguments, at_most = sys.argv[1:], 10
    if arguments[:1] == ["--at-most"]:
        at_most, arguments = int(arguments[1]), arguments[2:]
    os.makedirs(CACHE, exist_ok=True)
    return run(arguments, at_most)


if __name__ == "__main__":
    sys.exit(main())
