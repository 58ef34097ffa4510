"""JSON Schema (2020-12, and what OpenAPI 3.0 made of it) → fields. What a field cannot say is not guessed.

A constraint that has no word in a field is left out and named: the field is then wider than the schema, never narrower.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from guard.kit.init.draft import Field, Shape
from guard.kit.init.server import listed, mapping, pointed
from guard.kit.init.words import line, nameable, scalar

MOST_STEPS: Final = 20_000
"""Schemas looked at in one document: references to references multiply."""
DEEPEST: Final = 12
_MOST_ENUM: Final = 500
_MOST_DESCRIPTION: Final = 160
_UNSAID: Final = ("multipleOf", "uniqueItems", "not", "if", "contains", "minProperties", "maxProperties",
                  "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas")  # fmt: skip
_SIZES: Final = {
    "string": (("minLength", "min_length"), ("maxLength", "max_length")),
    "array": (("minItems", "min_items"), ("maxItems", "max_items")),
}
_MERGES: Final = frozenset(("properties", "required", "title", "description", "examples", "default", "example"))
"""Members of which `allOf` takes the last, or all."""
_MOST_SIZE: Final = 1 << 53
_TYPES: Final = frozenset(("string", "integer", "number", "boolean", "array", "object"))


class Unmapped(Exception):  # noqa: N818 — a word of the domain
    """No field says this; says why."""


class Schemas:
    """The schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any], *, answers: bool = False) -> None:
        """`answers`: the schemas are of what the server says, so nothing has a default."""
        self._document, self._answers = document, answers
        self._steps = 0

    def plain(self, schema: Any) -> dict[str, Any]:
        """The schema without references, `allOf` and null: what it says is all in one mapping. Raises Unmapped."""
        return self._plain(schema, frozenset(), 0)

    def needs_members(self, schema: Any) -> bool:
        """Whether only an object with some member fits: then no body is no request, whatever `required` says of it."""
        try:
            resolved = self.plain(schema)
        except Unmapped:
            return False
        return resolved.get("nullable") is not True and bool(listed(resolved.get("required")))

    def _plain(self, schema: Any, seen: frozenset[str], depth: int) -> dict[str, Any]:
        self._steps += 1
        if self._steps > MOST_STEPS or depth > 4 * DEEPEST:
            raise Unmapped("the schema is too large")
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise Unmapped("not a schema")
        if "$ref" in schema:
            name = schema["$ref"]
            if not isinstance(name, str) or name in seen:
                raise Unmapped("it refers to itself")
            target = self._plain(self._referred(name), seen | {name}, depth + 1)
            return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        if "allOf" in schema:
            return self._all(schema, seen, depth)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._any(schema, word, seen, depth)
        return _of_one_type(schema)

    def _referred(self, name: str) -> Any:
        if not name.startswith("#/"):
            raise Unmapped("it refers to another document")
        node = pointed(self._document, name)
        if node is None:
            raise Unmapped("it refers to nothing")
        return node

    def _all(self, schema: dict[str, Any], seen: frozenset[str], depth: int) -> dict[str, Any]:
        parts = [self._plain(item, seen, depth + 1) for item in listed(schema["allOf"])]
        merged: dict[str, Any] = {}
        for part in (*parts, {key: value for key, value in schema.items() if key != "allOf"}):
            if any(part[key] != merged[key] for key in (part.keys() & merged.keys()) - _MERGES):
                raise Unmapped("several schemas at once")
            properties = {**mapping(merged.get("properties")), **mapping(part.get("properties"))}
            required = [*listed(merged.get("required")), *listed(part.get("required"))]
            merged |= part
            if properties:
                merged["properties"], merged["required"] = properties, required
        return merged

    def _any(self, schema: dict[str, Any], word: str, seen: frozenset[str], depth: int) -> dict[str, Any]:
        parts = [self._plain(item, seen, depth + 1) for item in listed(schema[word])]
        rest = [part for part in parts if part.get("type") != "null" and not ("const" in part and part["const"] is None)]
        null = len(rest) < len(parts) or any(schema.get("nullable") is True for schema in rest)
        around = {key: value for key, value in schema.items() if key != word}
        if null:
            around["nullable"] = True
        if len(rest) == 1:
            return {**rest[0], **around}
        if rest and all(schema.get("type") in ("integer", "number") for schema in rest):
            return {"type": "number", **around}
        values = [self._values(schema) for schema in rest]
        if rest and all(values):
            return {"enum": [value for some in values for value in some or ()], **around}
        raise Unmapped("one of several types")

    def _values(self, schema: dict[str, Any]) -> list[Any] | None:
        return [schema["const"]] if "const" in schema else listed(schema["enum"]) if "enum" in schema else None

    def field(self, schema: Any, source: str, *, required: bool = True) -> Field:
        """The field of a value. `source` says where the schema stands. Raises Unmapped."""
        unsaid: list[str] = []
        shape = self._shape(schema, frozenset(), 0, unsaid)
        if not required and "default" not in shape:
            shape["required"] = False
        words = f"; not mapped: {', '.join(dict.fromkeys(unsaid))}" if unsaid else ""
        return Field(shape, f"{source}{words}")

    def _shape(self, schema: Any, seen: frozenset[str], depth: int, unsaid: list[str]) -> Shape:
        if depth > DEEPEST:
            raise Unmapped("too deep")
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if isinstance(reference, str) and reference in seen:
            raise Unmapped("it refers to itself")
        below = seen | {reference} if isinstance(reference, str) else seen
        resolved = self._plain(schema, seen, depth)
        shape = self._typed(resolved, below, depth, unsaid)
        unsaid += [word for word in _UNSAID if word in resolved]
        if resolved.get("nullable") is True:
            shape["nullable"] = True
        text = resolved.get("description")
        if isinstance(text, str) and text.strip():
            shape["description"] = line(text, _MOST_DESCRIPTION)
        default = resolved.get("default")
        if default is not None and not self._answers:
            fits = isinstance(default, str | bool | int) or (isinstance(default, float) and math.isfinite(default))
            if fits and nameable(str(default)):
                shape["default"] = default
            else:
                shape["required"] = False
                unsaid.append("default")
        return shape

    def _typed(self, schema: dict[str, Any], seen: frozenset[str], depth: int, unsaid: list[str]) -> Shape:
        values = self._values(schema)
        if values is not None:
            return self._enum(values, schema)
        kind = schema.get("type")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema or "prefixItems" in schema else None
        if not isinstance(kind, str) or kind not in _TYPES:
            raise Unmapped("any value" if kind is None else f"the type {line(kind, 30)}")
        match kind:
            case "string":
                return _string(schema, unsaid)
            case "integer" | "number":
                return {"type": kind, **_bounds(schema, kind, unsaid)}
            case "array":
                return self._array(schema, seen, depth, unsaid)
            case "object":
                return self._object(schema, seen, depth, unsaid)
        return {"type": kind}

    def _enum(self, values: Any, schema: dict[str, Any]) -> Shape:
        members = [value for value in listed(values) if value is not None]
        null: Shape = {"nullable": True} if len(members) < len(listed(values)) else {}
        if not 0 < len(members) <= _MOST_ENUM:
            raise Unmapped("an enum without values" if not members else "an enum of too many values")
        if all(isinstance(member, str) and nameable(member) for member in members):
            return {"enum": list(dict.fromkeys(members)), **null}
        if all(type(member) is bool for member in members):
            return {"type": "boolean", **({} if len(set(members)) == 2 else {"enum": members[:1]}), **null}
        if all(type(member) is int for member in members):
            return {"type": "integer", "enum": list(dict.fromkeys(members)), **null}
        if all(type(member) in (int, float) and math.isfinite(member) for member in members):
            return {"type": "number", "enum": list(dict.fromkeys(members)), **null}
        raise Unmapped(f"an enum of {line(schema.get('type', 'mixed'), 20)} values")

    def _array(self, schema: dict[str, Any], seen: frozenset[str], depth: int, unsaid: list[str]) -> Shape:
        shape: Shape = {"type": "array", **_sizes(schema, "array", unsaid)}
        positions = listed(schema.get("prefixItems"))
        if positions or "items" not in schema:
            if positions:
                unsaid.append("prefixItems")
            return shape
        try:
            shape["items"] = self._shape(schema["items"], seen, depth + 1, unsaid)
        except Unmapped as error:
            unsaid.append(f"items ({error})")
        else:
            shape["items"].pop("default", None)
            shape["items"].pop("required", None)
        return shape

    def _object(self, resolved: dict[str, Any], seen: frozenset[str], depth: int, unsaid: list[str]) -> Shape:
        required = listed(resolved.get("required"))
        fields: Shape = {}
        for name, schema in mapping(resolved.get("properties")).items():
            try:
                if not nameable(name):
                    raise Unmapped("its name")
                fields[name] = self._shape(schema, seen, depth + 1, unsaid)
            except Unmapped as error:
                unsaid.append(f"{line(name, 40)} ({error})")
                continue
            if name not in required and "default" not in fields[name]:
                fields[name]["required"] = False
        return {"type": "object", "fields": fields} if fields else {"type": "object"}


def _of_one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """A list of types is one, with null or without; integer and number are number. Raises Unmapped."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    rest = [kind for kind in kinds if kind != "null"]
    if "integer" in rest and "number" in rest and len(rest) == 2:
        rest = ["number"]
    if len(rest) != 1:
        raise Unmapped("one of several types")
    return {**schema, "type": rest[0], **({"nullable": True} if "null" in kinds else {})}


def _string(resolved: dict[str, Any], unsaid: list[str]) -> Shape:
    form = resolved.get("format")
    if form == "date-time":
        unsaid += [word for word in ("minLength", "maxLength", "pattern") if word in resolved]
        return {"type": "timestamp"}
    if form is not None:
        unsaid.append(f"format {line(form, 20)}")
    shape: Shape = {"type": "string", **_sizes(resolved, "string", unsaid)}
    pattern = resolved.get("pattern")
    if isinstance(pattern, str) and len(pattern) <= 500:
        shape["pattern"] = pattern
    elif pattern is not None:
        unsaid.append("pattern")
    return shape


def _sizes(schema: dict[str, Any], kind: str, unsaid: list[str]) -> Shape:
    shape: Shape = {}
    for theirs, ours in _SIZES[kind]:
        value: Any = schema.get(theirs)
        if type(value) in (int, float) and value == value // 1 and 0 <= value < _MOST_SIZE:
            shape[ours] = int(value)
        elif value is not None:
            unsaid.append(theirs)
    return shape


def _bounds(schema: dict[str, Any], kind: str, unsaid: list[str]) -> Shape:
    """Bounds. One that excludes its value is the next integer; of numbers it is the value, and named."""
    shape: Shape = {}
    for ours, theirs, exclusive, way in (
        ("min", "minimum", "exclusiveMinimum", 1),
        ("max", "maximum", "exclusiveMaximum", -1),
    ):
        value: Any = schema.get(theirs)
        beyond: Any = schema.get(exclusive)
        if beyond is True:  # OpenAPI 3.0
            beyond, value = value, None
        bounds: list[Any] = []
        if _finite(value):
            bounds.append(math.ceil(value * way) * way if kind == "integer" else value)
        if _finite(beyond):
            if kind == "integer":
                bounds.append((math.floor(beyond * way) + 1) * way)
            else:
                bounds.append(beyond)
                unsaid.append(f"{exclusive}, for {scalar(beyond)} itself passes")
        if bounds:
            shape[ours] = max(bounds) if way > 0 else min(bounds)
        unsaid += [
            word
            for word, their in ((theirs, value), (exclusive, beyond))
            if their not in (None, False) and not _finite(their)
        ]
    return shape


_LARGEST: Final = 10**30


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < _LARGEST
