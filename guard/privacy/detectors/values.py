"""A detector, and what the detectors share."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol
from unicodedata import normalize

DIGIT: Final = re.compile(r"\d")
GAP: Final = r"[ \u00a0\u2009\u202f\-\u2010-\u2013]"
"""Between the groups of a number."""
SEPARATOR: Final = r"[ \u00a0\u2009\u202f./\-\u2010-\u2013]"


def always(_text: str) -> bool:
    """The check of a pattern that needs none."""
    return True


class Tally(Protocol):
    """What may still be found in the texts of one document."""

    finds: int
    """Below zero there were too many, and nothing more is looked for."""


class Unbounded:
    """The tally of a text whose length bounds what is in it."""

    def __init__(self) -> None:
        self.finds = 1 << 62


class Detector(NamedTuple):
    """A pattern for candidates and the check that accepts one. A file of this folder defines one, `DETECTOR`."""

    name: str
    """What a policy writes in `detect`, and the word that replaces a match: `[name]`."""
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = always
    hint: re.Pattern[str] = DIGIT
    """A text without a match of this holds nothing to detect."""
    grouped: bool = False
    """Whether a candidate that the check rejects may be a match followed by words that look like one more group."""
    weight: int = 1
    """How many finds a candidate counts for: one of those whose check takes 20 µs and more counts for several."""


def ascii_of(text: str) -> str:
    """Digits and letters of other widths and scripts as ASCII."""
    return "".join(str(int(one)) if one.isdecimal() else one for one in normalize("NFKC", text))


def compact(text: str) -> str:
    """Its digits and letters alone, as ASCII."""
    return "".join(one for one in ascii_of(text) if one.isalnum())
