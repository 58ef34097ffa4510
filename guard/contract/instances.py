"""Builds the schemas of an instance and of the document that holds instances, from declared fields."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic_core import core_schema as core

from guard.contract.fields import ContractInvalid, InputField, Shape, split
from guard.contract.validators import Schema, Undeclared, list_schema, members_schema, nullable, value_schema

Steps: TypeAlias = tuple[str, ...]
"""The reference tokens of a JSON pointer, as a path through members."""
Members: TypeAlias = Callable[[Mapping[str, tuple[Shape | None, Schema]], Undeclared], Schema]
"""A function that builds the schema of an object from its members."""


class _Step:
    """A member on the path to fields, and what stands below it."""

    def __init__(self) -> None:
        self.below: dict[str, _Step | tuple[str, Shape]] = {}


class Lenient:
    """A field whose absence lowers instead of denying: optional for the validator."""

    def __init__(self, field: Shape) -> None:
        self._field = field
        self.required = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)


class Exact:
    """A field whose integers, and those below it, have all 64 bits."""

    exact = True

    def __init__(self, field: Shape) -> None:
        self._field = field
        self.items = Exact(field.items) if field.items is not None else None
        self.fields = {name: Exact(below) for name, below in field.fields.items()} if field.fields is not None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)


def exactly(fields: Mapping[str, Any], *, every: bool) -> dict[str, Any]:
    """The fields; those declared `exact` keep all 64 bits of their integers. `every`: all fields do."""
    return {name: Exact(field) if every or field.exact else field for name, field in fields.items()}


def holds_anything(shape: Shape) -> bool:
    """Whether the value, or a part of it, may be any JSON."""
    if shape.type == "array":
        return shape.items is None or holds_anything(shape.items)
    return shape.type == "object" and (shape.fields is None or any(map(holds_anything, shape.fields.values())))


def path_of(name: str, field: InputField) -> Steps:
    """The path of a field from its instance. Raises ContractInvalid for a pointer to the whole instance."""
    if field.at is None:
        return (name,)
    path = tuple(split(field.at))
    if not path:
        raise ContractInvalid("the pointer names the whole instance; name a member of it", (name, "at"))
    return path


def by_members(shapes: Mapping[str, Shape], paths: Mapping[str, Steps], undeclared: Undeclared, members: Members) -> Schema:
    """The schema of an instance whose fields stand at `paths`. Raises ContractInvalid if two share a place."""
    return _schema(_steps(shapes, paths), undeclared, members)


def by_positions(shapes: Mapping[str, Shape], columns: Sequence[str], undeclared: Undeclared) -> Schema:
    """The schema of an instance that is a list of fields in the order of `columns`. Raises ContractInvalid."""
    positions = []
    for name in columns:
        shape = shapes[name]  # null is the one way in which a position can be missing
        schema = nullable(shape, undeclared, (name,))
        if shape.has_default and not shape.nullable:
            schema = core.no_info_after_validator_function(_defaulting(shape.default), schema)
        positions.append(schema)
    return core.tuple_schema(positions)


def rows_of(instance: Schema, steps: Steps, undeclared: Undeclared) -> Schema:
    """The schema of a document with a list of at least one instance at the end of `steps`."""
    schema: Schema = list_schema(instance, 1)
    for name in reversed(steps):
        schema = members_schema({name: (None, schema)}, undeclared)
    return schema


def names_of(fields: Mapping[str, Shape]) -> Iterator[str]:
    """The names of fields and of all members below them."""
    for name, field in fields.items():
        yield name
        yield from _below(field)


def _below(shape: Shape) -> Iterator[str]:
    if shape.fields is not None:
        yield from names_of(shape.fields)
    if shape.items is not None:
        yield from _below(shape.items)


def _defaulting(default: object) -> Callable[[object], object]:
    return lambda value: default if value is None else value


def _steps(shapes: Mapping[str, Shape], paths: Mapping[str, Steps]) -> _Step:
    root = _Step()
    for name, shape in shapes.items():
        step = root
        *way, last = paths[name]
        for part in way:
            below = step.below.setdefault(part, _Step())
            if not isinstance(below, _Step):
                raise ContractInvalid(f"its pointer goes through the field {below[0]}", (name, "at"))
            step = below
        if last in step.below:
            raise ContractInvalid(f"{_whose(step.below[last])} the same place; give each its own `at`", (name, "at"))
        step.below[last] = (name, shape)
    return root


def _whose(below: "_Step | tuple[str, Shape]") -> str:
    return "the pointer of another field leads through" if isinstance(below, _Step) else f"the field {below[0]} has"


def _schema(step: _Step, undeclared: Undeclared, members_schema: Members) -> Schema:
    members: dict[str, tuple[Shape | None, Schema]] = {}
    for name, below in step.below.items():
        if isinstance(below, _Step):
            members[name] = (None, _schema(below, undeclared, members_schema))
        else:
            declared, shape = below
            members[name] = (shape, value_schema(shape, undeclared, (declared,)))
    return members_schema(members, undeclared)
