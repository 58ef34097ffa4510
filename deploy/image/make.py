"""`make image`: guard's image with buildah, without a registry and without a container runtime.

The bases are Debian's, by mmdebstrap: bookworm's essential packages and its Python, 3.11 as in the default base of
the Dockerfile, and the same with a C compiler. Wheels are fetched by this machine's pip, with the hashes of the lock files,
and handed to the build as folders, so that the build itself needs no network. Bases and wheels are kept in .cache/image and
made anew when what they are made of changes. Everything that buildah keeps is there too.

Needs root, and of Debian's packages: buildah mmdebstrap.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "image"
NEEDED = ("buildah", "mmdebstrap")
SUITE = "bookworm"
BASE, COMPILER = "localhost/guard-base", "localhost/guard-compiler"
PACKAGES = {BASE: "python3,python3-venv,libstdc++6,ca-certificates"}
PACKAGES[COMPILER] = f"{PACKAGES[BASE]},gcc,libc6-dev,python3-dev"
GUARD, MODEL = "localhost/guard", "localhost/guard-demo-model"
LOCKS = {GUARD: "runtime", MODEL: "demo"}
_BASE_ENV = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Unmade(Exception):  # noqa: N818 — as elsewhere here
    """A step failed, or something is missing; the message says which."""


def buildah(*arguments: str, capture: bool = True) -> str:
    """Run buildah on a store of our own. Raises Unmade."""
    own = ["--root", str(CACHE / "store"), "--runroot", str(CACHE / "run")]
    return run(["buildah", *own, *arguments], capture=capture)


def run(command: Sequence[str], *, capture: bool = True) -> str:
    """A command that must succeed. Raises Unmade."""
    try:
        done = subprocess.run(command, check=False, text=True, cwd=ROOT, capture_output=capture)
    except FileNotFoundError:
        raise Unmade(f"{command[0]} is not here; apt-get install {' '.join(NEEDED)}") from None
    if done.returncode:
        said = ((done.stderr or "") + (done.stdout or ""))[-3000:] if capture else ""
        raise Unmade(f"{' '.join(command[:6])} … ended with {done.returncode}\n{said}")
    return done.stdout or ""


def made(name: str, what: str) -> bool:
    """Whether a thing was made of just this; `done` notes it."""
    note = CACHE / f".{name}"
    return note.is_file() and note.read_text() == what


def base(name: str) -> None:
    """Make a base image, unless it is there."""
    what, note = f"{SUITE} {PACKAGES[name]}", name.rpartition("/")[2]
    if made(note, what) and name in buildah("images", "--format", "{{.Name}}").splitlines():
        return
    print(f"[1/3] a base: {SUITE} with {PACKAGES[name]}")
    tar = CACHE / "base.tar"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")]
    run([
        "mmdebstrap", "--quiet", "--mode=root", "--variant=essential", f"--include={PACKAGES[name]}", *excluded, SUITE,
        str(tar),
    ])  # fmt: skip
    container = buildah("from", "scratch").strip()
    buildah("add", "--quiet", container, str(tar), "/")
    buildah("config", "--env", _BASE_ENV, container)
    buildah("commit", "--quiet", "--rm", container, name)
    tar.unlink()
    (CACHE / f".{note}").write_text(what)


def wheels(lock: str) -> Path:
    """A folder with the wheels of a lock file. For the Python of the base: this one must be of the same minor version."""
    file, place = ROOT / "requirements" / f"{lock}.lock", CACHE / f"wheels-{lock}"
    what = hashlib.sha256(file.read_bytes()).hexdigest()
    if made(f"wheels-{lock}", what):
        return place
    print(f"[2/3] the wheels of {file.name}")
    shutil.rmtree(place, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--python-version", "3.11", "--only-binary", ":all:", "--require-hashes", "-r", str(file), "--dest", str(place)]
    run(pip)
    (CACHE / f".wheels-{lock}").write_text(what)
    return place


def image(name: str) -> str:
    """Build an image; its id."""
    folders = {f"/wheels/{lock}": wheels(lock) for lock in ("compile", LOCKS[name])}
    print(f"[3/3] {name}")
    version: dict[str, str] = {}
    exec((ROOT / "guard" / "__init__.py").read_text(), version)
    arguments = {
        "BASE": BASE,
        "COMPILER": COMPILER,
        "VERSION": version["__version__"],
        "REVISION": run(["git", "rev-parse", "HEAD"]).strip() if (ROOT / ".git").exists() else "unknown",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": " ".join(folders),
    }
    results = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    target = {GUARD: "guard", MODEL: "demo-model"}[name]
    buildah(
        "build", "--quiet", "--isolation", "chroot", "--format", "docker", "--layers", "--force-rm", "--pull=never",
        *(f"--volume={folder}:{place}:ro" for place, folder in folders.items()), "--target", target, "--tag", name,
        *results, str(ROOT),
    )  # fmt: skip
    return name


def size(name: str) -> int:
    """Bytes of an image's layers, uncompressed."""
    (found,) = json.loads(buildah("images", "--json", name))
    number, unit = str(found["size"]).split() if isinstance(found["size"], str) else (found["size"], "B")
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])


def main() -> int:
    """Make guard's image; with `--model` the demo's model server too. 1: it could not be made."""
    try:
        missing = [name for name in NEEDED if not shutil.which(name)]
        if missing or os.geteuid():
            raise Unmade(f"make image needs root and Debian's {' and '.join(NEEDED)}: apt-get install {' '.join(NEEDED)}")
        CACHE.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        for name in PACKAGES:
            base(name)
        names = [image(GUARD), *([image(MODEL)] if "--model" in sys.argv[1:] else [])]
        shown = ", ".join(f"{name} {size(name) / 1e6:.0f} MB" for name in (BASE, *names))
        print(f"      {shown}; {time.monotonic() - begun:.0f} s")
    except Unmade as error:
        print(f"make image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
