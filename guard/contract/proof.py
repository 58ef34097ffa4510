"""Depth and finiteness of a document that was held against its contract: mostly the contract has proven both.

Where each field is one value of its row, a document that keeps the contract and has no other member is finite, and as deep
as the contract. To compare counts of members shows that; a look at the text costs as much as its parse.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from guard.contract.fields import FieldType
from guard.contract.strict import MAX_DEPTH, audit, bound

NESTED: Final[frozenset[FieldType]] = frozenset(("array", "object"))
"""Types whose values have members of their own."""

Prove: TypeAlias = Callable[[Any, bytes, bool], None]
"""Of a document, its text, and whether it keeps its contract. Raises Unreadable."""


def by_text(tree: Any, body: bytes, kept: bool) -> None:  # noqa: ARG001, FBT001 — a Prove
    """Where the contract leaves anything open."""
    bound(tree, body)
    audit(tree, body)


def by_members(members: Mapping[str, bool], *, refused: bool) -> Prove:
    """The document is one row. `members`: what it may hold, one value each, and whether that is always there.

    `refused`: whether a document that breaks the contract is; its declared numbers then matter to nobody.
    """
    covers, width = frozenset(members).issuperset, _width(members)

    def prove(tree: Any, body: bytes, kept: bool) -> None:  # noqa: FBT001
        if kept and (len(tree) == width or covers(tree)):
            return
        if refused and type(tree) is dict and covers(tree):
            bound(tree, body)
        else:
            by_text(tree, body, kept)

    return prove


def by_rows(steps: Sequence[str], members: Mapping[str, bool] | None) -> Prove:
    """At the end of `steps` is a list of rows, each with these `members`; None: each a value, or positions of values."""
    if len(steps) + 2 > MAX_DEPTH:
        return by_text
    covers, width = frozenset(members or ()).issuperset, _width(members or {})

    def closed(tree: Any) -> bool:
        for step in steps:
            if type(tree) is not dict or len(tree) > 1:
                return False
            tree = tree.get(step)
        if type(tree) is not list:
            return False
        return members is None or sum(map(len, tree)) == width * len(tree) or all(map(covers, tree))

    def prove(tree: Any, body: bytes, kept: bool) -> None:  # noqa: FBT001
        if not (kept and closed(tree)):
            by_text(tree, body, kept)

    return prove


def _width(members: Mapping[str, bool]) -> int:
    """How many members a row has that keeps the contract and has no other; -1 where that differs from row to row."""
    return len(members) if all(members.values()) else -1
