"""Measures how often detectors find what is private, and what is not: `python -m tests.privacy.measured` writes the tables.

docs/limits.md holds what it writes; a test compares them.
"""

from typing import Final

from guard.privacy.detectors import DETECTORS, compile_detectors
from tests.privacy.forms import FORMS
from tests.privacy.other_forms import OTHER_FORMS
from tests.privacy.tricks import IDS, INNOCENT, innocent, tricks

SEED: Final = 26
TRICKS: Final = 400
INNOCENTS: Final = 3000
NUMBERED: Final = 20_000
"""Of ids of each length: one in forty of sixteen digits could be a card's."""
WORDS: Final = {
    "seconds": "seconds since 1970", "ms": "milliseconds since 1970", "us": "microseconds since 1970",
    "order": "order numbers of ten digits, filled up with zeros",
    **{f"id{digits}": f"ids of {digits} digits" for digits in range(12, 20)},
    "float": "floating-point numbers", "hash": "hashes of 32, 40 and 64 hex digits", "uuid": "UUIDs", "version": "versions",
    "date": "dates and times",
}  # fmt: skip


def found() -> dict[str, tuple[int, int, int]]:
    """By detector: forms written by hand that are found, how many there are, and found of those made from the seed."""
    rates: dict[str, tuple[int, int, int]] = {}
    for name in DETECTORS:
        scrub = compile_detectors([name])
        forms = (*FORMS[name], *OTHER_FORMS[name])
        by_hand = sum(bool(scrub(text)[1]) for text in forms)
        total = sum(bool(scrub(text)[1]) for text in tricks(SEED, name, TRICKS))
        rates[name] = by_hand, len(forms), total
    return rates


def mistaken() -> dict[str, float]:
    """By kind: the share of texts of values that are not private in which any detector finds something."""
    scrub = compile_detectors(DETECTORS)
    counts = {kind: NUMBERED if kind in IDS else INNOCENTS for kind in INNOCENT}
    return {
        kind: sum(bool(scrub(text)[1]) for text in innocent(SEED, kind, count)) / count for kind, count in counts.items()
    }


def tables() -> str:
    """Both tables, in Markdown."""
    lines = ["| detector | found of forms written by hand | found of forms made from a seed |", "|---|---|---|"]
    lines += [f"| `{name}` | {hand} of {count} | {made / TRICKS:.1%} |" for name, (hand, count, made) in found().items()]
    lines += ["", "| not private | taken for private |", "|---|---|"]
    lines += [f"| {WORDS[kind]} | {share:.2%} |" for kind, share in mistaken().items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())
