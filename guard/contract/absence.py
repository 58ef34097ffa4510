"""Optional members that are not there: null of one is as good as none, and what is missing has its default."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from guard.contract.fields import Shape

Absence: TypeAlias = tuple[str, bool, object, bool]
"""An optional member: its name, whether it has a default, the default, whether null is a way to be absent."""


def absences(members: Mapping[str, Shape]) -> tuple[Absence, ...]:
    """What may be absent and is then settled: not what may be null and has no default."""
    return tuple(
        (name, shape.has_default, shape.default, not shape.nullable)
        for name, shape in members.items()
        if not shape.required and (shape.has_default or not shape.nullable)
    )


def settle(document: dict[str, object], absent: Iterable[Absence]) -> dict[str, object]:
    """In place: null of an optional member is a missing one; a missing one has its default."""
    for name, has_default, default, null in absent:
        if name not in document or (null and document[name] is None):
            if has_default:
                document[name] = default
            else:
                document.pop(name, None)
    return document
