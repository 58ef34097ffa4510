"""A document that breaks its contract often costs no more than its bytes, and is told the same as ever.

pydantic's own errors are the reference: the contract stops at the first wrong item of a list, and its breaches are collected
item by item.
"""

import copy
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from guard.contract.breaches import MOST_VIOLATIONS, SLICE, Breach, Breaches
from guard.contract.input import InputContract
from guard.contract.output import OutputContract
from guard.contract.strict import dumps
from guard.contract.validators import nullable
from guard.policy.route import Route
from guard.proxy.values import Allow, Deny, Verdict
from tests.contract.making import JSON, WALL, input_of, output_of, route, said

MIB = 1 << 20
MOST_MEMORY = 64
"""Bytes of Python's memory for each byte of a document of short elements, at the peak. A list or an object of one letter is
72 bytes and a place in its list, and two lists of them are there at once."""

REQUIRED = "{" + ", ".join(f"f{number}: {{type: number}}" for number in range(8)) + "}"
LISTED = "{x: {type: array, items: {type: number}}, y: {type: array, items: {type: object, fields: {a: {type: number}}}}}"


def peak_of(judge: InputContract | OutputContract, body: bytes) -> tuple[Verdict, int]:
    tracemalloc.start()
    try:
        verdict: Verdict = judge.judge(JSON, body, WALL) if isinstance(judge, InputContract) else judge.judge(body)
        return verdict, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def repeated(item: bytes, before: bytes, after: bytes, size: int = MIB // 16) -> bytes:
    return before + b",".join([item] * (size // (len(item) + 1))) + after


HOSTILE = {
    "rows without their fields": (f"rows: /i\ninput: {REQUIRED}", b"{}", b'{"i":[', b"]}"),
    "rows that are no objects": (f"rows: /i\ninput: {REQUIRED}", b"1", b'{"i":[', b"]}"),
    "a body that is the list": (f"rows: ''\ninput: {REQUIRED}", b"{}", b"[", b"]"),
    "positional rows": ("rows: /i\ncolumns: [f0, f1]\ninput: {f0: {type: number}, f1: {type: number}}", b"[]", b'{"i":[', b"]}"),
    "texts for numbers": (f"input: {LISTED}", b'""', b'{"y":[],"x":[', b"]}"),
    "objects without their members": (f"input: {LISTED}", b"{}", b'{"x":[],"y":[', b"]}"),
    "names that nobody declared": (f"undeclared: reject\ninput: {REQUIRED}", b'"%x":1', b"{", b"}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_request_that_breaks_its_contract_often_holds_no_error_but_those_that_are_told(kind: str) -> None:
    text, item, before, after = HOSTILE[kind]
    body = repeated(item, before, after)
    if b"%x" in item:
        body = b"{" + b",".join(item % number for number in range(MIB // 64)) + b"}"
    verdict, peak = peak_of(input_of(text), body)
    assert isinstance(verdict, Deny)
    assert 0 < len(verdict.violations) <= MOST_VIOLATIONS
    assert peak < MOST_MEMORY * len(body)


def test_an_answer_that_breaks_its_contract_often_holds_no_error_but_those_that_are_told() -> None:
    judge = output_of("rows: /i\ninput: {a: {type: number}}\noutput: {" + REQUIRED[1:])
    verdict, peak = peak_of(judge, body := repeated(b"{}", b'{"predictions":[', b"]}"))
    assert isinstance(verdict, Deny)
    assert len(verdict.violations) == MOST_VIOLATIONS
    assert said(verdict)[:9] == [*(f"/predictions/0/f{number} missing" for number in range(8)), "/predictions/1/f0 missing"]
    assert peak < MOST_MEMORY * len(body)


def test_the_last_of_many_rows_is_told_of() -> None:
    rows = [{"a": 1}] * (3 * SLICE)
    verdict = input_of("rows: /i\ninput: {a: {type: number}}").judge(JSON, dumps({"i": [*rows, {}, {"a": ""}]}), WALL)
    assert said(verdict) == [f"/i/{3 * SLICE}/a missing", f"/i/{3 * SLICE + 1}/a type"]


# ── against pydantic's own errors ─────────────────────────────────────────────────────────────────────────────────────

SHAPES = """
input:
  n: {type: number, min: 0}
  i: {type: integer, max: 9, required: false}
  s: {type: string, max_length: 2, nullable: true}
  e: {enum: [a, b], default: a}
  t: {type: timestamp, required: false}
  l: {type: array, items: {type: number}, min_items: 1, max_items: 3, required: false}
  m: {type: array, items: {type: array, items: {type: string, nullable: true}, max_items: 2}, default: []}
  o: {type: object, required: false, fields: {a: {type: number}, b: {type: array, items: {type: integer}}, c: {type: object}}}
  p: {type: array, required: false, items: {type: object, fields: {a: {type: number, default: 1}, b: {type: string}}}}
  q: {type: array, required: false}
"""


def patient(schema: Any) -> Any:
    """The schema with lists that go on after a wrong item, as pydantic's do."""
    if isinstance(schema, dict):
        return {key: patient(value) for key, value in schema.items() if key != "fail_fast"}
    return [patient(item) for item in schema] if isinstance(schema, list) else schema


def by_pydantic(schema: Any, tree: object) -> list[Breach]:
    try:
        SchemaValidator(patient(schema)).validate_python(copy.deepcopy(tree))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)[:MOST_VIOLATIONS]
        return [Breach(detail["loc"], detail["type"], detail["input"]) for detail in details]
    return []


def schemas() -> list[Any]:
    results: list[Any] = []
    for undeclared in ("strip", "pass", "reject"):
        for layout in ("", "rows: /r\n", "rows: /x/r\n", "rows: ''\n"):
            contract = input_of(f"undeclared: {undeclared}\n{layout}{SHAPES}")
            results.append(contract._reader.breaches._schema)
    columns = input_of("rows: /r\ncolumns: [n, l]\ninput: {n: {type: number}, l: {type: array, items: {type: number}}}")
    results.append(columns._reader.breaches._schema)
    results.append(
        output_of(
            "rows: /r\n"
            + SHAPES.replace("input:", "output:")
            .replace(", default: a", "")
            .replace(", default: []", "")
            .replace(", default: 1", "")
            + "input: {n: {type: number}}"
        )._reader.breaches._schema
    )
    return results  # fmt: skip


SCHEMAS = schemas()
SCALARS = st.sampled_from([None, True, 0, 1, -1, 2.0, 0.5, 1e400, 10**30, "", "a", "abc", "2026-01-01T00:00:00Z"])
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=4), st.dictionaries(st.sampled_from("abcz"), below, max_size=3), st.just([1, 0.5])
    ),
    max_leaves=6,
)
INSTANCES = st.one_of(
    st.dictionaries(st.sampled_from("nisetlmopqz"), VALUES, max_size=9),
    st.fixed_dictionaries({"n": st.just(1), "s": st.just("a")}, optional=dict.fromkeys("ilmopz", VALUES)),
    VALUES,
)
ROWS = st.builds(lambda rows, times: rows * times, st.lists(INSTANCES, max_size=4), st.sampled_from([1, 1, 30, 300]))
TREES = st.one_of(
    INSTANCES,
    ROWS,
    st.builds(lambda rows, more: {"r": rows, "predictions": rows, "x": {"r": rows, **more}, **more}, ROWS, st.sampled_from([{}, {"z": 1}])),
)  # fmt: skip


@given(tree=TREES)
def test_the_breaches_are_the_first_64_of_pydantics(tree: object) -> None:
    for schema in SCHEMAS:
        found = Breaches(schema).of(tree)
        expected = by_pydantic(schema, tree)
        assert [(path, kind) for path, kind, _ in found] == [(path, kind) for path, kind, _ in expected]
        assert [type(value) for *_, value in found] == [type(value) for *_, value in expected]


def test_a_value_alone_is_told_of_as_pydantic_does() -> None:
    shape = route(SHAPES)
    assert isinstance(shape, Route)
    for field in shape.inputs.values():
        schema = nullable(field, "reject")
        for value in (None, 1, "x" * 9, [], [1, "", None], {"a": ""}, [{}] * 70, [[""] * 3] * 70):
            results = [(path, kind) for path, kind, _ in Breaches(schema).of(value)]
            assert results == [(path, kind) for path, kind, _ in by_pydantic(schema, value)]


def test_the_reference_goes_on_after_a_wrong_item() -> None:
    schema = core.list_schema(core.float_schema(strict=True), fail_fast=True)
    assert len(by_pydantic(schema, ["", ""])) == 2


def test_a_kept_contract_has_no_breaches() -> None:
    assert isinstance(output_of("output: {n: {type: number}}").judge(b'{"n": 1}'), Allow)
    assert Breaches(core.list_schema(core.float_schema())).of([1.0]) == []
