"""Files that commands for people read and write: bounded, never waiting, and replaced whole."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from guard.policy.document import MAX_BYTES


class NotAFile(OSError):  # noqa: N818 — it is one more way in which a file cannot be read
    """A pipe, a device, a folder: nothing that ends by itself."""


def open_regular(path: Path) -> int:
    """A descriptor to read from. Raises OSError; NotAFile where reading could wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would block here
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(0, "not a regular file", str(path))
    return descriptor


def read_at_most(path: Path, most: int) -> bytes:
    """The content, at most a byte more than `most`, which shows that there is more. Raises OSError."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(most + 1)


def policy_file(path: Path) -> bytes:
    """A Reader of the policy's loader that never waits, for files that somebody else may have put there."""
    return read_at_most(path, MAX_BYTES)


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old or the new one, whole. Raises OSError, and then the old one stands."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
