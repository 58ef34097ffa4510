"""Replaces what a detector matches in a text."""

import re
from collections.abc import Iterator
from typing import Final

from guard.privacy.detectors.values import GAP, Detector, Tally

MOST_REFUSED: Final = 500
"""Of one text. Checks cost: after so many numbers that only look like one, the rest are taken for what they look like."""
_GAPS: Final = re.compile(GAP)
_GROUP: Final = re.compile(r"\w*")


def replaced(text: str, word: str, detector: Detector, tally: Tally) -> tuple[str, int]:
    """The text with `word` in place of each match, and how many there were. Ends early where the tally is used up."""
    parts: list[str] = []
    at = start = refused = 0
    while (match := detector.pattern.search(text, start)) is not None:
        begin, end = match.span()
        if refused < MOST_REFUSED:
            end = _accepted(text, begin, end, detector, tally)
        else:
            tally.finds -= detector.weight
        if tally.finds < 0:
            break
        if end:
            parts += (text[at:begin], word)
            at = start = end
        else:
            refused += 1
            start = _GROUP.search(text, begin + 1).end() if detector.grouped else match.end()  # type: ignore[union-attr]
    return ("".join((*parts, text[at:])), len(parts) // 2) if parts else (text, 0)


def _accepted(text: str, begin: int, end: int, detector: Detector, tally: Tally) -> int:
    """Where the match ends that the check accepts; 0 where it accepts none. Each look of the check counts."""
    for one in _ends(text, begin, end, detector):
        tally.finds -= detector.weight
        if tally.finds < 0:
            return 0
        if detector.check(text[begin:one]):
            return one
    return 0


def _ends(text: str, begin: int, end: int, detector: Detector) -> Iterator[int]:
    """Where a candidate may end: as a whole, or a group earlier."""
    yield end
    while detector.grouped and (gaps := [gap.start() for gap in _GAPS.finditer(text, begin, end)]):
        end = gaps[-1]
        yield end
