"""A request that a contract allows, made from the contract alone: the least that each field takes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from guard.kit.carry import Carried, layouts
from guard.policy.fields import Shape
from guard.policy.route import Route


class NoExample(ValueError):  # noqa: N818
    """A field whose values nobody can guess."""


def example(key: str, route: Route, wall: float) -> Carried:
    """A request of one instance, as the route's dialect carries it. Raises NoExample for a pattern or a schema file."""
    if route.input is None or not route.inputs:
        raise NoExample("the route declares no fields")
    found = {name: value(field, wall) for name, field in route.inputs.items() if field.required}
    return layouts(key, route)[0].carry([found])


def value(field: Shape, wall: float) -> Any:
    """The least that a field takes."""
    if field.enum is not None:
        return field.enum[0]
    if field.pattern is not None:
        raise NoExample("a pattern says what is refused, not what is meant")
    match field.type:
        case "integer" | "number":
            low = field.min if field.min is not None else min(0, field.max if field.max is not None else 0)
            return int(low) if field.type == "integer" else low
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
            return {name: value(one, wall) for name, one in fields.items() if one.required}


def elements(field: Shape) -> int:
    """How many elements an array has at least; of a tensor, as many as its shape says."""
    shape: tuple[int, ...] | None = getattr(field, "shape", None)
    if shape is None:
        return max(field.min_items or 0, 1)
    count = 1
    for dimension in shape[1:] if shape[0] == -1 else shape:
        count *= max(dimension, 1)
    return count
