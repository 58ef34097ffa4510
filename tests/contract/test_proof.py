"""Whatever the form of a contract: what it allows is finite and at most 64 deep, also where nothing describes it."""

import json
from math import isinf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.strict import MAX_DEPTH
from guard.proxy.values import Deny
from tests.contract.making import JSON, WALL, input_of, output_of

INPUT = "input: {a: {type: number}, b: {type: integer, required: false}}"
INPUTS = [
    input_of(f"undeclared: {undeclared}\nenforcement: {enforcement}\n{rows}{INPUT}")
    for undeclared in ("strip", "pass", "reject")
    for enforcement in ("enforce", "observe")
    for rows in ("", "rows: /rows\n", "rows: /x/rows\n", "rows: ''\n", "rows: /rows\ncolumns: [a, b]\n")
]
ROWS = "rows: /rows\ninput: {a: {type: number}}\noutput: "
OUTPUTS = [
    output_of(ROWS + outputs)
    for outputs in (
        "{a: {type: number}, b: {type: integer, required: false}}",
        "{a: {type: number, at: /rows/*/a}, b: {type: integer, at: /rows/*/b}}",
        "{a: {type: number, at: /rows/*/a, required: false}}",
        "{a: {type: number, at: /rows/*}}",
        "{a: {type: number, at: '/*'}}",
        "{a: {type: number}, b: {type: number, at: /rows/*/b}}",
        "{a: {type: number, at: /rows/*/a}, b: {type: number, at: /x/*/b}}",
    )
]
DEEP = "[" * MAX_DEPTH + "]" * MAX_DEPTH
ODD = st.sampled_from(["1e400", "-1E+400", "[1e400]", '{"a": 1e400}', DEEP, f'{{"a": {DEEP}}}', "9" * 309 + ".5", "null"])
VALUES = st.one_of(st.sampled_from(["0", "1", "0.5"]), st.sampled_from(["0", "1"]), ODD)


def written(members: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"


ROW = st.one_of(
    st.fixed_dictionaries({"a": VALUES}, optional={"b": VALUES, "z": VALUES}).map(written),
    st.lists(VALUES, min_size=2, max_size=2).map(lambda values: "[" + ", ".join(values) + "]"),
    VALUES,
)
LIST = st.lists(ROW, max_size=3).map(lambda rows: "[" + ", ".join(rows) + "]")
WRAPPED = st.fixed_dictionaries({"rows": LIST}, optional={"a": VALUES, "x": LIST, "z": VALUES}).map(written)
DOCUMENTS = st.one_of(ROW, LIST, WRAPPED, st.fixed_dictionaries({"x": WRAPPED}, optional={"z": VALUES}).map(written))


def sound(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict | list | tuple):
        below = value.values() if isinstance(value, dict) else value
        return depth < MAX_DEPTH and all(sound(one, depth + 1) for one in below)
    return not (isinstance(value, float) and isinf(value))


@given(text=DOCUMENTS)
def test_what_is_allowed_is_finite_and_not_deep(text: str) -> None:
    tree, body = json.loads(text), text.encode()
    for contract in INPUTS:
        verdict = contract.judge(JSON, body, WALL)
        assert isinstance(verdict, Deny) or sound(tree)
    for rows in (None, 1):
        for answers in OUTPUTS:
            assert isinstance(answers.judge(body, rows), Deny) or sound(tree)


@pytest.mark.parametrize("text", ['{"b": 1, "a": 1e400}', '{"b": 1, "z": 1e400}', '{"b": 1, "a": ' + DEEP + "}"])
def test_a_member_with_the_name_of_a_field_that_stands_elsewhere_is_undeclared(text: str) -> None:
    fields = "{a: {type: number, at: /b, required: false}, b: {type: number, at: /c, required: false}}"
    verdict = input_of(f"undeclared: pass\ninput: {fields}").judge(JSON, text.encode(), WALL)
    assert isinstance(verdict, Deny)
    assert verdict.code in ("json_number", "json_depth")


def test_where_the_contract_is_observed_no_other_number_is_sent() -> None:
    """What is not to be sent is taken out, so the document is written anew: infinity would be null."""
    contract = input_of("enforcement: observe\ninput: {a: {type: number}, s: {type: string, send: false}}")
    verdict = contract.judge(JSON, b'{"a": [1e400], "s": "x"}', WALL)
    assert isinstance(verdict, Deny)
    assert verdict.code == "json_number"
