"""A guard as its own process, for tests: its ports, its log, its end."""

import http.client
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

WITHIN = 20.0


def _ports() -> Iterator[int]:
    """Each worker of pytest-xdist has its own, and gives none twice: what is free now may be bound a second later."""
    width = 12_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = 20_000 + width * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = random.Random().randrange(width)  # of the system's: hypothesis seeds the one that all share
    return (first + (begin + n) % width for n in itertools.count())


_OWN = _ports()


def head_lines(file: BinaryIO) -> list[bytes]:
    """The lines of the next request's head; none if its client has closed, whose every further line is empty."""
    return list(itertools.takewhile(lambda line: line not in (b"", b"\r\n"), iter(file.readline, None)))


def free_port() -> int:
    """Free, and below the ports that systems give to whoever connects: one of those may be gone before it is used."""
    while True:
        port = next(_OWN)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Sidecar:
    """A running guard. `lines` are what it logged so far."""

    def __init__(self, arguments: Sequence[str], folder: Path, *, prefix: Sequence[str] = (), environ: Mapping[str, str] | None = None, module: str = "guard") -> None:  # fmt: skip
        self.port, self.ops = free_port(), free_port()
        command = [
            *prefix, sys.executable, "-m", module, "serve", *arguments, "--listen", f"127.0.0.1:{self.port}",
            "--ops", f"127.0.0.1:{self.ops}", "--admin", "127.0.0.1:0", "--state-dir", str(folder / "state"),
        ]  # fmt: skip
        with (folder / "stdout").open("ab") as stdout:
            self.process = subprocess.Popen(
                command, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=folder, env=environ
            )
        self.lines: list[str] = []
        self._clients: list[http.client.HTTPConnection] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()
        with self._more:
            self.lines.append("")
            self._more.notify_all()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What was logged under a name."""
        results = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in results if line["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of a name, once it is there."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.events(name)) >= count or self.lines[-1:] == [""], WITHIN), (
                self.lines
            )
        assert len(self.events(name)) >= count, self.lines
        return self.events(name)[count - 1]

    def connect(self) -> http.client.HTTPConnection:
        """A client of the data listener; closed at the end."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        self._clients.append(client)
        return client

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        for client in self._clients:
            client.close()
        code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        if self.process.stderr:
            self.process.stderr.close()
        return code

    def probe(self, path: str) -> tuple[int, Any]:
        """Ask the ops listener."""
        with socket.create_connection(("127.0.0.1", self.ops), WITHIN) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head[9:12]), json.loads(body) if b"json" in head else body.decode()


@contextmanager
def sidecar(*arguments: str, folder: Path, **options: Any) -> Iterator[Sidecar]:
    """A guard that serves; it is stopped at the end, whatever happened."""
    guard = Sidecar(arguments, folder, **options)
    try:
        guard.wait_for("serving")
        yield guard
    finally:
        if guard.process.poll() is None:
            guard.process.kill()
        guard.ended()
