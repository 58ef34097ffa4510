"""Optional members that are absent: null counts as absent, and an absent member gets its default."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from guard.contract.fields import Shape

Absence: TypeAlias = tuple[str, bool, object, bool]
"""An optional member: its name, whether it has a default, the default, and whether null means absent."""


def absences(members: Mapping[str, Shape]) -> tuple[Absence, ...]:
    """The optional members that `settle` has to look at; one that may be null and has no default is left out."""
    return tuple(
        (name, shape.has_default, shape.default, not shape.nullable)
        for name, shape in members.items()
        if not shape.required and (shape.has_default or not shape.nullable)
    )


def settle(document: dict[str, object], absent: Iterable[Absence]) -> dict[str, object]:
    """Change the document in place: drop each null that means absent, and give absent members their defaults."""
    for name, has_default, default, null in absent:
        if name not in document or (null and document[name] is None):
            if has_default:
                document[name] = default
            else:
                document.pop(name, None)
    return document
