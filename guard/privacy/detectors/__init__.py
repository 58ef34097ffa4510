"""Detectors: find private data in texts and replace it by `[name]`. One file each, and one line here.

Here: a detector's pattern, the signs that a text may concern it, and its check of numbers.
Not here: which fields are searched, and how the finds of a request are bounded: `guard.contract.scrub`.

A text is folded first (`folding.py`), so that no way of writing a character hides anything, and one look at it
(`signs.py`) says which detectors it can concern. A detector is a pattern for candidates, an extent where neighbours
matter, and, where a number has a check of its own, that check, from a library that knows it (stdnum: Luhn, IBAN;
phonenumbers; ipaddress). Patterns are linear: every repeat is bounded or possessive. What a pattern finds and its check
refuses stays as it is.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from guard.privacy.detectors import card, email, iban, ip, phone, token, us_ssn
from guard.privacy.detectors.folding import Folded, fold, prepare
from guard.privacy.detectors.replace import spans_of, spliced
from guard.privacy.detectors.signs import signs_of
from guard.privacy.detectors.structure import in_json
from guard.privacy.detectors.values import Detector, Tally, Unbounded


class Scrub(Protocol):
    """Replaces what is looked for in a text."""

    def __call__(self, text: str, tally: Tally | None = None, /) -> tuple[str, dict[str, int]]:
        """The text without it, and how often each was found; the same object where nothing was. JSON stays JSON.

        Where the tally falls below zero the text was not searched to its end, and must not be used.
        """


_ALL: Final[tuple[Detector, ...]] = (
    token.DETECTOR,
    email.DETECTOR,
    iban.DETECTOR,
    card.DETECTOR,
    ip.DETECTOR,
    us_ssn.DETECTOR,
    phone.DETECTOR,
)

DETECTORS: Final[dict[str, Detector]] = {detector.name: detector for detector in _ALL}
"""Detectors by the name that a policy uses, in the order in which they search. Each searches the text that the ones before
left: their matches are replaced already.
"""

_MASK: Final = "\0"
"""Stands in the folded text in place of what was found: no detector takes it for a part of anything."""


def compile_detectors(names: Iterable[str]) -> Scrub:
    """A function that searches a text with these detectors. Raises ValueError for a name that no detector has."""
    wanted = set(names)
    if unknown := wanted - DETECTORS.keys():
        raise ValueError(f"no detector is called {', '.join(sorted(unknown))}")
    chosen = tuple(part for name, detector in DETECTORS.items() if name in wanted for part in (detector, *detector.also))
    if chosen:
        prepare()
    needs = 0
    for detector in chosen:
        needs = -1 if not detector.needs else needs | detector.needs

    def scrub(text: str, tally: Tally | None = None) -> tuple[str, dict[str, int]]:
        folded = fold(text)
        signs = signs_of(folded.text)
        if not signs & needs and needs >= 0 and folded.starts is None:
            return text, {}
        tally = tally if tally is not None else Unbounded()
        scrubbed, counts = _searched(text, folded, signs, chosen, tally)
        # What looks like an escape may be a part of a value: %4111 1111.
        if folded.starts is not None and tally.finds >= 0 and ("%" in text or "&" in text or "\\" in text):
            plain = fold(scrubbed, escapes=False)
            scrubbed, more = _searched(scrubbed, plain, signs_of(plain.text), chosen, tally)
            counts = {name: counts.get(name, 0) + more.get(name, 0) for name in counts | more}
        return scrubbed, counts

    return scrub


def _searched(
    text: str, folded: Folded, signs: int, chosen: tuple[Detector, ...], tally: Tally
) -> tuple[str, dict[str, int]]:
    counts: dict[str, int] = {}
    pieces: list[tuple[int, int, str]] = []
    plain = folded.text
    for detector in chosen:
        if (detector.needs and not detector.needs & signs) or detector.hint.search(plain) is None:
            continue
        spans = spans_of(plain, detector, tally)
        if not spans:
            continue
        counts[detector.name] = counts.get(detector.name, 0) + len(spans)
        word = f"[{detector.name}]"
        pieces += ((*folded.original(begin, end), word) for begin, end in spans)
        plain = spliced(plain, [(begin, end, _MASK * (end - begin)) for begin, end in spans])
    if not pieces:
        return text, counts
    pieces.sort()
    return spliced(text, in_json(text, pieces)), counts
