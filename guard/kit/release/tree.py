r"""The digest of a part: SHA-256 of a file's content, or of a folder's listing.

A folder's listing has a line `HEX  NAME` for each file below it, sorted by name, as `sha256sum` writes them: the form of
Go's dirhash (golang.org/x/mod/sumdb/dirhash, Hash1), so that anybody can compute it without guard:

    cd FOLDER && find -L . -type f | sed 's|^\./||' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum

Names and contents count; times, modes, owners and empty folders do not. A symlink counts as the file that it leads to, for
that is what a model server loads (caches of model hubs are folders of such links). One that leads to a folder is refused,
but for the part itself: it may lead round in a circle. Files of any size are read in pieces; a pipe or a device is refused.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from guard.kit.files import open_regular

PREFIX: Final = "sha256:"
LARGE: Final = 1 << 30
"""Bytes from which on a person is told that this takes a while."""


class NoDigest(Exception):  # noqa: N818
    """A part whose content cannot be told; the message names the file and says why."""


def digest(path: Path, large: Callable[[Path, int], None] = lambda _path, _size: None) -> str:
    """`sha256:` and hex. `large` hears of each file that takes a while. Raises NoDigest."""
    try:
        if not path.is_dir():
            return PREFIX + _file(path, large)
        listing = hashlib.sha256()
        files = sorted(_below(path))
        for name, file in files:
            listing.update(f"{_file(file, large)}  ".encode() + name + b"\n")
    except OSError as error:
        raise NoDigest(f"{error.filename or path}: {error.strerror or error}") from None
    if not files:
        raise NoDigest(f"{path}: a folder without a file")
    return PREFIX + listing.hexdigest()


def _file(path: Path, large: Callable[[Path, int], None]) -> str:
    with os.fdopen(open_regular(path), "rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size >= LARGE:
            large(path, before.st_size)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise NoDigest(f"{path}: the file changed while guard read it")
    return digest


def _below(folder: Path) -> Iterator[tuple[bytes, Path]]:
    """Every file, by its name from the folder. Raises NoDigest, OSError."""
    folders = [(b"", folder)]
    while folders:
        prefix, here = folders.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name, path = prefix + os.fsencode(entry.name), Path(entry.path)
                if b"\n" in name:
                    raise NoDigest(f"{path}: a line end in a name")
                if entry.is_dir(follow_symlinks=False):
                    folders.append((name + b"/", path))
                elif stat.S_ISDIR(path.stat().st_mode):
                    raise NoDigest(f"{path}: a symlink to a folder; name that folder, or copy it")
                else:
                    yield name, path
