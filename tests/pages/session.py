"""A page's commands, run as a reader runs them: one shell, an empty folder, and ports of its own in place of the page's."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.pages.markdown import Block
from tests.sidecar import free_port

PORTS = ("8080", "8081", "8900", "8901", "8902")
NUMBER = re.compile(rf"\b({'|'.join(PORTS)})\b")
JOB = re.compile(r"^(?:\[\d+\].*|.*line \d+: +\d+ (?:Terminated|Killed).*)\n", re.MULTILINE)
"""What a shell reports of a job that began or ended. Pages leave it out."""
END = "\x1eend of the command"
WITHIN = 60.0


class Session:
    """A bash in `folder`. Commands see the environment of this process without its settings of guard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {port: str(free_port()) for port in PORTS}
        own = {"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"}
        listeners = {"GUARD_LISTEN": "8900", "GUARD_ADMIN": "8901", "GUARD_OPS": "8902"}
        own |= {name: f"127.0.0.1:{self._ports[port]}" for name, port in listeners.items()}
        own |= {"GUARD_STATE_DIR": str(folder / "state"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        self._shell = subprocess.Popen(
            ["bash"], cwd=folder, env=own, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._shell.stdin
        assert self._shell.stdout
        self._end()  # nobody waits for a guard to drain
        self._shell.wait(WITHIN)
        with suppress(BrokenPipeError):
            self._shell.stdin.close()
        self._shell.stdout.close()

    def write(self, block: Block) -> None:
        """Make the file that a block is the text of."""
        (self._folder / block.title).write_text(self._local(block.text), encoding="utf-8")

    def run(self, command: str) -> str:
        """What a command prints on both of its outputs. One that runs on behind `&` is waited for until it listens."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{self._local(command)}\necho '{END}'\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        watch = threading.Timer(2 * WITHIN, self._end)
        watch.start()
        try:
            for line in self._shell.stdout:
                if line.rstrip("\n").endswith(END):
                    lines.append(line.removesuffix(f"{END}\n"))
                    break
                lines.append(line)
            else:
                raise AssertionError(f"did not end in {2 * WITHIN:.0f} s, or ended the shell: $ {command}")
        finally:
            watch.cancel()
        if command.rstrip().endswith("&"):
            self._listens("8900" if "guard serve" in command else (NUMBER.search(command) or {0: "8080"})[0])
        text = JOB.sub("", "".join(lines))
        for port, ours in self._ports.items():
            text = text.replace(ours, port)
        return text

    def _end(self) -> None:
        """Kill the shell and all that it began."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)

    def _local(self, text: str) -> str:
        return NUMBER.sub(lambda match: self._ports[match[1]], text)

    def _listens(self, port: str) -> None:
        until = time.monotonic() + WITHIN
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self._ports[port]))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens on the page's port {port}")


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a `console` block with the output that the page shows for it."""
    results: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            results.append((line.removeprefix("$ "), ""))
        elif results and results[-1][0].endswith("\\"):
            command, shown = results[-1]
            results[-1] = (f"{command}\n{line.removeprefix('> ')}", shown)
        else:
            assert results, f"{block}: output before any command"
            command, shown = results[-1]
            results[-1] = (command, f"{shown}{line}\n")
    return [(command.partition("   #")[0].rstrip(), shown) for command, shown in results]


def matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed: `…` stands for any text in a line, alone on a line for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else r"[^\n]*?".join(map(re.escape, line.split("…"))) + r" *\n"
        for line in shown.rstrip().splitlines()
    )
    return re.fullmatch(pattern, f"{printed.rstrip()}\n" if printed.strip() else "") is not None
