"""A request that a contract allows, made from the contract alone: the least that each field takes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from guard.policy.fields import Shape
from guard.policy.route import Route


class NoExample(ValueError):  # noqa: N818
    """A field whose values nobody can guess."""


def example(route: Route, wall: float) -> Any:
    """One instance, in the shape of the route's requests. Raises NoExample for a pattern or a schema file."""
    if route.input is None or not route.inputs:
        raise NoExample("the route declares no fields")
    values = {name: value(field, wall) for name, field in route.inputs.items() if field.required}
    if route.columns is not None:
        instance: Any = [values.get(name) for name in route.columns]
    else:
        instance = {}
        for name, one in values.items():
            _put(instance, route.inputs[name].at or f"/{name}", one)
    if route.rows is None:
        return instance
    document: Any = [instance]
    for part in reversed([part for part in route.rows.split("/") if part]):
        document = {part: document}
    return document


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
            return [value(field.items, wall)] * max(field.min_items or 0, 1) if field.items is not None else []
        case _:
            fields: Mapping[str, Shape] = field.fields or {}
            return {name: value(one, wall) for name, one in fields.items() if one.required}


def _put(instance: dict[str, Any], pointer: str, found: Any) -> None:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in parents:
        instance = instance.setdefault(part, {})
    instance[last] = found
