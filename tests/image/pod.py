"""A pod on this machine: containers of the images that `make image` made, run by buildah in one network, with volumes that
change as kubelet changes them."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.process import until

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "image"))
from make import GUARD, MODEL, buildah  # noqa: E402

__all__ = ["GUARD", "MODEL", "ConfigMap", "Container", "Load", "buildah", "container"]
USER = 65532
WITHIN = 60.0


def config(image: str) -> dict[str, Any]:
    """What an image says of itself."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]
    return found


class ConfigMap:
    """A folder as kubelet writes it: files are symlinks through `..data`, which is renamed over as one."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        self._turn = 0
        folder.mkdir()
        self.write(**files)

    def write(self, **files: str) -> None:
        """New content, the old folder gone after the swap."""
        names = {name.replace("_", ".") if "." not in name else name: text for name, text in files.items()}
        self._turn += 1
        data, before = self.folder / f"..{self._turn}", self.folder / f"..{self._turn - 1}"
        data.mkdir()
        for name, text in names.items():
            (data / name).write_text(text)
        (self.folder / "..data_tmp").symlink_to(data.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        for link in self.folder.iterdir():
            if link.is_symlink() and not link.name.startswith("..") and link.name not in names:
                link.unlink()
        for name in names:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        if before.is_dir():
            for file in before.iterdir():
                file.unlink()
            before.rmdir()


class Container:
    """One container and its main process, whose lines on standard error are `lines`."""

    def __init__(self, image: str, folder: Path, environ: Mapping[str, str], volumes: Mapping[Path, str]) -> None:
        self.id = buildah("from", "--pull-never", image).strip()
        self._options = [part for name, value in environ.items() for part in ("--env", f"{name}={value}")]
        self._options += [part for place, to in volumes.items() for part in ("--volume", f"{place}:{to}")]
        self.config = config(image)
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        self._folder = folder

    def _command(self, *arguments: str) -> list[str]:
        store = ["--root", str(ROOT / ".cache/image/store"), "--runroot", str(ROOT / ".cache/image/run")]
        return ["buildah", *store, "run", "--isolation", "chroot", *self._options, self.id, "--", *arguments]

    def start(self, *arguments: str) -> None:
        """What the image starts, with other arguments where they are given."""
        command = self._command(*self.config["Entrypoint"], *(arguments or self.config["Cmd"]))
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One more process, as `kubectl exec` has it."""
        return subprocess.run(self._command(*arguments), capture_output=True, text=True, check=False, timeout=WITHIN)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What was logged under a name."""
        results = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in results if line["event"] == name]

    def wait_for(self, name: str) -> dict[str, Any]:
        """The first event of a name."""
        until(lambda: bool(self.events(name)), lambda: "".join(self.lines[-20:]), WITHIN)
        return self.events(name)[0]

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        assert self.process is not None
        code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        return code

    def written(self) -> list[str]:
        """Files of the container's own file system that its user wrote; a read-only one would have refused them."""
        root = Path(buildah("mount", self.id).strip())
        results = [
            str(path.relative_to(root))
            for folder, _, files in os.walk(root)
            for path in (Path(folder, file) for file in files)
            if path.lstat().st_uid == USER
        ]
        buildah("umount", self.id)
        return results

    def remove(self) -> None:
        """End it, whatever it does, and forget it."""
        if self.process is not None and self.process.poll() is None:
            for serving in self.events("serving"):
                os.kill(serving["pid"], signal.SIGKILL)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None and self.process.stderr is not None:
            self._reader.join(10)
            self.process.stderr.close()
        buildah("rm", self.id)


@contextmanager
def container(image: str, folder: Path, environ: Mapping[str, str], volumes: Mapping[Path, str]) -> Iterator[Container]:
    """A container that is removed at the end."""
    made = Container(image, folder, environ, volumes)
    try:
        yield made
    finally:
        made.remove()


class Load:
    """A client that asks and asks, over connections that it keeps until it is told to close them."""

    def __init__(self, port: int, bodies: Sequence[bytes]) -> None:
        self.answers: list[tuple[int, str, str]] = []  # status, source, connection
        self.broken: list[str] = []
        self._end = threading.Event()
        self._port, self._bodies = port, bodies
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WITHIN)
        turn = 0
        while not self._end.is_set():
            turn += 1
            try:
                client.request(
                    "POST", "/predict", self._bodies[turn % len(self._bodies)], {"Content-Type": "application/json"}
                )
                answer = client.getresponse()
                answer.read()
            except ConnectionRefusedError:
                break  # the listener is closed: who comes now comes to another pod
            except OSError as error:
                self.broken.append(repr(error))
                break
            self.answers.append(
                (answer.status, answer.getheader("x-guard-source") or "", answer.getheader("connection") or "")
            )
            self._end.wait(0.005)
        client.close()

    def until(self, wanted: Callable[[tuple[int, str, str]], bool]) -> int:
        """Wait for an answer that is so, among those that come from now on; how many came before it."""
        begun = len(self.answers)
        until(lambda: any(map(wanted, self.answers[begun:])), lambda: str(self.answers[-3:]), WITHIN)
        return next(at for at, answer in enumerate(self.answers[begun:]) if wanted(answer))

    def stop(self) -> None:
        """No more requests."""
        self._end.set()
        self._thread.join(WITHIN)
