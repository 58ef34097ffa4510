"""Errors of a policy, each with a place that an editor can jump to.

Exception
└── PolicyInvalid   the policy cannot be used; carries every PolicyError found, not only the first
"""

import json
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from guard.policy.loading import Loaded

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the root of the policy to a value."""

_BARE = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
_SHOWN = 60


class Place(NamedTuple):
    """The position of a key or value. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def dotted(path: Path) -> str:
    """A path as people write it: `routes."POST /predict".input.age`, `webhooks[0].url`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.match(part) else json.dumps(part, ensure_ascii=False))
    return text


def shown(text: str, most: int = _SHOWN) -> str:
    """A short scalar of the policy in quotes, cut at `most` characters, on one line."""
    return json.dumps(text if len(text) <= most else text[:most] + "…", ensure_ascii=False)


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def among(names: Sequence[str]) -> str:
    """Expectation of one of these names; empty if there are none."""
    return f"one of {listed(names)}" if names else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that was probably meant; empty where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 — 2 ms that a good policy need not pay

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), "")


@dataclass(frozen=True, slots=True)
class PolicyError:
    """One mistake. `expected` describes a valid value; `nearest` is the known word that was probably intended."""

    place: Place
    path: Path
    message: str
    expected: str = ""
    nearest: str = ""

    @property
    def file(self) -> str:
        """The file it stands in, as it was named."""
        return self.place.file

    @property
    def line(self) -> int:
        """Line, counted from 1; 0 for the file as a whole."""
        return self.place.line

    @property
    def column(self) -> int:
        """Column, counted from 1; 0 for the file as a whole."""
        return self.place.column

    @property
    def pointer(self) -> str:
        """The path to it, dotted."""
        return dotted(self.path)

    def __str__(self) -> str:
        text = f"{self.place}: " + (f"{self.pointer}: " if self.path else "") + self.message
        if self.nearest:
            text += f"; did you mean {shown(self.nearest)}?"
        if self.expected:
            text += f"{'' if self.nearest else ';'} expected {self.expected}"
        return text


class PolicyInvalid(Exception):  # noqa: N818 — a word of the domain
    """The policy cannot be used. `errors` are all that were found, in the order of the files and their lines.

    `contents` are the files that were read until then: when one of them changes, the policy may be right again.
    """

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.contents: Mapping[pathlib.Path, bytes] = {}
        self.policy: Loaded | None = None  # that was read, where it is its plan that does not compile
        self.errors = tuple(sorted(dict.fromkeys(errors), key=lambda error: error.place))
        super().__init__("\n".join(str(error) for error in self.errors))
