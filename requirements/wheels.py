"""Makes a compiled wheel for each Python that is here, and tries each in a clean environment.

    python requirements/wheels.py [--only 3.12] [--untried]

The wheels land in dist/, with an sdist. Each is installed with the locked dependencies into an environment of its own, must
say `compiled`, runs the demo, and takes the tests of the compiled form. Interpreters are `python3.N` on the path, those of
pyenv, and those that GUARD_PYTHONS lists (separated by `:`). What could not be had is named at the end. Exit codes: 0, 1 if
a wheel could not be made or failed, 2 for a wrong call.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASKED = """
import pathlib, sysconfig
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()
print(sysconfig.get_python_version() if headers else "no headers")
"""
WANTED = ("3.11", "3.12", "3.13", "3.14")
WORK = ROOT / ".cache" / "wheels"
INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
LOCKED = (*INSTALL, "--require-hashes", "--only-binary", ":all:", "-r")
TESTED = "contract golden incidents ladder leaks proxy simulator telemetry"
"""Folders of tests, as COMPILED in the Makefile."""


def interpreters(environment: Mapping[str, str]) -> dict[str, str]:
    """The first interpreter of each wanted version that answers with its version."""
    pyenv = Path(environment.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    listed = [path for path in environment.get("GUARD_PYTHONS", "").split(":") if path]
    found: dict[str, str] = {}
    for version in WANTED:
        on_path = shutil.which(f"python{version}", path=environment.get("PATH"))
        of_pyenv = sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python{version}"))
        for path in (*listed, *([on_path] if on_path else []), *of_pyenv):
            if _version(path) == version:
                found[version] = path
                break
    return found


def _version(interpreter: str) -> str:
    try:
        return subprocess.run([interpreter, "-c", ASKED], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _run(command: list[str], folder: Path, **environment: str) -> None:
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, **environment})


def _environment(interpreter: str, folder: Path, *locks: str) -> str:
    """A new environment with these lock files; the path of its Python."""
    shutil.rmtree(folder, ignore_errors=True)
    _run([interpreter, "-m", "venv", str(folder)], ROOT)
    python = str(folder / "bin" / "python")
    for lock in locks:
        _run([python, *LOCKED, str(ROOT / "requirements" / f"{lock}.lock")], ROOT)
    return python


def sdist(dist: Path) -> Path:
    """Makes the sdist and unpacks it: wheels are built from what users download, where git is not."""
    python = _environment(sys.executable, WORK / "sdist", "compile")
    _run([python, "-m", "hatchling", "build", "-t", "sdist", "-d", str(dist)], ROOT)
    (archive,) = dist.glob("*.tar.gz")
    unpacked = WORK / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as source:
        source.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    return tree


def make(version: str, interpreter: str, tree: Path, dist: Path) -> Path:
    """Makes the wheel of a version; CalledProcessError if that fails."""
    python = _environment(interpreter, WORK / version / "build", "compile")
    made = WORK / version / "dist"
    shutil.rmtree(made, ignore_errors=True)
    building = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    _run([python, *building, "--wheel-dir", str(made), str(tree)], WORK, GUARD_COMPILE="yes")
    (wheel,) = made.glob("*.whl")
    return Path(shutil.copy(wheel, dist))


def attempt(version: str, interpreter: str, wheel: Path) -> None:
    """Installs a wheel as a user would, and runs the demo and the tests against it; CalledProcessError if it fails."""
    python = _environment(interpreter, WORK / version / "clean", "runtime")
    _run([python, *INSTALL, "--no-deps", str(wheel)], WORK)
    guard = str(Path(python).with_name("guard"))
    said = subprocess.run([guard, "--version"], capture_output=True, text=True, check=True, cwd=WORK).stdout
    if "compiled" not in said:
        raise SystemExit(f"{wheel.name} says {said.strip()!r}: no machine code")
    _run([python, *LOCKED, str(ROOT / "requirements" / "demo.lock")], ROOT)
    _run([guard, "demo"], WORK / version)
    _run([python, *LOCKED, str(ROOT / "requirements" / "dev.lock")], ROOT)
    _test(python, wheel, WORK / version / "tests")


def _test(python: str, wheel: Path, folder: Path) -> None:
    """Runs the tests of the compiled form in a copy of the checkout whose guard is the wheel's."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    for name in filter(None, listed.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder)  # noqa: S202 — made here a moment ago
    chosen = [f"tests/{name}" for name in TESTED.split()]
    chosen += sorted(f"tests/{path.name}" for path in (folder / "tests").glob("test_*.py"))
    _run([python, "-m", "tests.run", "--numprocesses", "auto", *chosen], folder)


def main() -> int:
    """Makes and tries them all, and says of each what came of it."""
    parser = argparse.ArgumentParser(description="compiled wheels for each Python that is here")
    parser.add_argument("--only", choices=WANTED, help="one version")
    parser.add_argument("--untried", action="store_true", help="make them, and try none")
    given = parser.parse_args()
    found = interpreters(os.environ)
    wanted = [version for version in WANTED if given.only in (None, version)]
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    WORK.mkdir(parents=True, exist_ok=True)
    tree, outcome = sdist(dist), {}
    for version in wanted:
        if version not in found:
            outcome[version] = "not made: no interpreter with its headers is here"
            continue
        try:
            wheel = make(version, found[version], tree, dist)
            if not given.untried:
                attempt(version, found[version], wheel)
            outcome[version] = f"{wheel.name}{'' if given.untried else ', installed and tested'}"
        except subprocess.CalledProcessError as error:
            outcome[version] = f"FAILED: {' '.join(map(str, error.cmd[:6]))} … ended with {error.returncode}"
    for version, told in outcome.items():
        sys.stdout.write(f"{version}  {told}\n")
    return int(
        any(told.startswith("FAILED") for told in outcome.values()) or not any(".whl" in told for told in outcome.values())
    )


if __name__ == "__main__":
    sys.exit(main())
