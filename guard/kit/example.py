"""A request that a contract allows, made from the contract alone: the least that each field takes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil, prod
from typing import Any, Final

from guard.kit import pattern
from guard.kit.request_builder import layouts
from guard.kit.request_builder.values import Carried
from guard.policy import typed
from guard.policy.fields import InputField, Shape
from guard.policy.route import Route

MOST_MORE: Final = 40
"""Repetitions beyond the least that are tried, where a pattern has a field's least length beside it."""


class NoExample(ValueError):  # noqa: N818
    """A field whose values nobody can guess."""


def example(key: str, route: Route, wall: float) -> Carried:
    """A request of one instance, as the dialect carries it. Raises NoExample for a schema file, and some patterns."""
    if route.input is None or not route.inputs:
        raise NoExample("the route declares no fields")
    wanted = {name: field for name, field in route.inputs.items() if field.required or _leads(field)}
    return layouts(key, route)[0].carry([{name: value(field, wall) for name, field in wanted.items()}])


def _leads(field: InputField) -> bool:
    """Require the parents of a field, even if the field itself is optional."""
    return field.at is not None and field.at.count("/") > 1


def value(field: Shape, wall: float) -> Any:
    """The field's own example, or the least that it takes."""
    if field.has_example:
        return field.example
    if field.enum is not None:
        return field.enum[0]
    if field.pattern is not None:
        return _matching(field, field.pattern)
    match field.type:
        case "integer" | "number":
            low = field.min if field.min is not None else min(0, field.max if field.max is not None else 0)
            return ceil(low) if field.type == "integer" else low
        case "string":
            return "x" * max(field.min_length or 0, 1)
        case "boolean":
            return False
        case "timestamp":
            if field.unit in {"s", "ms"}:
                return int(wall * (1000 if field.unit == "ms" else 1))
            return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
        case "array":
            return [value(field.items, wall)] * elements(field) if field.items is not None else []
        case _:
            fields: Mapping[str, Shape] = field.fields or {}
            return {name: value(field, wall) for name, field in fields.items() if field.required}


def _matching(field: Shape, regex: str) -> str:
    for more in range(MOST_MORE):
        text = pattern.written(regex, more)
        if text is not None and not any(typed.breaches(text, field)):
            return text
    raise NoExample("cannot generate a value for this pattern; give an `example`")


def elements(field: Shape) -> int:
    """The number of elements of an example: the least allowed, one if possible; for a tensor as many as its shape has."""
    shape: tuple[int, ...] | None = getattr(field, "shape", None)
    if shape is None:
        return max(field.min_items or 0, min(1, field.max_items if field.max_items is not None else 1))
    return prod(max(size, 1) for size in (shape[1:] if shape[0] == -1 else shape))
