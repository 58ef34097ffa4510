"""Replaces what a detector matches in a text."""

import re
from collections.abc import Iterator
from typing import Final

from guard.privacy.detectors.values import GAP, Detector

MOST_REFUSED: Final = 500
"""Of one text. Checks cost: after so many numbers that only look like one, the rest are taken for what they look like."""
_GAPS: Final = re.compile(GAP)
_GROUP: Final = re.compile(r"\w*")


def replaced(text: str, word: str, detector: Detector) -> tuple[str, int]:
    """The text with `word` in place of each match, and how many there were."""
    parts: list[str] = []
    at = start = refused = 0
    while (match := detector.pattern.search(text, start)) is not None:
        begin, end = match.span()
        if refused < MOST_REFUSED:
            end = next((one for one in _ends(text, begin, end, detector) if detector.check(text[begin:one])), 0)
        if end:
            parts += (text[at:begin], word)
            at = start = end
        else:
            refused += 1
            start = _GROUP.search(text, begin + 1).end() if detector.grouped else match.end()  # type: ignore[union-attr]
    return ("".join((*parts, text[at:])), len(parts) // 2) if parts else (text, 0)


def _ends(text: str, begin: int, end: int, detector: Detector) -> Iterator[int]:
    """Where a candidate may end: as a whole, or a group earlier."""
    yield end
    while detector.grouped and (gaps := [gap.start() for gap in _GAPS.finditer(text, begin, end)]):
        end = gaps[-1]
        yield end
