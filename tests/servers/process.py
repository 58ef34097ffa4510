"""A server as a process of its own: found or skipped, started, awaited, ended by its id."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.install import Missing, Program

WITHIN = 20.0
TICK = 0.01


def found(find: Callable[[], Program]) -> Program:
    """A program that is there; or else the test is skipped, or fails if GUARD_REQUIRE_SERVERS=1."""
    try:
        return find()
    except Missing as reason:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(reason))


def until(ready: Callable[[], bool], what: Callable[[], str], within: float = WITHIN) -> None:
    """Ask until it is so; for what lies in another process and tells nobody."""
    deadline = time.monotonic() + within
    while not ready():
        assert time.monotonic() < deadline, f"not within {within} s: {what()}"
        time.sleep(TICK)


@contextmanager
def running(program: Program, arguments: Sequence[str], folder: Path, ready: Callable[[], bool]) -> Iterator[Path]:
    """The log of a server that is ready. It must still run at the end; then SIGTERM, and SIGKILL if that is ignored.

    Its environment is bare, so that no setting of the machine (a proxy, ROTEL_*) reaches it.
    """
    log = folder / "log"
    with log.open("wb") as output:
        command = [program.path, *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=dict(program.environ))

    def tail() -> str:
        return f"{program.path}, code {process.poll()}:\n{log.read_text(errors='replace')[-4000:]}"

    def is_up() -> bool:
        assert process.poll() is None, tail()
        return ready()

    try:
        until(is_up, tail)
        yield log
        assert process.poll() is None, tail()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
