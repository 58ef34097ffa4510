"""A program of an engine is run; where it is not installed, the outcome is the line to run elsewhere."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from guard.kit.candidate.engines.values import Outcome

WITHIN: Final = 600.0
"""Seconds for one program: images are pulled meanwhile."""
MOST_WORDS: Final = 2000


def program(arguments: Sequence[str], within: float = WITHIN) -> Outcome:
    """Run a program and pass its own words on."""
    line = shlex.join(arguments)
    if shutil.which(arguments[0]) is None:
        return Outcome(line, False, f"{arguments[0]} is not installed here; where it is, run: {line}")
    try:
        done = subprocess.run(  # noqa: S603 — the policy names it
            arguments, capture_output=True, text=True, errors="replace", timeout=within, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(line, False, f"no end after {within:g} s; look at it, then run the step again")
    except OSError as error:
        return Outcome(line, False, f"{error.strerror}; check that it may be executed")
    words = (done.stderr.strip() or done.stdout.strip())[-MOST_WORDS:]
    if done.returncode:
        return Outcome(line, False, f"exit code {done.returncode}: {words}")
    return Outcome(line, True)
