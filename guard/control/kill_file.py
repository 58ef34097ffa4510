"""The kill file: a file whose presence kills, for those who have no API but a ConfigMap."""

import os
from pathlib import Path
from typing import Final

EVERY: Final = 0.05
"""Seconds between two looks."""
_MOST: Final = 4096


class Unreadable(Exception):  # noqa: N818
    """The file may or may not be there: what was last known holds."""


def look(path: Path) -> str | None:
    """The text of the kill file; None where there is none. A folder or a pipe of that name is a file without text."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable from error
    try:
        return os.read(descriptor, _MOST).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
