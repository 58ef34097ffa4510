"""Finds what a detector matches in a text, and replaces it."""

import re
from collections.abc import Iterator
from typing import Final

from guard.privacy.detectors.values import GAP, Detector, Span, Tally

MOST_REFUSED: Final = 500
"""Rejected candidates per text. Checks are costly: after this many rejections, each further candidate counts as a match."""
_LEAD: Final = 2
_GAPS: Final = re.compile(GAP)
_GROUP: Final = re.compile(r"\w*")


def replaced(text: str, word: str, detector: Detector, tally: Tally) -> tuple[str, int]:
    """The text with `word` in place of each match, and how many there were. Ends early where the tally is used up."""
    spans = spans_of(text, detector, tally)
    return (spliced(text, [(begin, end, word) for begin, end in spans]), len(spans)) if spans else (text, 0)


def spliced(text: str, pieces: list[tuple[int, int, str]]) -> str:
    """The text with words in place of pieces, which are in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for begin, end, word in pieces:
        parts += (text[at:begin], word)
        at = end
    return "".join((*parts, text[at:]))


def spans_of(text: str, detector: Detector, tally: Tally) -> list[Span]:
    """Spans of the text that the detector matches, in order. Ends early where the tally is used up."""
    spans: list[Span] = []
    at = refused = 0
    for lowest, highest in _regions(text, detector):
        start = max(lowest, at)
        while (match := detector.pattern.search(text, start, highest)) is not None:
            span = detector.extent(match)
            accepted = 0
            if span is not None:
                begin, end = max(span[0], at), span[1]
                accepted = end if refused >= MOST_REFUSED else 0
                tally.finds -= detector.weight if accepted else 0
                accepted = accepted or _accepted(text, begin, end, detector, tally)
                if tally.finds < 0:
                    return spans
            if accepted:
                spans.append((begin, accepted))
                at = start = max(accepted, match.start() + 1)
            else:
                refused += span is not None
                start = _next(text, match, detector, skip=span is not None)
    return spans


def _regions(text: str, detector: Detector) -> Iterator[Span]:
    """Spans of the text in which candidates may stand."""
    if detector.within is None:
        yield 0, len(text)
        return
    for region in detector.within.finditer(text):
        yield max(0, region.start() - _LEAD), region.end()


def _next(text: str, match: re.Match[str], detector: Detector, *, skip: bool) -> int:
    """Position at which the search goes on after a rejected candidate: in its next group, behind it, or within it."""
    if detector.grouped:
        return _GROUP.search(text, match.start() + 1).end()  # type: ignore[union-attr]
    return max(match.end() if skip else 0, match.start() + 1)


def _accepted(text: str, begin: int, end: int, detector: Detector, tally: Tally) -> int:
    """End of the match that the check accepts; 0 if it accepts none. Each call of the check counts."""
    for item in _ends(text, begin, end, detector):
        tally.finds -= detector.weight
        if tally.finds < 0:
            return 0
        if detector.check(text[begin:item]):
            return item
    return 0


def _ends(text: str, begin: int, end: int, detector: Detector) -> Iterator[int]:
    """Ends that a candidate may have: its own, or that of a group earlier."""
    yield end
    while detector.grouped and (gaps := [gap.start() for gap in _GAPS.finditer(text, begin, end)]):
        end = gaps[-1]
        yield end
