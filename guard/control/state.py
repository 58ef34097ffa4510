"""What must survive a restart, in a folder of guard's own.

Everything is in `<state_dir>/private/`: mode 0700, owned by the user that guard runs as, no symlinks, one guard at a time.
A save is on disk before it returns: the new content is written beside the old, synchronised, and renamed over it; a
reader, or a restart at any moment, finds the old or the new, never neither.
"""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = "private"
LOCK: Final = "lock"
MOST: Final = 64 << 20
"""Bytes of a file that is read back."""


class StateTaken(Exception):  # noqa: N818
    """Another guard has this folder."""


class StateFolder:
    """A folder that is ours. Raises StateTaken, or OSError where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / PRIVATE
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._claim()
        except BaseException:
            os.close(self._directory)
            raise

    def __repr__(self) -> str:
        return f"<StateFolder {self.path}>"

    def _claim(self) -> None:
        found = os.fstat(self._directory)
        if found.st_uid != os.geteuid():
            raise PermissionError(f"{self.path} belongs to another user")
        if stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(self._directory, 0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock = os.open(LOCK, flags, 0o600, dir_fd=self._directory)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StateTaken(str(self.folder)) from error

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none. Raises OSError."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MOST)

    def save(self, name: str, content: bytes) -> None:
        """Replace a file, durably. Raises OSError; then the old content stands."""
        beside = f".{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(beside, flags, 0o600, dir_fd=self._directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside, dir_fd=self._directory)
            raise
        os.fsync(self._directory)

    def remove(self, name: str) -> None:
        """Take a file away, durably; no error where there is none. Raises OSError."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)
            os.fsync(self._directory)

    def close(self) -> None:
        """Let another guard have it."""
        os.close(self._lock)
        os.close(self._directory)


def open_state(wanted: Path | None, default: Path, home: Path) -> StateFolder:
    """The folder that was asked for; else the default one if it can be written, else one in the user's home."""
    if wanted is not None:
        return StateFolder(wanted)
    try:
        return StateFolder(default)
    except OSError:
        return StateFolder(home / ".local" / "state" / "guard")
