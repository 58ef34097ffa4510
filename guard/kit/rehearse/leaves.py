"""The fields of a contract one by one, nested ones included, and an instance with one of them changed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from guard.kit.description import values
from guard.policy.fields import InputField, Shape

ABSENT: Final = object()
"""Stands for a value: the field is left out."""


class Leaf(NamedTuple):
    """A declared field. `path`: from the instance, by field names; more than one step inside objects."""

    name: str
    path: tuple[str, ...]
    shape: Shape
    top: InputField


def leaves(inputs: Mapping[str, InputField]) -> Iterator[Leaf]:
    """Every field, outer ones first."""
    for name, field in inputs.items():
        for value in values("input", name, field, None):
            if not value.in_list:
                yield Leaf(value.name, (name, *value.way), value.shape, field)


def at(instance: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value of a field; ABSENT where there is none, or no object around it."""
    value: Any = instance
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return value


def changed(instance: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The instance with another value there, or without the field. What is around it must be there."""
    head, *rest = path
    copy = dict(instance)
    if rest:
        copy[head] = changed(copy[head], tuple(rest), value)
    elif value is ABSENT:
        copy.pop(head, None)
    else:
        copy[head] = value
    return copy
