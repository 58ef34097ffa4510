"""The bound on the elements of one document, as its contract declares it.

Each element of a text is built, validated and written again, which costs more than its bytes do. An optional member that an
object lacks costs too: the validator looks for it, and it may have a default. One bound covers both. The same bound covers
texts that are matched by a pattern whose automaton may not stay small.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from guard.contract.fields import Shape
from guard.contract.patterns import MOST_STEPS, steps
from guard.contract.strict import MAX_ELEMENTS, Unreadable

EVERY: Final = None
"""The step of a place that leads to each item of a list."""
Place: TypeAlias = tuple[str | int | None, ...]

ABSENT: Final = 8
"""Absent optional members of an object that together cost as much as one element."""


class Budget:
    """The bounds of documents. `fields` are an instance's members; `steps` lead to the instances, None: the body is one.

    `places` are the fields' paths from their instance; a field without one stands under its name.
    """

    def __init__(
        self,
        fields: Mapping[str, Shape],
        steps: Sequence[str] | None = None,
        elements: int = MAX_ELEMENTS,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        below = max((_optional(members) for members in _members(fields.values())), default=0)
        self.elements = max(1, elements // max(1, below // ABSENT))
        self._steps = steps
        self._rows = ABSENT * elements // (ABSENT + _optional(fields))
        self.free = 2 * self._rows
        """Length in bytes up to which a text cannot have too many instances."""
        at = places or {}
        self._dear = [dear for name, shape in fields.items() for dear in _dear(shape, at.get(name, (name,)))]
        self.dear = bool(self._dear)
        """Whether a pattern may cost more for a text than the text itself."""

    def spread(self, tree: Any) -> None:
        """Prove that absent members are few, and texts of expensive patterns short. Raises Unreadable("json_elements")."""
        rows: Any = (tree,)
        if self._steps is not None:
            for step in self._steps:
                tree = tree.get(step) if type(tree) is dict else None
            rows = tree if type(tree) is list else ()
            if len(rows) > self._rows:
                raise Unreadable("json_elements")
        remaining = MOST_STEPS
        for place, cost in self._dear:
            for row in rows:
                remaining -= cost * _characters(row, place)
                if remaining < 0:
                    raise Unreadable("json_elements")


def _dear(shape: Shape, place: Place) -> Iterator[tuple[Place, int]]:
    """The places of texts with an expensive pattern, at and below `place`, and the steps that each character costs."""
    if shape.pattern is not None and (cost := steps(shape.pattern)):
        yield place, cost
    for name, field in (shape.fields or {}).items():
        yield from _dear(field, (*place, name))
    if shape.items is not None:
        yield from _dear(shape.items, (*place, EVERY))


def _characters(value: Any, place: Place) -> int:
    """The total length of the texts at a place, in characters."""
    for index, step in enumerate(place):
        if step is EVERY:
            return sum(_characters(item, place[index + 1 :]) for item in value) if type(value) is list else 0
        if type(step) is int:
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if type(value) is dict else None
    return len(value) if type(value) is str else 0


def _optional(members: Mapping[str, Shape]) -> int:
    return sum(not shape.required for shape in members.values())


def _members(shapes: Iterable[Shape]) -> Iterator[Mapping[str, Shape]]:
    """The members of every object in these shapes, at any depth."""
    for shape in shapes:
        if shape.fields is not None:
            yield shape.fields
            yield from _members(shape.fields.values())
        if shape.items is not None:
            yield from _members((shape.items,))
