"""The state folder: everything that must survive a restart.

Everything is in `<state_dir>/private/`: mode 0700, owned by the user that guard runs as, no symlinks, one guard at a time.
A save is on disk before it returns: the new content is written beside the old, synchronised, and renamed over it; a
reader, or a restart at any moment, finds the old or the new, never neither.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

PRIVATE: Final = "private"
LOCK: Final = "lock"
MOST: Final = 64 << 20
"""Bytes of a file that is read back."""
_UNWRITABLE: Final = frozenset((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT))
"""Errors of a folder whose lock cannot be made, but perhaps read."""


class StateTaken(Exception):  # noqa: N818
    """Another guard has this folder."""


class StateFolder:
    """A folder of guard's own. Raises StateTaken, or OSError where it cannot be used.

    A folder that can be read and not written (a read-only mount) is opened: what it holds still counts, and every save
    raises. `writable` says which of the two it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / PRIVATE
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700, parents=True)
        self._directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._lock: int | None = None
        try:
            self._claim()
        except BaseException:
            self.close()
            raise
        self.writable = os.access(".", os.W_OK | os.X_OK, dir_fd=self._directory)

    def __repr__(self) -> str:
        return f"<StateFolder {self.path}>"

    def _claim(self) -> None:
        status = os.fstat(self._directory)
        if status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "belongs to another user", str(self.path))
        if stat.S_IMODE(status.st_mode) != 0o700:
            try:
                os.fchmod(self._directory, 0o700)
            except OSError as error:
                if error.errno != errno.EROFS:
                    raise
        self._lock = self._opened_lock()
        if self._lock is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateTaken(str(self.folder)) from error

    def _opened_lock(self) -> int | None:
        """The lock's descriptor. None on a read-only mount without one: no guard can write there."""
        flags = os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(LOCK, os.O_RDWR | os.O_CREAT | flags, 0o600, dir_fd=self._directory)
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
        try:
            return os.open(LOCK, os.O_RDONLY | flags, dir_fd=self._directory)
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none. Raises OSError, for a pipe too, which could hang."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return file.read(MOST)

    def open(self, name: str) -> int:
        """The descriptor of a file that is written in place, made if there is none. Raises OSError, for a pipe too."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file")
        return descriptor

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
        if self._lock is not None:
            os.close(self._lock)
        os.close(self._directory)


class Opened(NamedTuple):
    """The state folder, and why it cannot be trusted to hold the orders from before; empty where it can."""

    folder: StateFolder | None
    doubt: str


def open_state(wanted: Path | None, default: Path, home: Path | None, *, required: bool = False) -> Opened:
    """Open the folder that was asked for; else the default one, else one in the user's home. Raises StateTaken.

    A folder that was asked for, or that is there, and cannot be opened may hold a kill: it is in doubt. The default one
    gives way to the home folder only where it does not exist. Where no folder can be made, nothing was ever ordered.
    `required`: a guard that cannot keep its orders is in doubt as well.
    """
    folders = [wanted] if wanted is not None else [default, *([home / ".local" / "state" / "guard"] if home else [])]
    why = "there is no state folder"
    for folder in folders:
        try:
            state = StateFolder(folder)
        except OSError as error:
            why = f"the state folder {folder} cannot be opened: {error.strerror or error}"
            if wanted is not None or _may_be_there(folder):
                return Opened(None, why)
            continue
        unkept = required and not state.writable
        return Opened(state, f"the state folder {folder} cannot be written" if unkept else "")
    return Opened(None, why if required else "")


def _may_be_there(folder: Path) -> bool:
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
