"""The kill file: a file whose presence kills, for those who have no API but a ConfigMap."""

import os
from pathlib import Path
from typing import Final

EVERY: Final = 0.05
"""Seconds between two looks."""
_MOST: Final = 4096


class Unreadable(Exception):  # noqa: N818
    """The text of the file cannot be read: an order that it gave before holds.

    `there`: the file is there, so without an order from before it kills. Otherwise it may or may not be there.
    """

    def __init__(self, error: OSError, *, there: bool) -> None:
        super().__init__(str(error))
        self.there, self.strerror = there, error.strerror


def read_kill_file(path: Path) -> str | None:
    """The text of the kill file; None where there is none. Raises Unreadable.

    Whatever has the name kills: a folder, a pipe, a socket, a link that leads nowhere or to itself.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _without_text(path, error)
    try:
        return os.read(descriptor, _MOST).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _without_text(path: Path, error: OSError) -> str | None:
    """The meaning of a kill file that cannot be opened."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise Unreadable(error, there=False) from error
    if isinstance(error, PermissionError):
        raise Unreadable(error, there=True) from error
    return ""
