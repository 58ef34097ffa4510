"""A JSON Schema file costs no more than its document: what could is refused when the policy is read, or bounded at run."""

import json
import tracemalloc
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.breaches import MOST_VIOLATIONS
from guard.contract.fields import ContractInvalid
from guard.contract.patterns import MOST_STEPS, steps
from guard.contract.schema_cost import MOST_VISITS, most_visits
from guard.contract.schema_file import SchemaInput, compile_schema_input
from guard.contract.schema_graph import Graph
from guard.policy.errors import PolicyInvalid
from guard.proxy.values import Amend, Deny
from tests.contract.making import JSON, WALL, input_of, output_of, said

BACK = {"$ref": "#/$defs/n"}
ROWS = {
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}}},
        },
        "more": {"type": "object", "additionalProperties": {"type": "array", "items": {"enum": [1, 2]}}},
        "deep": {"$ref": "#/$defs/tree"},
    },
    "required": ["rows"],
    "$defs": {
        "tree": {
            "allOf": [{"properties": {"v": {"type": "integer", "maximum": 5}}}],
            "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3}},
        }
    },
}
ALL = {"$defs": ROWS["$defs"], "allOf": [{key: value for key, value in ROWS.items() if key != "$defs"}, {"items": False}]}
CHOICE = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "number"}}]}


def eagerly(schema: Any, document: object) -> list[str]:
    """Every error of the library, as a path and a keyword."""
    errors = jsonschema_rs.validator_for(schema).iter_errors(document)
    return [f"{list(error.instance_path)} {error.schema_path[-1]}" for error in errors]


def judged(contract: SchemaInput, document: object) -> list[str]:
    verdict = contract.judge(JSON, json.dumps(document).encode(), WALL)
    return said(verdict)


VALUES = st.recursive(
    st.sampled_from([None, True, 1, 3, 9, 1.5, "x"]),
    lambda below: st.one_of(
        st.lists(below, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "v", "kids"]), below, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "rows": st.builds(lambda rows, times: rows * times, st.lists(VALUES, max_size=3), st.sampled_from([1, 5, 30])),
        "more": st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3),
        "deep": VALUES,
    },
)


@given(document=st.one_of(DOCUMENTS, VALUES))
def test_what_is_said_of_fewer_than_64_mistakes_is_what_the_library_says(document: Any) -> None:
    for schema in (ROWS, CHOICE, ALL):
        contract, expected = compile_schema_input(schema, enforce=True), eagerly(schema, document)
        verdict = contract.judge(JSON, json.dumps(document).encode(), WALL)
        assert isinstance(verdict, Deny) == bool(expected)
        assert len(verdict.violations) == min(len(expected), MOST_VIOLATIONS) or len(expected) >= MOST_VIOLATIONS
        if len(expected) < MOST_VIOLATIONS and (faults := contract._schema._faults) is not None:
            assert faults.shortened(document) == document
            assert not faults.cut


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (ROWS, {"rows": [{}] * 30_000}),
        (ROWS, {"rows": [1] * 30_000}),
        (ROWS, {"rows": [{"a": 1, "b": 1}] * 500 + [{}] * 30_000}),
        (ROWS, {"rows": [{"a": 1, "b": 1}], "more": {f"x{number}": [3, 3] for number in range(10_000)}}),
        (ROWS, {"rows": [{"a": 1, "b": 1}], "more": {"x": [3] * 300_000}}),
        (CHOICE, [""] * 300_000),
        (ALL, {"rows": [{}] * 30_000}),
        ({"not": {"items": {"type": "string"}}}, ["x"] * 300_000),
    ],
)
def test_no_more_errors_are_made_than_are_told(schema: Any, document: object) -> None:
    contract, body = compile_schema_input(schema, enforce=True, elements=1_000_000), json.dumps(document).encode()
    compile_schema_input(schema, enforce=True).judge(JSON, b"0", WALL)
    tracemalloc.start()
    try:
        verdict = contract.judge(JSON, body, WALL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(verdict, Deny)
    assert 0 < len(verdict.violations) <= MOST_VIOLATIONS
    assert verdict.violations[0].code != "items"
    assert peak < 64 * len(body) + (1 << 20)


def test_the_last_of_many_items_is_told_of() -> None:
    contract = compile_schema_input(ROWS, enforce=True)
    assert judged(contract, {"rows": [{"a": 1, "b": 1}] * 5_000 + [{"a": 1}]}) == ["/rows/5000/b missing"]


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]},
        {"$defs": {"n": {"anyOf": [{"items": BACK}, {"items": BACK}, {"type": "null"}]}}, "$ref": "#/$defs/n"},
        {"if": {"items": {"$ref": "#"}}, "then": {"items": {"$ref": "#"}}},
        {"items": {"$ref": "#"}, "contains": {"$ref": "#"}},
        {"properties": {"a": {"$ref": "#"}}, "patternProperties": {"^a": {"$ref": "#"}}},
        {"properties": {"a": {"$ref": "#"}}, "unevaluatedProperties": False},
        {"$ref": "#"},
        {"$defs": {"n": {"allOf": [BACK]}}, "$ref": "#/$defs/n"},
        {
            "$ref": "#/$defs/d0",
            "$defs": {"d9": True, **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(9)}},
        },
        {"properties": {"a": {"pattern": r"\b(\p{L}+\W+){0,50}zzz"}}},
        {"patternProperties": {"[ab]*a[ab]{20}c": True}},
    ],
)
def test_a_schema_that_may_look_again_and_again_is_refused(schema: Any) -> None:
    with pytest.raises(ContractInvalid, match=r"^(#|the pattern at #)"):
        compile_schema_input(schema, enforce=True)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"children": {"items": {"$ref": "#"}}, "value": {"type": "number"}}},
        {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
        {
            "$defs": {"n": {"anyOf": [{"items": BACK}, {"additionalProperties": BACK}, {"type": ["null", "number"]}]}},
            "$ref": "#/$defs/n",
        },
        {"$defs": {"n": {"properties": {"next": {"anyOf": [{"type": "null"}, BACK]}}}}, "$ref": "#/$defs/n"},
        {"oneOf": [{"properties": {"kind": {"const": number}}} for number in range(40)]},
        {"properties": {"id": {"pattern": "^[A-Z]{2}-[0-9]{6}$"}}},
        True,
    ],
)
def test_a_schema_with_one_way_down_is_taken(schema: Any) -> None:
    assert most_visits(Graph(schema)) <= MOST_VISITS
    document: Any = {}
    for _ in range(50):
        document = {"children": [document], "left": document, "next": document}
    compile_schema_input(schema, enforce=True).judge(JSON, json.dumps({"a": 1}).encode(), WALL)


# ── patterns ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CHEAP = [
    "^[A-Z]{2}[0-9]{6,30}$", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}$", r"^\S+@\S+$", "x", "^[A-Za-z][A-Za-z0-9_-]{0,62}$",
    "hello world, a text that is only itself", "^(?:yes|no)$", "[0-9]{5}", "", "^a{2}{3}[]a]{9}[^]]{9}$",
]  # fmt: skip
DEAR = {
    r"\b(\p{L}+\W+){0,50}zzz": 103, "[ab]*a[ab]{20}c": 23, "^[ab]*a[ab]{20}$": 22, r"^(?:[a-z]+\.){1,20}com$": 43,
    "[[:alpha:]&&[^a]]{20}": 20, "(?i)a{7}{5}": 35, r"(?P<x>\x{61}{20})": 20, r"\[{20}\]": 21,
}  # fmt: skip


def test_the_places_of_a_pattern() -> None:
    assert {pattern: steps(pattern) for pattern in CHEAP} == dict.fromkeys(CHEAP, 0)
    assert {pattern: steps(pattern) for pattern in DEAR} == DEAR


@pytest.mark.parametrize("pattern", DEAR)
def test_a_dear_pattern_needs_a_length(pattern: str) -> None:
    quoted = json.dumps(pattern)
    most = MOST_STEPS // DEAR[pattern]
    for bound in ("", f", max_length: {most + 1}"):
        with pytest.raises(PolicyInvalid, match=f"policy.yaml:7:.* {DEAR[pattern]} steps .*max_length: {most} or less"):
            input_of(f"input:\n  s: {{type: string, pattern: {quoted}{bound}}}")
    input_of(f"input: {{s: {{type: string, pattern: {quoted}, max_length: {most}}}}}")


DEAR_FIELD = '{type: string, pattern: "([ab]+c){50}", max_length: 9000}'


def test_the_texts_of_a_dear_pattern_are_bounded_together() -> None:
    text = "ab" * 4000
    rows = input_of(f"rows: /r\ninput: {{s: {DEAR_FIELD}, l: {{type: array, items: {DEAR_FIELD}, required: false}}}}")
    answers = output_of(f"rows: /r\ninput: {{a: {{type: number}}}}\noutput: {{s: {DEAR_FIELD}}}")
    for count, refused in ((1, False), (2, True)):
        several = [{"s": text}] * count
        verdicts = [
            rows.judge(JSON, json.dumps({"r": several}).encode(), WALL),
            rows.hold({"r": several}, WALL, b""),
            rows.judge(JSON, json.dumps({"r": [{"s": "a", "l": [text] * count}]}).encode(), WALL),
            answers.judge(json.dumps({"predictions": several}).encode()),
        ]
        for verdict in verdicts:
            assert isinstance(verdict, Deny)
            assert (verdict.code == "json_elements") is refused
    assert isinstance(
        input_of(f"input: {{s: {DEAR_FIELD}}}").judge(JSON, json.dumps({"s": "abc" * 50}).encode(), WALL), Amend
    )
