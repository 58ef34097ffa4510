"""`release-history.jsonl`: what became of each release, only appended, each line with the hash of the line before it."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

NAME: Final = "release-history.jsonl"
MOST_READ: Final = 1 << 20
FIRST: Final = "0" * 64


class ReleaseHistory:
    """The history of one state folder, for one thread that appends and reads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def append(self, entry: dict[str, Any]) -> None:
        """Append an entry, on disk when this returns. Raises OSError. `at`: seconds of the wall clock."""
        at = datetime.fromtimestamp(entry["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            tail = os.pread(descriptor, MOST_READ, max(0, size - MOST_READ))
            whole = tail[: tail.rfind(b"\n") + 1]
            os.ftruncate(descriptor, size - len(tail) + len(whole))  # what a crash left of a line
            lines = whole.splitlines()
            before = hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST
            line = json.dumps({**entry, "at": at, "before": before}, ensure_ascii=False).encode(errors="backslashreplace")
            os.write(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries, the newest first; `intact` says whether each follows the one before it."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, self._path.stat().st_size - MOST_READ))
                raw = file.read()
        except FileNotFoundError:
            return []
        entries: list[dict[str, Any]] = []
        before = None
        for line in raw[: raw.rfind(b"\n") + 1].splitlines():
            try:
                entry = dict(json.loads(line))
            except (ValueError, TypeError):
                entry = {"damaged": True}
            entry["intact"] = before is None or entry.get("before") == before
            entries.append(entry)
            before = hashlib.sha256(line).hexdigest()
        return entries[::-1][:limit]
