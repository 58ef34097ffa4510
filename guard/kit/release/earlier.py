"""The release before: its record is kept before another takes its place, and the new one says where."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from guard.kit.files import policy_file, read_at_most, replace
from guard.kit.release.options import ReleaseOptions
from guard.kit.release.record import shown_path
from guard.policy.document import MAX_BYTES
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load_release
from guard.policy.loading.digest import release_digest
from guard.policy.models import FIRST, Release

FOLDER: Final = "releases"


@dataclass(frozen=True, slots=True)
class Standing:
    """The file that stands in the record's place now."""

    raw: bytes
    release: Release | None
    """None: something that is no release."""
    copy: Path
    """The path to which the file will move."""


def standing(out: Path) -> Standing | None:
    """None where nothing is. Raises OSError, also for what is too large to be kept."""
    try:
        raw = read_at_most(out, MAX_BYTES)
    except FileNotFoundError:
        return None
    if len(raw) > MAX_BYTES:
        raise OSError(27, "the file has more than 1 MiB and is not a release", str(out))
    try:
        release = load_release(out, policy_file)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", release.version)[:60].lstrip(".") or "release"
    except PolicyInvalid:
        release, name = None, "unreadable"
    copy = out.parent / FOLDER / f"{name}-{hashlib.sha256(raw).hexdigest()[:8]}.yaml"
    return Standing(raw, release, copy)


def keep(here: Standing) -> None:
    """Raises OSError, and then the record must not be replaced."""
    here.copy.parent.mkdir(exist_ok=True)
    replace(here.copy, here.raw)


def previous(options: ReleaseOptions, out: Path, here: Standing | None) -> Any:
    """The previous release, as the record names it; None if unknown. Raises PolicyInvalid.

    Named on the command line; else the record that stands there. The same version written again keeps the one it had: a
    release is not its own predecessor.
    """
    if options.first:
        return FIRST
    if options.previous is not None and Path(options.previous).resolve() != out.resolve():
        path = Path(options.previous)
        return _named(load_release(path, policy_file), shown_path(path, out))
    if here is None or here.release is None:
        return None
    if here.release.version != options.version:
        return _named(here.release, shown_path(here.copy, out))
    had = here.release.previous
    return had if had is None or isinstance(had, str) else had.model_dump(exclude_none=True)


def _named(release: Release, record: str) -> dict[str, str]:
    members = {"version": release.version, "commit": release.commit, "digest": release_digest(release), "record": record}
    return {key: value for key, value in members.items() if value is not None}
