"""Compiles modules of guard with mypyc: a C file a module, as many at a time as there are cores.

    python requirements/machine_code.py FOLDER guard/proxy/pipeline.py …

Writes the libraries into FOLDER, each where its module stands. One C file of all modules would need 1.3 GB and one core.
The same sources, flags, mypyc and Python make the same libraries; they are kept in .cache/machine-code, if that can be
written, so that a second build takes no time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import setuptools  # noqa: F401  # it must come before mypyc, which changes parts of it
from mypyc.build import mypycify

FLAGS = ["-fvisibility=hidden", "-fno-plt"]
"""What no other library calls need not be found by its name: 4 % of a request."""
LEVEL = "3"
KEPT = Path(".cache") / "machine-code"


def _told(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def fingerprint(sources: list[str]) -> str:
    """Names what is compiled: all of guard, since mypyc reads the types of what the listed modules import."""
    digest = hashlib.sha256()
    for part in (sys.version, sysconfig.get_platform(), version("mypy"), version("setuptools"), LEVEL, *FLAGS, *sources):
        digest.update(part.encode() + b"\0")
    for name in sorted(Path("guard").rglob("*.py")):
        digest.update(name.as_posix().encode() + b"\0" + hashlib.sha256(name.read_bytes()).digest())
    return digest.hexdigest()[:32]


class Compiler:
    """The C compiler that Python's own extension modules are made with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._compile = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
        self._link = (os.environ.get("LDSHARED") or sysconfig.get_config_var("LDSHARED") or "cc -shared").split()
        self._position = (sysconfig.get_config_var("CCSHARED") or "-fPIC").split()
        self._given = os.environ.get("CFLAGS", "").split()

    def compile(self, source: str, flags: list[str], includes: list[str]) -> str:
        """Makes an object of a C file and returns its path; CalledProcessError carries what the compiler wrote."""
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        made = self._folder / f"{name}.o"
        paths = [f"-I{path}" for path in (*includes, sysconfig.get_path("include"))]
        call = [
            *self._compile,
            *self._position,
            "-DNDEBUG",
            *flags,
            *FLAGS,
            *self._given,
            *paths,
            "-c",
            source,
            "-o",
            str(made),
        ]
        subprocess.run(call, check=True, capture_output=True, text=True)
        return str(made)

    def link(self, objects: list[str], library: Path) -> None:
        """Makes a library of objects."""
        library.parent.mkdir(parents=True, exist_ok=True)
        given = os.environ.get("LDFLAGS", "").split()
        subprocess.run([*self._link, *objects, *given, "-o", str(library)], check=True, capture_output=True, text=True)


def compile_all(sources: list[str], folder: Path) -> None:
    """Compiles the modules and puts their libraries into the folder, with a line for each tenth that is done."""
    _told(f"compiling {len(sources)} modules of guard: a minute on two cores")
    with tempfile.TemporaryDirectory() as scratch:
        extensions = mypycify(sources, opt_level=LEVEL, debug_level="0", multi_file=True, target_dir=scratch)
        compiler = Compiler(Path(scratch))
        work = [(extension, source) for extension in extensions for source in extension.sources]
        done: dict[str, list[str]] = {}
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            made = pool.map(lambda item: compiler.compile(item[1], item[0].extra_compile_args, item[0].include_dirs), work)
            for count, ((extension, _), path) in enumerate(zip(work, made, strict=True), 1):
                done.setdefault(extension.name, []).append(path)
                if count * 10 // len(work) > (count - 1) * 10 // len(work):
                    _told(f"  {count} of {len(work)} C files")
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for name, objects in done.items():
            compiler.link(objects, folder / f"{name.replace('.', '/')}{suffix}")


def _keep(built: Path, kept: Path) -> None:
    """Keeps what was built, as a whole or not at all; only the newest is kept."""
    try:
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        part = Path(tempfile.mkdtemp(dir=KEPT))
        shutil.copytree(built, part, dirs_exist_ok=True)
        part.replace(kept)
    except OSError as error:
        _told(f"the compiled modules are not kept for the next build: {error.strerror}")


def main() -> int:
    """Compiles, or copies what an earlier run compiled from the same sources."""
    folder, sources = Path(sys.argv[1]), sys.argv[2:]
    kept = KEPT / fingerprint(sources)
    if kept.is_dir():
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        return 0
    try:
        compile_all(sources, folder)
    except subprocess.CalledProcessError as error:
        _told("\n".join(error.stderr.splitlines()[-20:]))
        return 1
    _keep(folder, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
