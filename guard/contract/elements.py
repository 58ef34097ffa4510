"""How many elements one document may have, for what its contract declares.

Each element of a text is built, held against the contract and written again, which costs more than its bytes do. So does
each optional member that an object does not have: it is looked for, and may have a default. Both are bounded together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from guard.contract.fields import Shape
from guard.contract.strict import MAX_ELEMENTS, Unreadable

ABSENT: Final = 8
"""Optional members of an object that cost, when they are absent, what one element does."""


class Budget:
    """`fields` are an instance's members; `steps` lead to the list of instances, None where the body is the only one."""

    def __init__(
        self, fields: Mapping[str, Shape], steps: Sequence[str] | None = None, elements: int = MAX_ELEMENTS
    ) -> None:
        below = max((_optional(members) for members in _members(fields.values())), default=0)
        self.elements = max(1, elements // max(1, below // ABSENT))
        self._steps = steps
        self._rows = ABSENT * elements // (ABSENT + _optional(fields))
        self.free = 2 * self._rows
        """Bytes up to which a text cannot have too many instances."""

    def spread(self, tree: Any) -> None:
        """Prove that the instances are few enough for what each may lack. Raises Unreadable("json_elements")."""
        if self._steps is None:
            return
        for step in self._steps:
            if type(tree) is not dict:
                return
            tree = tree.get(step)
        if type(tree) is list and len(tree) > self._rows:
            raise Unreadable("json_elements")


def _optional(members: Mapping[str, Shape]) -> int:
    return sum(not shape.required for shape in members.values())


def _members(shapes: Iterable[Shape]) -> Iterator[Mapping[str, Shape]]:
    """The members of every object below these."""
    for shape in shapes:
        if shape.fields is not None:
            yield shape.fields
            yield from _members(shape.fields.values())
        if shape.items is not None:
            yield from _members((shape.items,))
