"""Processes that a command starts, waits for and ends."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

READY_WITHIN: Final = 60.0
ENDS_WITHIN: Final = 10.0


@contextmanager
def running(
    command: list[str], port: int, log: Path, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, from its first accept to the end of the block. Raises click.ClickException where it does not come up.

    It is in a session of its own: an interrupt from the keyboard ends the command, and the command ends it.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 — our own module
            command, stdout=output, stderr=output, env=environ, cwd=cwd, start_new_session=True
        )
    try:
        wait(port, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the port accepts connections. Raises click.ClickException with the output of the process."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise click.ClickException(f"a server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
