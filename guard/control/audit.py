"""The audit log: who did what, when and why, as JSON lines in the state folder that are only appended."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

NAME: Final = "audit.jsonl"
MOST: Final = 1 << 20
"""Bytes of a file before it is set aside."""
OLDER: Final = 4
"""Files set aside that are kept."""


class Audit:
    """The audit of one state folder, for one thread that appends. `audit_reader` reads it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Append entries; all are on disk when this returns. Raises OSError.

        `at`, in seconds of the wall clock, becomes RFC 3339.
        """
        raw = b"".join(_line(entry) for entry in entries)
        if self._path.exists() and self._path.stat().st_size + len(raw) > MOST:
            self._rotate()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            self._write(descriptor, raw)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, raw: bytes) -> None:
        """Write all of it or none: what a full disk took of it would tear the next line too."""
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # by a crash in the midst of a line
        remaining = memoryview(b"\n" + raw if torn else raw)
        try:
            while remaining:
                remaining = remaining[os.write(descriptor, remaining) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise

    def _rotate(self) -> None:
        for number in range(OLDER, 0, -1):
            older = self._older(number - 1)
            if older.exists():
                older.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{NAME}.{number}")


def _line(entry: dict[str, Any]) -> bytes:
    at = datetime.fromtimestamp(entry["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({**entry, "at": at}, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
