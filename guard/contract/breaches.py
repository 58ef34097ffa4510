"""Collects the breaches of a contract in a document that breaks it, up to the 64 that are reported.

pydantic makes every error before the first can be read: 1 MiB of empty rows with eight required fields made 2.8 million of
them, 11 s and 2.6 GiB. So a contract stops at the first wrong item of a list (`fail_fast`), and only a document that was
refused is searched again here, item by item, until 64 breaches are found: the same ones in the same order as pydantic's.
Validators are compiled when they are first needed, because few routes meet a document that breaks its contract in each way.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from pydantic_core import SchemaValidator, ValidationError

from guard.contract.fields import Part

MOST_VIOLATIONS: Final = 64
SLICE: Final = 256
"""Items of a list that are validated together before each is validated alone."""

CoreSchema: TypeAlias = Mapping[str, Any]
Path: TypeAlias = tuple[Part, ...]


class Breach(NamedTuple):
    """One error of pydantic: the path to the value, the error's type, and the value, which is the client's."""

    path: Path
    kind: str
    value: object


class Breaches:
    """Collects the breaches of documents that are validated against one core schema."""

    def __init__(self, schema: CoreSchema) -> None:
        self._schema = schema
        self._node: _Node | None = None

    def of(self, tree: object, error: ValidationError | None = None) -> list[Breach]:
        """The first 64 breaches of a document, in the contract's order; none where it keeps the contract.

        `error` is what pydantic raised for the whole document. Where the schema is one object of plain members it names
        every breach, and nothing is validated again.
        """
        if self._node is None:
            self._node = _node(self._schema)
        if error is not None and self._node.complete:
            return _listed(error, (), MOST_VIOLATIONS)
        breaches: list[Breach] = []
        self._node.collect(tree, (), breaches)
        return breaches


class _Node(Protocol):
    complete: bool  # one validation of a value makes all of its errors, and they are as few as the policy's lines

    def holds(self, value: object) -> bool:
        """Whether a value keeps the schema."""

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        """Add the breaches of a value to `breaches`, up to 64 in all."""


def _listed(error: ValidationError, path: Path, most: int) -> list[Breach]:
    """The first `most` errors of pydantic for a value at `path`."""
    details = error.errors(include_url=False, include_context=False)[:most]
    return [Breach((*path, *detail["loc"]), detail["type"], detail["input"]) for detail in details]


class _Leaf:
    """A schema whose errors are as few as the policy's lines: pydantic makes them all."""

    complete = False

    def __init__(self, schema: CoreSchema) -> None:
        self._schema = schema
        self._validator: SchemaValidator | None = None

    def _compiled(self) -> SchemaValidator:
        if self._validator is None:
            self._validator = SchemaValidator(self._schema)
        return self._validator

    def holds(self, value: object) -> bool:
        return self._compiled().isinstance_python(value)

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        try:
            self._compiled().validate_python(value)
        except ValidationError as error:
            breaches += _listed(error, path, MOST_VIOLATIONS - len(breaches))


class _Nullable(_Leaf):
    def __init__(self, schema: CoreSchema, inner: "_Node") -> None:
        super().__init__(schema)
        self._inner = inner

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        if value is not None:
            self._inner.collect(value, path, breaches)


class _Items(_Leaf):
    """A list. Items of a list that is too long are not validated; "too short" is reported only without other breaches."""

    def __init__(self, schema: CoreSchema) -> None:
        super().__init__(schema)
        self._item = _node(schema["items_schema"])
        self._least, self._most = schema.get("min_length"), schema.get("max_length")
        self._slice = _Leaf({"type": "list", "items_schema": schema["items_schema"], "strict": True, "fail_fast": True})

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        if not isinstance(value, list):
            breaches.append(Breach(path, "list_type", value))
        elif self._most is not None and len(value) > self._most:
            breaches.append(Breach(path, "too_long", value))
        else:
            before = len(breaches)
            self._items(value, path, breaches)
            if len(breaches) == before and self._least is not None and len(value) < self._least:
                breaches.append(Breach(path, "too_short", value))

    def _items(self, values: list[object], path: Path, breaches: list[Breach]) -> None:
        item = self._item
        for start in range(0, len(values), SLICE):
            several = values[start : start + SLICE]
            if self._slice.holds(several):
                continue
            for index, value in enumerate(several, start):
                if not item.holds(value):
                    item.collect(value, (*path, index), breaches)
                    if len(breaches) >= MOST_VIOLATIONS:
                        return


class _Members(_Leaf):
    """An object of declared members. Where none of them has members or items of its own, pydantic makes its errors."""

    def __init__(self, schema: CoreSchema) -> None:
        fields: Mapping[str, CoreSchema] = schema["fields"]
        super().__init__({**schema, "extra_behavior": "ignore"})
        self._closed = schema["extra_behavior"] == "forbid"
        self._members = {name: (_node(field["schema"]), bool(field["required"])) for name, field in fields.items()}
        self._flat = all(type(node) is _Leaf for node, _ in self._members.values())
        self.complete = self._flat and not self._closed

    def holds(self, value: object) -> bool:
        if self._closed and isinstance(value, dict) and not self._members.keys() >= value.keys():
            return False
        return super().holds(value)

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        if self._flat or not isinstance(value, dict):
            super().collect(value, path, breaches)
        else:
            self._each(value, path, breaches)
        if self._closed and isinstance(value, dict):
            for name, member in value.items():
                if len(breaches) >= MOST_VIOLATIONS:
                    return
                if name not in self._members:
                    breaches.append(Breach((*path, name), "extra_forbidden", member))

    def _each(self, value: Mapping[str, object], path: Path, breaches: list[Breach]) -> None:
        for name, (node, required) in self._members.items():
            if len(breaches) >= MOST_VIOLATIONS:
                return
            if name in value:
                node.collect(value[name], (*path, name), breaches)
            elif required:
                breaches.append(Breach((*path, name), "missing", value))


class _Positions(_Leaf):
    """A positional row. The values of a row that is too long are not validated."""

    def __init__(self, schema: CoreSchema) -> None:
        super().__init__(schema)
        self._places: Sequence[_Node] = [_node(item_schema) for item_schema in schema["items_schema"]]

    def collect(self, value: object, path: Path, breaches: list[Breach]) -> None:
        if not isinstance(value, list | tuple) or len(value) > len(self._places):
            super().collect(value, path, breaches)
            return
        for index, node in enumerate(self._places):
            if len(breaches) >= MOST_VIOLATIONS:
                return
            if index < len(value):
                node.collect(value[index], (*path, index), breaches)
            else:
                breaches.append(Breach((*path, index), "missing", value))


def _node(schema: CoreSchema) -> _Node:
    """The collector of a schema's breaches. A function that runs after an object or list was validated never fails."""
    match schema["type"]:
        case "list" if schema["items_schema"]["type"] != "any":
            return _Items(schema)
        case "typed-dict":
            return _Members(schema)
        case "tuple":
            return _Positions(schema)
        case "nullable" | "function-after":
            inner = _node(schema["schema"])
            if type(inner) is not _Leaf:
                return _Nullable(schema, inner) if schema["type"] == "nullable" else inner
    return _Leaf(schema)
