"""Declared shapes, part by part: what every report on a policy walks through."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from guard.policy.fields import Shape
from guard.privacy.sensitivity import Sensitivity

Said: TypeAlias = Literal["declared", "inherited", "default"]
"""Where a sensitivity comes from: its own key, the field it is a part of, or nowhere."""


class Inside(NamedTuple):
    """A shape somewhere in a field: its dotted name, the way to it, and the sensitivity that holds for it."""

    name: str
    shape: Shape
    way: tuple[str, ...]
    sensitivity: Sensitivity
    said: Said


def parts(name: str, top: Shape) -> Iterator[Inside]:
    """A field, then what is inside it. A part without a sensitivity of its own has that of what holds it."""
    declared = top.given("sensitivity")
    yield from _parts(Inside(name, top, (), top.sensitivity, "declared" if declared else "default"))


def _parts(one: Inside) -> Iterator[Inside]:
    yield one
    below = [(f"{one.name}.{name}", shape, name) for name, shape in (one.shape.fields or {}).items()]
    if one.shape.items is not None:
        below.append((f"{one.name}[]", one.shape.items, "*"))
    for name, shape, step in below:
        if shape.given("sensitivity"):
            found: tuple[Sensitivity, Said] = (shape.sensitivity, "declared")
        else:
            found = (one.sensitivity, "default" if one.said == "default" else "inherited")
        yield from _parts(Inside(name, shape, (*one.way, step), *found))
