"""A detector, and what the detectors share. They search a text whose characters are folded to ASCII (`folding.py`)."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeAlias
from unicodedata import normalize

DIGIT: Final = re.compile(r"\d")
GAP: Final = r"(?: {1,2}| ?[-._/] ?)"
"""Separator between the groups of a number."""
WORD_WINDOW: Final = 28
"""Characters before a number that are searched for a word which names its kind."""

Span: TypeAlias = tuple[int, int]


def always(_text: str) -> bool:
    """The check of a pattern that needs none."""
    return True


def whole_match(match: re.Match[str]) -> Span | None:
    """The extent of a pattern that needs no look at its neighbours."""
    return match.span()


class Tally(Protocol):
    """The number of matches that the texts of one document may still have."""

    finds: int
    """Matches left. Below zero there were too many, and the search stops."""


class Unbounded:
    """The tally of a text whose length bounds what is in it."""

    def __init__(self) -> None:
        self.finds = 1 << 62


class Detector(NamedTuple):
    """A pattern for candidates and the check that accepts one. A file of this folder defines one, `DETECTOR`."""

    name: str
    """Name that a policy writes in `detect`, and the word that replaces a match: `[name]`."""
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = always
    hint: re.Pattern[str] = DIGIT
    """A text without a match of this holds nothing to detect."""
    grouped: bool = False
    """Whether a candidate that the check rejects may be a match followed by words that look like one more group."""
    weight: int = 1
    """Number of matches that a candidate counts for: a check that takes 20 µs or more counts for several."""
    extent: Callable[[re.Match[str]], Span | None] = whole_match
    """The span of a candidate to check, by the text around it; None if it is no match. Takes a few µs at most."""
    needs: int = 0
    """The signs (`signs.py`) of which a text must show one; 0: any text is searched."""
    within: re.Pattern[str] | None = None
    """Candidates end within a match of this, and begin at most two characters before it; None: they may be anywhere."""
    also: tuple["Detector", ...] = ()
    """Further detectors of the same name."""


def before(match: re.Match[str]) -> str:
    """The text before a candidate that may name it, in lower case."""
    begin = match.start()
    return match.string[max(0, begin - WORD_WINDOW) : begin].lower()


def ascii_of(text: str) -> str:
    """Digits and letters of other widths and scripts as ASCII."""
    if text.isascii():
        return text
    return "".join(str(int(item)) if item.isdecimal() else item for item in normalize("NFKC", text))


def compact(text: str) -> str:
    """The digits and letters of a text, as ASCII."""
    return "".join(filter(str.isalnum, ascii_of(text)))
