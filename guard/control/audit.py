"""Who did what, when and why: JSON lines that are only ever appended to, in the state folder."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

NAME: Final = "audit.jsonl"
MOST: Final = 1 << 20
"""Bytes of a file before it is set aside."""
OLDER: Final = 4
"""Files set aside that are kept."""


class Audit:
    """The audit of one state folder. Raises OSError where an entry cannot be made durable."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def append(self, entry: dict[str, Any]) -> None:
        """One entry, on disk when this returns. `at` in seconds of the wall clock becomes RFC 3339."""
        at = datetime.fromtimestamp(entry["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        raw = json.dumps({**entry, "at": at}, ensure_ascii=False).encode() + b"\n"
        if self._path.exists() and self._path.stat().st_size + len(raw) > MOST:
            self._rotate()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, raw)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _rotate(self) -> None:
        for number in range(OLDER, 0, -1):
            older = self._older(number - 1)
            if older.exists():
                older.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{NAME}.{number}")

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The last entries, the newest first. A torn line, as a crash leaves it, is left out."""
        found: list[dict[str, Any]] = []
        for number in range(OLDER + 1):
            path = self._older(number)
            lines = path.read_bytes().splitlines() if path.exists() else []
            for raw in reversed(lines):
                if len(found) >= limit:
                    return found
                try:
                    found.append(json.loads(raw))
                except ValueError:
                    continue
        return found
