"""A model server as a process group of its own, that tests can kill and start again on its port."""

import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.install import CACHE, LOCKS, Program, alone, digest_of
from tests.servers.process import until
from tests.sidecar import free_port

INSIDE = Path(__file__).resolve().parent / "inside"
"""What runs inside the servers' environments; nothing there imports anything of the project."""
WITHIN = 120.0
"""Seconds to be ready: a first start on a busy machine also compiles what it imports."""


class ModelServer:
    """One server. `url` is its base; `folder` is its own, with the model in it and its log."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, port: int, ready: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.port, self.folder, self.url = port, folder, f"http://127.0.0.1:{port}"
        self._command, self._ready, self._environ = command, ready, environ or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"{Path(self._command[0]).name} at {self.url}, code {self._process and self._process.poll()}:\n{self.log[-4000:]}"

    @property
    def log(self) -> str:
        """All that it wrote, over all its lives."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def is_ready(self) -> bool:
        """Whether it says that its model is loaded."""
        try:
            with urllib.request.urlopen(f"{self.url}{self._ready}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def start(self) -> None:
        """Run it, until it is ready. Its environment is bare."""
        environ = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", **self._environ}
        with (self.folder / "log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, cwd=self.folder, env=environ, start_new_session=True
            )

        def is_up() -> bool:
            assert self._process is None or self._process.poll() is None, repr(self)
            return self.is_ready

        until(is_up, lambda: repr(self), WITHIN)

    def stop(self) -> None:
        """SIGTERM, as an orchestrator does it; and then SIGKILL for whoever is left of the group."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it at once, as the kernel does it where memory runs out."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start, on the same port."""
        self.stop()
        self.start()

    def _end(self, first: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (first, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(20)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait(20)


@contextmanager
def serving(server: ModelServer) -> Iterator[ModelServer]:
    """A server that is ready; ended by process group, whatever happened."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def folder_with(model: Path, name: str) -> Iterator[tuple[Path, int]]:
    """A folder for one server, with a copy of a model in it; and a port."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        yield Path(folder), free_port()


def trained(program: Program, kind: str, lock: str) -> Path:
    """The iris model as a server wants it, trained once with the libraries that will read it: those of `lock`."""
    script, parts = INSIDE / "train.py", (INSIDE / "train.py", INSIDE / "mishap.py", LOCKS / f"{lock}.lock")
    place = CACHE / "models" / digest_of(kind, lock, *(part.read_text() for part in parts))
    with alone():
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as folder:
                run = subprocess.run(
                    [program.path, str(script), kind, folder], capture_output=True, text=True, check=False, timeout=WITHIN,
                    env={"HOME": folder, "PATH": "/usr/bin:/bin", **program.environ},
                )  # fmt: skip
                assert run.returncode == 0, run.stderr[-4000:]
                Path(folder).rename(place)
                Path(folder).mkdir()
    return place
