"""Finds what must not be in a text field and replaces it with a word, before anything else reads the document."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from guard.contract.fields import Part, Shape
from guard.proxy.values import ViolationCode

MAX_SEARCHED: Final = 65_536
"""Most characters of one document that are searched, unless the policy sets another number."""
MAX_FINDS: Final = 1_000
"""Most finds in one document, unless the policy sets another number; a telephone or account number counts as four."""


class Tally:
    """The characters and finds that the texts of one document may still cost."""

    def __init__(self, characters: int, finds: int) -> None:
        self.characters = characters
        self.finds = finds
        self.field = ""
        """The field at which the search stopped, because its text was too long or held too many finds; empty if none."""
        self.row = 0
        self.code: ViolationCode = "length"


Scrub: TypeAlias = Callable[[str, Tally], tuple[str, dict[str, int]]]
"""A function that replaces each find in a text, and returns the text and the number of finds by detector."""
Detect: TypeAlias = Callable[[tuple[str, ...]], Scrub]
"""A function that makes the scrub of these detectors."""
Found: TypeAlias = list[tuple[str, str, int]]
"""Finds: field, detector, count."""

EVERY: Final = "*"


def nothing(_detectors: tuple[str, ...]) -> Scrub:
    """A scrub that searches for nothing, for a caller that only checks whether the contract compiles."""
    return lambda text, _tally: (text, {})


class Scrubbing:
    """The texts of a route's instances that are searched, nested ones included."""

    def __init__(self, fields: Mapping[str, Shape], paths: Mapping[str, tuple[Part, ...]], detect: Detect) -> None:
        """Collect the searched texts. `paths`: the path of each field from its instance; a number is a position."""
        self._searched = [
            (name, (*paths[name], *below), detect(scrub_field))
            for name, field in fields.items()
            if name in paths
            for below, scrub_field in _texts(field)
        ]

        self.detectors = tuple(
            dict.fromkeys(name for field in fields.values() for _, several in _texts(field) for name in several)
        )
        """Every detector that a field of the route has."""

    def __bool__(self) -> bool:
        return bool(self._searched)

    def row(self, row: Any, tally: Tally) -> tuple[Any, Found]:
        """The row with a word in place of each find, and the finds. The validator made the row, so it is changed in place.

        If the tally names a field afterwards, the search stopped early, and the row must not be used.
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
    """The paths of searched texts below a shape, with the detectors of each."""
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
