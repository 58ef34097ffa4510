"""Options of `guard release`. An option that is not given is None or empty, and stays absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from guard.policy.release import FIRST, PartKind

KINDS: Final[tuple[str, ...]] = get_args(PartKind)
REFERENCE: Final = "reference"
"""The kind that is no part of the model: the reference of monitoring, which section 5 of the checklist asks for."""
REQUIRED: Final = tuple(kind for kind in KINDS if kind != REFERENCE)
WORDS: Final = ("in_code", "none")
"""Answers that a part may have in place of a path."""
NO_CONFIGURATION: Final = "none"


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """Paths are from the working folder, as they were typed."""

    version: str
    model: str | None = None
    commit: str | None = None
    lockfile: Path | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    """Parts by kind: a path, or one of WORDS."""
    evaluation: Path | None = None
    dataset: str | None = None
    evaluated: str | None = None
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    approved_by: str | None = None
    approved_at: str | None = None
    pipeline: str | None = None
    previous: str | None = None
    """A record's path, or FIRST."""
    configuration: Mapping[str, str] | None = None
    """Configuration by key, as typed. Empty: declared to be none."""
    strict: bool = False

    @property
    def first(self) -> bool:
        """Whether somebody says that no release came before."""
        return self.previous == FIRST
