"""A request that a contract allows, made from the contract alone: the least of each field, in the dialect's form."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil, prod
from typing import Any, Final

from guard.contract.fields import split
from guard.kit import pattern, wire
from guard.policy import typed
from guard.policy.fields import InputField, Shape
from guard.policy.route import Route

MOST_MORE: Final = 40
"""Repetitions beyond the least that are tried, where a pattern has a field's least length beside it."""


class NoExample(ValueError):  # noqa: N818
    """A field whose values nobody can guess."""


def example(route: Route, wall: float, path: str = "") -> Any:
    """The JSON of a request with one instance; `path` is the route's. Raises NoExample."""
    if route.input is None or not route.inputs:
        raise NoExample("the route declares no fields")
    if route.dialect == "openai":
        return _prompt(route, wall, path)
    values = {name: value(field, wall) for name, field in route.inputs.items() if field.required}
    if wire.tensors(route, path):
        return {"inputs": _tensors(route, values)}
    instance, beside = _placed(route, values)
    if wire.member(route):
        return {wire.member(route): [instance], **beside}
    if route.rows is None:
        return instance
    document: Any = [instance]
    for part in reversed(split(route.rows)):
        document = {part: document}
    return document


def _placed(route: Route, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The instance, and what stands beside the instances."""
    beside: dict[str, Any] = {}
    instance: Any = {}
    for name, field in route.inputs.items():
        into = beside if wire.shared(route, field, name) else instance
        *way, last = split(field.at) if field.at is not None else [name]
        for part in way:  # what leads to a field is there, though the field itself be optional
            into = into.setdefault(part, {})
        if name in values:
            into[last] = values[name]
    if route.columns is not None:
        return [values.get(name) for name in route.columns], beside
    return instance, beside


def value(field: Shape, wall: float) -> Any:
    """The least that a field takes."""
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
            item = value(field.items, wall) if field.items is not None else "x"
            return [item] * max(field.min_items or 0, min(1, field.max_items if field.max_items is not None else 1))
        case _:
            fields: Mapping[str, Shape] = field.fields or {}
            return {name: value(one, wall) for name, one in fields.items() if one.required}


def _matching(field: Shape, asked: str) -> str:
    for more in range(MOST_MORE):
        found = pattern.written(asked, more)
        if found is not None and not any(typed.breaches(found, field)):
            return found
    raise NoExample("a pattern says what is refused, not what is meant")


def _tensors(route: Route, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each field is a tensor, or a column of the one that has them all."""
    if route.columns is not None and route.rows is not None:
        types = {wire.datatype(route.inputs[name]) for name in route.columns}
        kind = types.pop() if len(types) == 1 else "FP64" if types <= {"INT64", "FP64", "FP32", "INT32"} else "BYTES"
        data = [values.get(name) for name in route.columns]
        return [{"name": split(route.rows)[0], "shape": [1, len(data)], "datatype": kind, "data": data}]
    return [_tensor(name, route.inputs[name], one) for name, one in values.items()]


def _tensor(name: str, field: InputField, one: Any) -> dict[str, Any]:
    data = list(one) if isinstance(one, list) else [one]
    shape = [1, len(data)] if isinstance(one, list) else [1]
    if field.shape is not None:
        shape = [1 if size == -1 else size for size in field.shape]
        if isinstance(one, list) and data:
            free = [index for index, size in enumerate(field.shape) if index and size == -1]
            if free and len(data) > prod(shape):
                shape[free[-1]] = ceil(len(data) / prod(shape))
            data = (data * prod(shape))[: prod(shape)]
    return {"name": name, "shape": shape, "datatype": wire.datatype(field), "data": data}


def _prompt(route: Route, wall: float, path: str) -> dict[str, Any]:
    """What the API needs, then what the contract does."""
    made: dict[str, Any] = {"model": "default"}
    role = (route.inputs["roles"].items if "roles" in route.inputs else None) or None
    least = max((int(route.inputs["characters"].min or 0) if "characters" in route.inputs else 0), 1)
    text = "Hello".ljust(least, ".")
    if path.endswith("/chat/completions"):
        made["messages"] = [{"role": role.enum[0] if role is not None and role.enum else "user", "content": text}]
    else:
        made["input" if path.endswith("/embeddings") else "prompt"] = text
    known = {*wire.VIRTUAL, *made}
    return made | {name: value(field, wall) for name, field in route.inputs.items() if field.required and name not in known}
