"""Finds what should not be in a text field, and puts a word in its place, before anybody else reads the document."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from guard.contract.fields import Part, Shape
from guard.proxy.values import ViolationCode

MAX_SEARCHED: Final = 65_536
"""Characters of one document that are searched, where the policy does not say otherwise."""
MAX_FINDS: Final = 1_000
"""Finds in one document, where the policy does not say otherwise: of the dearest, telephones and accounts, a quarter."""


class Tally:
    """What may still be searched and found in the texts of one document."""

    def __init__(self, characters: int, finds: int) -> None:
        self.characters = characters
        self.finds = finds
        self.field = ""
        """The field whose text was too long, or held too much; empty while there is none."""
        self.row = 0
        self.code: ViolationCode = "length"


Scrub: TypeAlias = Callable[[str, Tally], tuple[str, dict[str, int]]]
"""A text without what was looked for, and how often each was found."""
Detect: TypeAlias = Callable[[tuple[str, ...]], Scrub]
"""Makes the scrub of these detectors."""
Found: TypeAlias = list[tuple[str, str, int]]
"""Field, detector, count."""

EVERY: Final = "*"


def nothing(_detectors: tuple[str, ...]) -> Scrub:
    """Searches for nothing: for whoever only wants to know whether the contract compiles."""
    return lambda text, _tally: (text, {})


class Scrubbing:
    """The texts of a route's instances that are searched, nested ones included."""

    def __init__(self, fields: Mapping[str, Shape], paths: Mapping[str, tuple[Part, ...]], detect: Detect) -> None:
        """`paths`: where each field stands in an instance; a number is a position."""
        self._searched = [
            (name, (*paths[name], *below), detect(scrub_field))
            for name, field in fields.items()
            if name in paths
            for below, scrub_field in _texts(field)
        ]

        self.detectors = tuple(
            dict.fromkeys(name for field in fields.values() for _, several in _texts(field) for name in several)
        )
        """All that look at some field of the route."""

    def __bool__(self) -> bool:
        return bool(self._searched)

    def row(self, row: Any, tally: Tally) -> tuple[Any, Found]:
        """The row with words in place of what was found. The validator made the row, so it is changed in place.

        Where the tally names a field afterwards, the row was not searched to its end, and must not be used.
        """
        findings: Found = []
        if isinstance(row, tuple):
            row = list(row)
        for name, path, scrub in self._searched:
            _put(row, path, scrub, name, findings, tally)
            if tally.field:
                break
        return row, findings


def _texts(shape: Shape) -> Iterator[tuple[tuple[Part, ...], tuple[str, ...]]]:
    """Where, below a shape, texts are searched, and for what."""
    if shape.detect:
        yield (), shape.detect
    for name, field in (shape.fields or {}).items():
        yield from (((name, *below), text) for below, text in _texts(field))
    if shape.items is not None:
        yield from (((EVERY, *below), text) for below, text in _texts(shape.items))


def _put(node: Any, path: tuple[Part, ...], scrub: Scrub, name: str, findings: Found, tally: Tally) -> None:
    first, rest = path[0], path[1:]
    if first == EVERY and isinstance(node, list):
        keys: Any = range(len(node))
    elif isinstance(node, dict):
        keys = (first,) if first in node else ()
    elif isinstance(node, list) and isinstance(first, int) and first < len(node):
        keys = (first,)
    else:
        return
    for key in keys:
        if rest:
            _put(node[key], rest, scrub, name, findings, tally)
        elif isinstance(node[key], str):
            tally.characters -= len(node[key])
            if tally.characters < 0:
                tally.field = name
            else:
                node[key], counts = scrub(node[key], tally)
                findings += ((name, detector, count) for detector, count in counts.items())
                if tally.finds < 0:
                    tally.field, tally.code = name, "items"
        if tally.field:
            return
