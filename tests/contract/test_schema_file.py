"""A JSON Schema file in place of fields."""

import json

import pytest

from guard.contract.fields import ContractInvalid
from guard.contract.schema_file import compile_schema_input, compile_schema_output
from guard.proxy.values import Allow, Amend, Deny
from tests.contract.making import JSON, said

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 18, "maximum": 120},
        "name": {"type": "string", "maxLength": 3, "pattern": "^a"},
        "kind": {"enum": ["x", "y"]},
        "day": {"type": "string", "format": "date"},
        "list": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 2},
    },
    "required": ["age"],
    "additionalProperties": False,
    "$defs": {"n": {"type": "number"}},
}


@pytest.mark.parametrize(
    ("document", "violations"),
    [
        ({"age": 34.0}, []),
        ({}, ["/age missing"]),
        ({"age": True}, ["/age type"]),
        ({"age": None}, ["/age null"]),
        ({"age": "34"}, ["/age type"]),
        ({"age": 3}, ["/age min"]),
        ({"age": 300}, ["/age max"]),
        ({"age": 30, "name": "bcde"}, ["/name length", "/name pattern"]),
        ({"age": 30, "kind": "z"}, ["/kind enum"]),
        ({"age": 30, "day": "soon"}, ["/day format"]),
        ({"age": 30, "list": [1, "x", 3]}, ["/list items", "/list/1 type"]),
        ({"age": 30, "s3cret": 1}, ["/<undeclared> unknown"]),
    ],
)
def test_violations_in_our_words(document: object, violations: list[str]) -> None:
    verdict = compile_schema_input(SCHEMA, enforce=True).judge(JSON, json.dumps(document).encode(), 0.0)
    assert sorted(said(verdict)) == sorted(violations)
    assert isinstance(verdict, Deny if violations else Amend)


def test_observe_lets_it_pass() -> None:
    verdict = compile_schema_input(SCHEMA, enforce=False).judge(JSON, b'{"age": 3}', 0.0)
    assert isinstance(verdict, Allow)
    assert said(verdict) == ["/age min"]


def test_unreadable_is_denied_in_both() -> None:
    for enforce in (True, False):
        assert isinstance(compile_schema_input(SCHEMA, enforce=enforce).judge(JSON, b'{"age":30,"age":31}', 0.0), Deny)
    assert isinstance(compile_schema_input({}, enforce=True).judge(JSON, b"[1e400]", 0.0), Deny)


def test_answers() -> None:
    contract = compile_schema_output(SCHEMA)
    assert isinstance(contract.judge(b'{"age":30}', None), Allow)
    assert isinstance(contract.judge(b'{"age":3}', None), Deny)
    assert isinstance(contract.judge(b"nonsense", None), Deny)
    assert isinstance(contract.judge_own({"age": 30}, None), Allow)
    assert isinstance(contract.judge_own({"age": 3}, None), Deny)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://example.com/s.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"pattern": "(?=a)"},
        {"pattern": "(a)\\1"},
        {"type": "nonsense"},
        {"$ref": "#/$defs/absent"},
    ],
)
def test_what_does_not_compile(schema: object) -> None:
    with pytest.raises(ContractInvalid):
        compile_schema_input(schema, enforce=True)


def test_values_and_undeclared_names_never_show() -> None:
    schema = {"patternProperties": {"^x": {"type": "integer"}}, "propertyNames": {"maxLength": 3}}
    verdict = compile_schema_input(schema, enforce=True).judge(JSON, b'{"xcanary4711": "canary4711"}', 0.0)
    assert isinstance(verdict, Deny)
    assert "canary" not in repr(verdict.violations)


def test_unique_items_of_a_large_array_is_bounded() -> None:
    body = json.dumps([{"a": n} for n in range(10_000)]).encode()
    assert isinstance(compile_schema_input({"uniqueItems": True}, enforce=True).judge(JSON, body, 0.0), Amend)
