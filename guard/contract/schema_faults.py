"""Cuts a document behind its 64th breach of its JSON Schema, so that no more errors are made than are reported.

jsonschema-rs makes every error before the first can be read, about 10 µs each: 1 MiB of empty rows took 28 s. So a list, or
an object with members that its schema does not name, is cut short behind its 64th wrong place before the errors are asked
for. With fewer wrong places the document stays whole, and so do its errors.
"""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema_rs

from guard.contract.breaches import MOST_VIOLATIONS
from guard.contract.fields import Part
from guard.contract.schema_graph import Graph

MOST_UNKNOWN: Final = 2_048
"""Most elements of a wrong value that cannot be cut, such as one below anyOf; a larger one is reported without details."""


class Faults:
    """Cuts documents for the schema of a graph. `validators` validate the parts of the schema, by JSON pointer."""

    def __init__(self, graph: Graph, validators: jsonschema_rs.ValidatorMap) -> None:
        self._graph = graph
        self._validators = validators
        self._remaining = MOST_VIOLATIONS
        self._unknown = 0
        self.cut: set[tuple[Part, ...]] = set()
        """The paths at which the last document was cut. Breaches of such a list or object as a whole are unknown."""

    def shortened(self, document: Any) -> Any:
        """The document, cut behind its last reported breach; ask for its errors only if `too_large` is false."""
        self._remaining, self._unknown, self.cut = MOST_VIOLATIONS, 0, set()
        return self._shortened(self._graph.root, "", document, ())

    @property
    def too_large(self) -> bool:
        """Whether the wrong values of the last document are too large to make their errors."""
        return self._unknown > MOST_UNKNOWN

    def _shortened(self, schema: Any, at: str, value: Any, path: tuple[Part, ...]) -> Any:
        if not isinstance(schema, Mapping):
            return value
        before = value
        for target in self._graph.targets(schema, "$ref"):
            value = self._shortened(target, self._graph.at[id(target)], value, path)
        for index, item in enumerate(schema["allOf"] if isinstance(schema.get("allOf"), list) else ()):
            value = self._shortened(item, f"{at}/allOf/{index}", value, path)
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            return self._items(schema["items"], at + "/items", value, path)
        if isinstance(value, dict) and isinstance(schema.get("properties"), Mapping):
            return self._members(schema, at, value, path)
        if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), Mapping):
            return self._members(schema, at, value, path)
        if value is before:
            self._unknown += _size(value, MOST_UNKNOWN)
        return value

    def _valid(self, at: str, value: Any) -> bool:
        validator = self._validators.get("#" + at)
        return validator is None or validator.is_valid(value)

    def _wrong(self, schema: Any, at: str, value: Any, path: tuple[Part, ...]) -> Any:
        """Cut a value that breaks the schema; a value without wrong parts counts as one wrong place."""
        remaining = self._remaining
        value = self._shortened(schema, at, value, path)
        if self._remaining == remaining:
            self._remaining -= 1
        return value

    def _items(self, schema: Any, at: str, values: list[Any], path: tuple[Part, ...]) -> list[Any]:
        valid: list[Any] = []
        for index, value in enumerate(values):
            if self._remaining <= 0:
                self.cut.add(path)
                break
            if self._valid(at, value):
                valid.append(value)
            else:
                valid.append(self._wrong(schema, at, value, (*path, index)))
        return valid

    def _members(self, schema: Any, at: str, value: Mapping[str, Any], path: tuple[Part, ...]) -> dict[str, Any]:
        declared, more = schema.get("properties") or {}, schema.get("additionalProperties")
        valid: dict[str, Any] = {}
        for name, member in value.items():
            way = f"{at}/properties/{_escaped(name)}" if name in declared else f"{at}/additionalProperties"
            below = declared.get(name, more)
            if not isinstance(below, Mapping) or self._valid(way, member):
                valid[name] = member
            elif self._remaining <= 0 and name not in declared:
                self.cut.add(path)
            else:
                valid[name] = self._wrong(below, way, member, (*path, name))
        return valid


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _size(value: Any, most: int) -> int:
    """The number of values in a document; counting stops a little above `most`."""
    count, todo = 0, [value]
    while todo and count <= most:
        node = todo.pop()
        count += 1
        if isinstance(node, dict):
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return max(count, len(todo))
