"""A parsed policy: scalars, mappings and lists that know where they stand in their file.

Scalars stay text: the policy's models decide how one reads, so `version: 3.10` is "3.10" and no word means false.
`loading/parse.py` makes a tree, `loading/resolve.py` changes it, the models read it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from guard.policy.errors import Path, Place

MAX_BYTES: Final = 1024 * 1024
"""The largest policy, and the largest file that a policy names."""


class Text(str):
    """A scalar as it was written. `plain` is False where it was quoted or a block."""

    __slots__ = ("place", "plain")
    plain: bool
    place: Place

    @classmethod
    def at(cls, text: str, place: Place, *, plain: bool = True) -> Self:
        """The text that stands at a place."""
        node = cls(text)
        node.plain, node.place = plain, place
        return node

    @property
    def null(self) -> bool:
        """Whether it reads as null in YAML 1.2's core schema."""
        return self.plain and self in {"", "~", "null", "Null", "NULL"}


class Tree(dict[str, Any]):
    """A mapping. `places` are those of its keys; `path` is set once the document is whole."""

    def __init__(self, place: Place, items: Iterable[tuple[str, Any]] = (), path: Path = ()) -> None:
        super().__init__(items)
        self.place = place
        self.places: dict[str, Place] = {}
        self.path = path

    def derived(self, items: Mapping[str, Any]) -> "Tree":
        """The same place in the file, said in other words."""
        node = Tree(self.place, items.items(), self.path)
        node.places = self.places
        return node


class Items(tuple[Any, ...]):  # noqa: SLOT001 — a tuple cannot have slots with a value
    """A list."""

    place: Place
    path: Path = ()

    @classmethod
    def at(cls, items: Iterable[Any], place: Place, path: Path = ()) -> Self:
        """The list that stands at a place."""
        node = cls(items)
        node.place, node.path = place, path
        return node


def located(node: Any) -> Place | None:
    """The place of a part of a tree; None for values that came from no file."""
    return getattr(node, "place", None)


def set_paths(node: Any, path: Path = ()) -> None:
    """Tell every mapping and list its path."""
    if isinstance(node, Tree):
        node.path = path
        for key, value in node.items():
            set_paths(value, (*path, key))
    elif isinstance(node, Items):
        node.path = path
        for index, value in enumerate(node):
            set_paths(value, (*path, index))


def find(node: object, path: Path, *, key: bool = False) -> tuple[Place | None, bool]:
    """The place of the value (or of its key) at `path`, and whether it was written there at all.

    Where a policy used a shorthand the models know longer paths than the file has: parts that the file does not have
    are skipped, and a list of one-key mappings (`fallback`) reads as one mapping.
    """
    place, exact = located(node), True
    for part in path:
        step, at = _step(node, part)
        exact = step is not None
        if exact:
            node, place = step, (at if key and at else located(step) or at)
    return place, exact


def _step(node: object, part: str | int) -> tuple[object | None, Place | None]:
    if isinstance(node, Tree) and part in node:
        return node[str(part)], node.places.get(str(part))
    if isinstance(node, Items):
        if isinstance(part, int) and 0 <= part < len(node):
            return node[part], None
        for item in node:
            if isinstance(item, Tree) and part in item:
                return item[str(part)], item.places.get(str(part))
    return None, None
