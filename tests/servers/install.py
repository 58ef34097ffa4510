"""Puts the real servers into .cache/servers, each once. `make servers` runs it, and so does the first test in need.

rotel, MLServer, MLflow and KServe come from their wheels, each by a lock file in requirements/ into an environment of its
own: they do not agree on what they need. So does what checks dashboards and manifests, by deploy.lock: the schemas of every
Kubernetes make it 110 MB. prometheus, promtool, Alertmanager and amtool are taken from PATH, or else from Debian's packages:
apt-get downloads and verifies them, dpkg-deb unpacks them, nothing is installed and nobody need be root. Only the standard
library is used here: it runs before there is anything else.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "servers"
LOCKS = ROOT / "requirements"
WITHIN = 300.0
_missing: dict[str, "Missing"] = {}


class Missing(Exception):
    """A server that cannot be had here; the message says why."""


class Program(NamedTuple):
    """A command that runs, and what it needs in its environment."""

    path: str
    environ: Mapping[str, str]


def rotel() -> Program:
    """The OTLP collector; installed if it is not."""
    return _once("rotel", _rotel)


def mlserver() -> Program:
    """Python with MLServer and its sklearn runtime."""
    return _python("mlserver")


def mlflow() -> Program:
    """Python with MLflow and scikit-learn."""
    return _python("mlflow")


def kserve() -> Program:
    """Python with KServe and scikit-learn."""
    return _python("kserve")


def _python(name: str) -> Program:
    """The interpreter of an environment; its scripts are in PATH, as if it was activated."""
    place = _once(name, lambda: Program(str(_environment(name)), {}))
    return Program(f"{place.path}/bin/python", {"PATH": f"{place.path}/bin:/usr/bin:/bin"})


def prometheus() -> Program:
    """The Prometheus server; downloaded if it is not there."""
    return _in_path("prometheus") or _once("prometheus", lambda: _debian("prometheus"))


def promtool() -> Program:
    """Its tool, which checks expositions and tests rules."""
    return _in_path("promtool") or _once("prometheus", lambda: _debian("promtool"))


def amtool() -> Program:
    """Alertmanager's tool, which checks configurations and says where an alert would go."""
    return _alertmanager("amtool")


def alertmanager() -> Program:
    """The Alertmanager itself."""
    return _alertmanager("prometheus-alertmanager")


def _alertmanager(name: str) -> Program:
    package = "prometheus-alertmanager"
    return _in_path(name) or _once(package, lambda: _debian(name, package))


def checkers() -> Program:
    """Python with what checks dashboards and manifests."""
    return _python("deploy")


def _in_path(name: str) -> Program | None:
    return Program(path, {}) if (path := shutil.which(name)) else None


def _once(package: str, find: Callable[[], Program]) -> Program:
    """A search that failed is not repeated by the same process: it may have waited for a network."""
    if package in _missing:
        raise _missing[package]
    try:
        with alone():
            return find()
    except Missing as reason:
        _missing[package] = reason
        raise


@contextmanager
def alone() -> Iterator[None]:
    """One process installs, others wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def digest_of(*parts: str) -> str:
    """What changes when one of them does, or this Python."""
    return hashlib.sha256("\0".join((*parts, sys.version)).encode()).hexdigest()


def _environment(name: str) -> Path:
    """A virtual environment by the lock file of that name, made anew when that has changed."""
    lock, place = LOCKS / f"{name}.lock", CACHE / name
    wanted, done = digest_of(lock.read_text()), CACHE / f".{name}"
    if not done.is_file() or done.read_text() != wanted:
        done.unlink(missing_ok=True)
        _run(name, [sys.executable, "-m", "venv", "--clear", str(place)])
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(name, [*pip, "--no-compile", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)])
        done.write_text(wanted)
    return place


def _rotel() -> Program:
    return _start(_agent(_environment("rotel")), tuple(_libraries()))


def _agent(place: Path) -> str:
    """The binary in the wheel; the package's own Python would only daemonise it."""
    found = list(place.glob("lib/python*/site-packages/rotel/rotel-agent"))
    if not found:
        raise Missing("rotel: its wheel has no rotel-agent")
    return str(found[0])


def _libraries() -> Iterator[Callable[[], str]]:
    """Where libpython may be, which rotel links for its processors: the system, this Python, Debian's package."""
    yield lambda: ""
    yield lambda: str(sysconfig.get_config_var("LIBDIR") or "")
    package = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    yield lambda: str(next(_unpacked(package).glob("usr/lib/*/libpython*.so.*")).parent)


def _start(path: str, libraries: Sequence[Callable[[], str]]) -> Program:
    """The first environment in which a program tells its version."""
    said = ""
    for library in libraries:
        try:
            environ = {"LD_LIBRARY_PATH": folder} if (folder := library()) else {}
        except Missing as reason:
            raise Missing(f"{path} does not run: {said}; {reason}") from None
        run = subprocess.run([path, "--version"], capture_output=True, text=True, env=environ, check=False, timeout=60)
        if run.returncode == 0:
            return Program(path, environ)
        said = run.stderr.strip()
    raise Missing(f"{path} does not run: {said}")


def _debian(name: str, package: str = "prometheus") -> Program:
    return _start(str(_unpacked(package) / "usr" / "bin" / name), (lambda: "",))


def _unpacked(package: str) -> Path:
    """The files of a Debian package, under .cache/servers."""
    place = CACHE / package
    if not place.is_dir():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Missing(
                f"{package} is not in PATH, and on {platform.platform()} there is no apt-get and dpkg-deb to have it with"
            )
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _run(package, ["dpkg-deb", "-x", str(_download(package, Path(folder))), f"{folder}/tree"])
            Path(folder, "tree").rename(place)
    return place


def _download(package: str, folder: Path) -> Path:
    """By the machine's own lists of packages, or, where these are old or absent, by fresh ones of our own."""
    (folder / "lists" / "partial").mkdir(parents=True)
    own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
    strict = ["-o", "APT::Update::Error-Mode=any"]
    try:
        _run(package, ["apt-get", "download", package], folder)
    except Missing:
        _run(package, ["apt-get", *strict, *own, "update"], folder)
        _run(package, ["apt-get", *own, "download", package], folder)
    return next(folder.glob("*.deb"))


def _run(what: str, command: Sequence[str], folder: Path = ROOT) -> None:
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what} cannot be had: {error}") from error
    if run.returncode:
        said = (run.stderr.strip() or run.stdout.strip())[-1000:]
        raise Missing(f"{what} cannot be had: {' '.join(command[:3])} … ended with {run.returncode}: {said}")


def main() -> int:
    """Have all; 1 and the reasons if one cannot be had."""
    status = 0
    for find in (rotel, prometheus, promtool, amtool, checkers, mlserver, mlflow, kserve):
        try:
            print(f"    {find.__name__}: {os.path.relpath(find().path, ROOT)}")
        except Missing as reason:
            print(f"    {reason}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
