"""Step 1: a path → the bytes of that file, and the record of every file that was read."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from guard.policy.document import MAX_BYTES
from guard.policy.errors import Path as Pointer
from guard.policy.errors import Place, PolicyError, PolicyInvalid

Reader: TypeAlias = Callable[[Path], bytes]
"""Reads a file, at most a byte more than a policy may have. Raises OSError, or ValueError for what is no path."""


def from_disk(path: Path) -> bytes:
    """A Reader of what is there now."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def from_regular_file(path: Path) -> bytes:
    """The content of a file. Raises OSError; a pipe or a device, which could keep a server waiting for ever, is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(MAX_BYTES + 1)


class Files:
    """Every file that was read, for whoever watches or keeps them. A file that cannot be read counts as empty."""

    def __init__(self, read: Reader) -> None:
        self.contents: dict[Path, bytes] = {}
        self._read = read

    def read(self, path: Path, place: Place, pointer: Pointer = ()) -> bytes:
        """The content of a file that is named at `place`. Raises PolicyInvalid."""
        self.contents[path] = b""
        try:
            self.contents[path] = self._read(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a path"
            raise PolicyInvalid([PolicyError(place, pointer, f"cannot read {path}: {why}", "a file")]) from None
        return self.contents[path]
