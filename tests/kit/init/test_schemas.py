"""What of JSON Schema a field says, and what it leaves out by name."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kit.init.draft import Field
from guard.kit.init.schemas import Schemas, Unmapped

DOCUMENT = {
    "components": {
        "schemas": {
            "Age": {"type": "integer", "minimum": 18, "maximum": 120, "description": "in\n years"},
            "Tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "value": {"type": "number"}}},
            "Loop": {"$ref": "#/components/schemas/Loop"},
            "Wide": {"allOf": [{"$ref": "#/components/schemas/Wide2"}] * 2},
            "Wide2": {"allOf": [{"$ref": "#/components/schemas/Wide3"}] * 2},
            "Wide3": {"properties": {"x": {"type": "string"}}},
        }
    }
}  # fmt: skip


def field(schema: Any, **how: Any) -> Field:
    return Schemas(DOCUMENT).field(schema, "from here", **how)


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({"type": "integer", "minimum": 18, "maximum": 120}, {"type": "integer", "min": 18, "max": 120}),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}, {"type": "integer", "min": 1, "max": 9}),
        ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, {"type": "integer", "min": 1, "max": 2}),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, {"type": "integer", "min": 6}),  # OpenAPI 3.0
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": False}, {"type": "integer", "min": 5}),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": 3}, {"type": "number", "min": 3}),
        ({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a"}, {"type": "string", "min_length": 1, "max_length": 9, "pattern": "^a"}),
        ({"type": "string", "format": "date-time"}, {"type": "timestamp"}),
        ({"enum": ["a", "b", "a"]}, {"enum": ["a", "b"]}),
        ({"enum": ["a", None]}, {"enum": ["a"], "nullable": True}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"type": "integer", "enum": [0, 1]}, {"type": "integer", "enum": [0, 1]}),
        ({"enum": [0, 0.5]}, {"type": "number", "enum": [0, 0.5]}),
        ({"enum": [True, False]}, {"type": "boolean"}),
        ({"const": True}, {"type": "boolean", "enum": [True]}),
        ({"anyOf": [{"const": "a"}, {"enum": ["b", "c"]}]}, {"enum": ["a", "b", "c"]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, {"type": "number"}),
        ({"type": ["integer", "null"]}, {"type": "integer", "nullable": True}),
        ({"type": "string", "nullable": True}, {"type": "string", "nullable": True}),  # OpenAPI 3.0
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False}),
        ({"type": "number", "default": None}, {"type": "number"}),
        ({"type": "array", "default": []}, {"type": "array", "required": False}),
        ({"allOf": [{"$ref": "#/components/schemas/Age"}], "default": 30}, {"type": "integer", "min": 18, "max": 120, "description": "in years", "default": 30}),
        ({"$ref": "#/components/schemas/Age", "description": "ours"}, {"type": "integer", "min": 18, "max": 120, "description": "ours"}),
        ({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}, {"type": "array", "min_items": 4, "max_items": 4, "items": {"type": "number"}}),
        ({"type": "array", "items": {}}, {"type": "array"}),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {"type": "object"}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "c": {"type": "integer"}}, "required": ["a"]},
            {"type": "object", "fields": {"a": {"type": "string"}, "c": {"type": "integer", "required": False}}},
        ),
        ({"$ref": "#/components/schemas/Tree"}, {"type": "object", "fields": {"value": {"type": "number", "required": False}}}),
        ({"type": "integer", "minimum": 10**40}, {"type": "integer"}),
    ],
)  # fmt: skip
def test_what_a_schema_says_a_field_says(schema: Any, shape: Any) -> None:
    assert field(schema).shape == shape


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "number", "exclusiveMinimum": 0}, "exclusiveMinimum"),
        ({"type": "number", "multipleOf": 5}, "multipleOf"),
        ({"type": "string", "format": "email"}, "format email"),
        ({"type": "array", "items": {"type": ["string", "integer"]}}, "items (one of several types)"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "object", "properties": {"b": {}}}, "b (any value)"),
        ({"$ref": "#/components/schemas/Tree"}, "left (it refers to itself)"),
        ({"type": "string", "pattern": "a" * 501}, "pattern"),
        ({"type": "string", "minLength": 0.5}, "minLength"),
        ({"type": "integer", "minimum": 10**40}, "minimum"),
        ({"type": "object", "properties": {"x" * 300: {"type": "string"}}}, "its name"),
    ],
)
def test_what_no_field_says_is_named(schema: Any, word: str) -> None:
    assert word in field(schema).source


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({}, "any value"),
        (True, "any value"),
        (False, "not a schema"),
        ({"type": ["string", "integer"]}, "several types"),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, "several types"),
        ({"anyOf": []}, "several types"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "several schemas"),
        ({"$ref": "#/components/schemas/Loop"}, "itself"),
        ({"$ref": "#/nowhere"}, "nothing"),
        ({"$ref": "https://example.com/x.json"}, "another document"),
        ({"$ref": 7}, "itself"),
        ({"enum": []}, "without values"),
        ({"enum": ["a", 1]}, "mixed"),
        ({"enum": list(range(600))}, "too many"),
        ({"type": "null"}, "the type null"),
        ({"type": "file"}, "the type file"),
    ],
)
def test_what_is_not_one_type_is_not_declared(schema: Any, why: str) -> None:
    with pytest.raises(Unmapped, match=why):
        field(schema)


def test_references_that_multiply_end_and_deep_schemas_too() -> None:
    doubling = {f"S{n}": {"allOf": [{"$ref": f"#/s/S{n + 1}"}] * 2} for n in range(40)}
    with pytest.raises(Unmapped, match="too large"):
        Schemas({"s": doubling}).field({"$ref": "#/s/S0"}, "x")
    deep: Any = {"type": "string"}
    for _ in range(60):
        deep = {"type": "array", "items": deep}
    assert "too deep" in field(deep).source


def test_answers_have_no_defaults_and_optional_fields_say_so() -> None:
    assert Schemas({}, answers=True).field({"type": "integer", "default": 1}, "x", required=False).shape == {
        "type": "integer",
        "required": False,
    }


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["#/components/schemas/Tree", "#/components/schemas/Loop", "object", "array", "string", "integer"]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=6) | st.sampled_from(
        ["$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "items", "prefixItems", "properties", "required", "default",
         "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxItems", "pattern", "format", "nullable"]
    ), below, max_size=6), max_leaves=30,
)  # fmt: skip


@given(JSONS)
def test_any_schema_is_a_field_or_says_why_not(schema: Any) -> None:
    with contextlib.suppress(Unmapped):
        assert field(schema).shape
