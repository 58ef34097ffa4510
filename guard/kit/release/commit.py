"""The commit that is checked out, as git says it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WITHIN: Final = 20.0
DIRTY: Final = "-dirty"
"""Behind a commit whose tree was changed: the word of `git describe --dirty`."""


def head(folder: Path, ours: Sequence[Path]) -> str | None:
    """The full hash, with `-dirty` where a tracked file other than `ours` was changed; None without git or repository."""
    commit, top = _git(folder, "rev-parse", "--verify", "HEAD"), _git(folder, "rev-parse", "--show-toplevel")
    if commit is None or top is None:
        return None
    changed = _git(folder, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
    known = [path.resolve() for path in ours]
    dirty = [
        path
        for line in (changed or "").split("\0")
        if line
        and (path := Path(top.strip("\n"), line[3:]).resolve())
        and not any(path.is_relative_to(item) for item in known)
    ]
    return commit.strip() + (DIRTY if dirty or changed is None else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command; None if it fails. No hook or helper of the repository runs."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)  # noqa: S603 — git
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
