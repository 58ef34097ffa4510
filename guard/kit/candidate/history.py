"""The history of releases: a file of JSON lines beside the policy, each chained to the line before by its digest.

    {"at": "2026-01-31T09:30:00Z", "who": "ada", "step": "evaluate", "version": "2.0.0", "release": "sha256:…",
     "outcome": "pass", "detail": "…", "evidence": {"evaluate": "sha256:…"}, "before": "sha256:…"}

Lines are only added. `before` is the digest of the line before, and of nothing for the first: to change, drop or reorder a
line breaks the chain at that place. The chain keeps an honest team honest; who may write the file may write it all anew.
"""

import fcntl
import hashlib
import json
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from guard.kit.files import read_at_most
from guard.kit.release.earlier import FOLDER

NAME: Final = "history.jsonl"
PREFIX: Final = "sha256:"
MOST_BYTES: Final = 64 << 20
MEMBERS: Final = ("at", "who", "step", "version", "release", "outcome", "detail", "evidence", "before")


class HistoryBroken(Exception):  # noqa: N818
    """A history whose chain does not hold; the message names the line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step to be added to the history."""

    step: str
    version: str
    release: str | None
    outcome: str
    detail: str
    evidence: Mapping[str, str]


def place(policy: Path) -> Path:
    """The path of a policy's history."""
    return policy.parent / FOLDER / NAME


def append(policy: Path, step: Step, now: datetime, who: str | None = None) -> dict[str, Any]:
    """Add a line and return it. Raises OSError, and HistoryBroken where the chain before does not hold."""
    path = place(policy)
    path.parent.mkdir(exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = _verified(path, read_at_most(path, MOST_BYTES))
        entry = {
            "at": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "who": who or person(), "step": step.step, "version": step.version, "release": step.release,
            "outcome": step.outcome, "detail": step.detail, "evidence": dict(step.evidence),
            "before": lines[-1][1] if lines else digest(b""),
        }  # fmt: skip
        file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return entry


def read(policy: Path) -> list[dict[str, Any]]:
    """Every line, the oldest first; empty without a history. Raises OSError, HistoryBroken."""
    path = place(policy)
    try:
        raw = read_at_most(path, MOST_BYTES)
    except FileNotFoundError:
        return []
    return [entry for entry, _ in _verified(path, raw)]


def digest(raw: bytes) -> str:
    """The digest of a line or a file."""
    return PREFIX + hashlib.sha256(raw).hexdigest()


def person() -> str:
    """The user who runs this."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _verified(path: Path, raw: bytes) -> list[tuple[dict[str, Any], str]]:
    if len(raw) > MOST_BYTES:
        raise HistoryBroken(f"{path}: more than {MOST_BYTES >> 20} MiB; move it away, and a new chain begins")
    if raw and not raw.endswith(b"\n"):
        raise HistoryBroken(f"{path}: the last line is cut short; restore the file from version control")
    entries: list[tuple[dict[str, Any], str]] = []
    before = digest(b"")
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or any(member not in entry for member in MEMBERS):
            raise HistoryBroken(f"{path}:{number}: not a step; restore the file from version control")
        if entry["before"] != before:
            raise HistoryBroken(f"{path}:{number}: the chain is broken: a line before it was changed, dropped or added")
        before = digest(line)
        entries.append((entry, before))
    return entries
