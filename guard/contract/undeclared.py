"""Searches undeclared parts of a request that reach the model, so that detectors see every text.

Where a field of a route has `detect`, all detectors of the route look at members that the route passes undeclared, at
values whose parts nobody declared, and at what a dialect sends beside the instances. There every string is a text, the name
of every member, bytes that are text, and an integer that is long enough to be a card's number.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from guard.contract.fields import Part, Shape
from guard.contract.scrub import Found, Scrub, Tally
from guard.contract.validators import UNDECLARED
from guard.proxy.values import LEAST_NUMBER, NUMBERS_ONLY, SECRET_MEMBER, SECRET_VALUE

_UNSEARCHED: Final = frozenset((float, bool, type(None)))


class Place:
    """The declarations at one place of a document. Without members, items or positions the whole value is searched."""

    __slots__ = ("items", "label", "members", "passes", "positions")

    def __init__(
        self,
        label: str,
        *,
        members: "dict[str, Place | None] | None" = None,
        items: "Place | None" = None,
        positions: "Sequence[Place | None] | None" = None,
        passes: bool = False,
    ) -> None:
        """Make a place. `label`: the declared field that it belongs to. `passes`: undeclared members reach the model.

        None in place of a place: it is declared in full, and its declarations judge each of its texts.
        """
        self.label = label
        self.members = members
        self.items = items
        self.positions = positions
        self.passes = passes


def place_of_row(
    shapes: Mapping[str, Shape], paths: Mapping[str, tuple[Part, ...]], *, passes: bool, positions: int = 0
) -> Place | None:
    """The place of one instance; None if it is declared in full. `positions`: the length of a positional row, else 0."""
    if positions:
        row: list[Place | None] = [None] * positions
        for name, (index, *_) in paths.items():
            assert isinstance(index, int)
            row[index] = _place(shapes[name], name, passes=passes)
        return Place(UNDECLARED, positions=row) if any(row) else None
    root = Place(UNDECLARED, members={}, passes=passes)
    for name, path in paths.items():
        step = root
        for part in path[:-1]:
            below = (step.members or {}).get(str(part)) or Place(UNDECLARED, members={}, passes=passes)
            _members(step)[str(part)] = step = below
        _members(step)[str(path[-1])] = _place(shapes[name], name, passes=passes)
    return _kept_place(root)


def place_of_document(steps: Sequence[str], *, passes: bool) -> Place | None:
    """The place of a document whose instances stand at the end of `steps`; None if nothing undeclared passes."""
    if not passes or not steps:
        return None
    below: Place | None = None
    for step in reversed(steps):
        below = Place(UNDECLARED, members={step: below}, passes=True)
    return below


def _members(place: Place) -> dict[str, Place | None]:
    assert place.members is not None
    return place.members


def _place(shape: Shape, label: str, *, passes: bool) -> Place | None:
    if shape.type == "array":
        if shape.items is None:
            return Place(label)
        below = _place(shape.items, label, passes=passes)
        return Place(label, items=below) if below is not None else None
    if shape.type != "object":
        return None
    if shape.fields is None:
        return Place(label)
    return _kept_place(
        Place(
            label,
            members={name: _place(field, label, passes=passes) for name, field in shape.fields.items()},
            passes=passes,
        )
    )


def _kept_place(place: Place) -> Place | None:
    """The place; None if all of it is declared."""
    if place.passes:
        return place
    below = {
        name: _kept_place(member) if member is not None and member.members else member
        for name, member in _members(place).items()
    }
    place.members = below
    return place if any(below.values()) else None


class UndeclaredTexts:
    """Searches one document. Each call adds to `redactions`; the tally names the field at which the search stopped."""

    __slots__ = ("_scrub", "_tally", "redactions")

    def __init__(self, scrub: Scrub, tally: Tally) -> None:
        self._scrub, self._tally = scrub, tally
        self.redactions: Found = []

    def search(self, value: Any, place: Place) -> Any:
        """The value with a word in place of each find; the same object if there is none."""
        if self._tally.field:
            return value
        if place.members is not None and isinstance(value, dict):
            return self._members(value, place)
        if place.items is not None and isinstance(value, list):
            below = place.items
            return self._same(value, [self.search(item, below) for item in value])
        if place.positions is not None and isinstance(value, list | tuple):
            pairs = zip(value, place.positions, strict=False)
            return self._same(value, [pair if below is None else self.search(pair, below) for pair, below in pairs])
        return self.everything(value, place.label)

    def everything(self, value: Any, label: str) -> Any:
        """The value, all of it undeclared, with a word in place of each find; the same object if there is none."""
        kind = type(value)
        if kind is str:
            return self._text(value, label)
        if kind is dict:
            return self._rebuilt(
                value, {name: self._named(name, item, label) for name, item in value.items()}, value, label
            )
        if kind is list or kind is tuple:
            kinds = set(map(type, value))
            if kinds <= _UNSEARCHED or (kinds == {int} and max(value) < LEAST_NUMBER):
                return value
            return self._same(value, [self.everything(item, label) for item in value])
        if kind is int and value >= LEAST_NUMBER:
            digits = str(value)
            text = self._text(digits, label)
            return value if text is digits else text
        if kind is bytes:
            read = value.decode(errors="surrogateescape")
            text = self._text(read, label)
            return value if text is read else text.encode(errors="surrogateescape")
        return value

    def _members(self, value: dict[str, Any], place: Place) -> dict[str, Any]:
        declared = _members(place)
        values: dict[str, Any] = {}
        for name, item in value.items():
            if name not in declared:
                values[name] = self._named(name, item, place.label)
            else:
                below = declared[name]
                values[name] = item if below is None else self.search(item, below)
        undeclared = [name for name in value if name not in declared]
        return self._rebuilt(value, values, undeclared, place.label)

    def _named(self, name: str, value: Any, label: str) -> Any:
        """The searched value of a member, whose name may mark it as secret, or as a number that identifies no person."""
        if type(value) is int and name in NUMBERS_ONLY:
            return value
        if type(value) is str and SECRET_MEMBER.search(name) and SECRET_VALUE.match(value):
            read = f'{name}: "{value}"'
            text = self._text(read, label)
            return value if text is read else text[len(name) + 3 : -1]
        return self.everything(value, label)

    def _rebuilt(self, value: dict[str, Any], values: dict[str, Any], searched: Any, label: str) -> dict[str, Any]:
        """The object with these values and a word in place of each find in its names; equal new names are both kept."""
        names: dict[str, str] = {}
        for name in searched:
            text = self._text(name, label)
            if text is not name:
                names[name] = text
        if not names:
            return value if all(values[name] is item for name, item in value.items()) else values
        rebuilt: dict[str, Any] = {}
        for name, item in values.items():
            shown = names.get(name, name)
            while shown in rebuilt or (name in names and shown in values):
                shown += "_"
            rebuilt[shown] = item
        return rebuilt

    def _same(self, value: Any, values: list[Any]) -> Any:
        return value if all(map(_is_same, value, values)) else values

    def _text(self, text: str, label: str) -> str:
        tally = self._tally
        tally.characters -= len(text)
        if tally.characters < 0:
            tally.field = tally.field or label
        if tally.field:
            return text
        shown: str
        shown, counts = self._scrub(text, tally)
        if tally.finds < 0:
            tally.field, tally.code = label, "items"
        if not counts:
            return text
        self.redactions += [(label, detector, count) for detector, count in counts.items()]
        return shown


def _is_same(item: object, other: object) -> bool:
    return item is other
