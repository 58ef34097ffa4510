"""Reads the audit from its end, within bounds, while another thread appends to it or sets a file aside."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from guard.control.audit import NAME, OLDER

BLOCK: Final = 65536
MOST_BYTES: Final = 1 << 20
"""Highest size of the entries in one answer, in bytes."""
LONGEST_LINE: Final = 65536
"""Bytes of a line that is looked at; a longer one is none of ours."""


def newest(folder: Path, limit: int) -> bytes:
    """The last entries as `{"entries": […], "complete": bool}`, the newest first.

    `complete` is false where MOST_BYTES left entries out that `limit` did not. A torn line, as a crash leaves it, is left
    out. Raises OSError.
    """
    entries: list[bytes] = []
    size, complete = 0, True
    for line in lines(folder):
        if len(entries) >= limit:
            break
        try:
            if not isinstance(json.loads(line), dict):
                continue
        except (ValueError, RecursionError):
            continue
        size += len(line)
        if size > MOST_BYTES:
            complete = False
            break
        entries.append(line)
    return b'{"entries": [' + b", ".join(entries) + b'], "complete": ' + (b"true" if complete else b"false") + b"}"


def lines(folder: Path) -> Iterator[bytes]:
    """The lines of all files, the last first. A file that was set aside meanwhile is read once."""
    seen: set[tuple[int, int]] = set()
    for number in range(OLDER + 1):
        path = folder / (NAME if number == 0 else f"{NAME}.{number}")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield from _backwards(descriptor, status.st_size)
        finally:
            with suppress(OSError):
                os.close(descriptor)


def _backwards(descriptor: int, end: int) -> Iterator[bytes]:
    """The lines of a file that end before `end`, the last first."""
    tail = b""
    while end > 0:
        begin = max(0, end - BLOCK)
        tail = os.pread(descriptor, end - begin, begin) + tail
        end = begin
        first, *complete = tail.split(b"\n")
        yield from (line for line in reversed(complete) if line)
        tail = first if len(first) <= LONGEST_LINE else b""
    if tail:
        yield tail
