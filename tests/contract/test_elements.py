"""A document of nothing but structure is refused before it is built; what strings hold is no structure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.elements import ABSENT
from guard.contract.strict import MAX_ELEMENTS, PLAIN, Unreadable, limit, loads
from guard.proxy.values import Allow, Amend, Deny, Verdict
from tests.contract.making import JSON, WALL, input_of, output_of

JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(0, 9), st.text(st.sampled_from('ab"\\{}[]:,é\n'), max_size=6)),
    lambda below: st.one_of(
        st.lists(below, max_size=4), st.dictionaries(st.text(st.sampled_from('a"\\{}[]:,'), max_size=4), below, max_size=4)
    ),
    max_leaves=20,
)


def code(verdict: Verdict) -> str:
    assert isinstance(verdict, Deny)
    return verdict.code


def elements(value: Any) -> tuple[int, int]:
    """Objects, lists and names; commas."""
    if isinstance(value, dict | list):
        below = [elements(item) for item in (value.values() if isinstance(value, dict) else value)]
        own = 1 + (len(value) if isinstance(value, dict) else 0)
        return own + sum(item for item, _ in below), max(0, len(value) - 1) + sum(many for _, many in below)
    return 0, 0


@given(value=JSON_VALUES, spaced=st.booleans(), escaped=st.booleans())
def test_exactly_so_many_elements_are_read(value: Any, spaced: bool, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped, indent=1 if spaced else None).encode()
    own, commas = elements(value)
    count = own + commas // PLAIN
    limit(body, count)
    if count > 1:
        with pytest.raises(Unreadable, match="json_elements"):
            limit(body, count - 1)


@pytest.mark.parametrize("item", [b"{}", b"[]", b'{"a":1}', b"[1]", b"[" * 60 + b"]" * 60, b'"a":1', b'{"a":{}}'])
def test_a_document_of_nothing_but_structure_is_refused(item: bytes) -> None:
    contract = input_of("undeclared: pass\ninput: {a: {type: number, required: false}}")
    ends = (b"{", b"}") if item.startswith(b'"') else (b'{"u":[', b"]}")
    body = ends[0] + b",".join([item] * (MAX_ELEMENTS // 2)) + ends[1]
    assert code(contract.judge(JSON, body * 4, WALL)) == "json_elements"
    assert code(contract.judge(JSON, ends[0] + body * 40, WALL)) == "json_elements"


def test_an_answer_of_nothing_but_structure_closes_its_rung() -> None:
    verdict = output_of("output: {a: {type: number}}").judge(b'{"a":1,"u":[' + b"{}," * MAX_ELEMENTS + b"{}]}")
    assert isinstance(verdict, Deny)
    assert (verdict.code, [*verdict.violations]) == ("json_elements", [("", "items", "")])


def test_plain_values_are_bounded_by_their_bytes_first() -> None:
    numbers = b"[" + b",".join([b"1"] * (MAX_ELEMENTS * PLAIN - PLAIN)) + b"]"
    assert loads(numbers)
    with pytest.raises(Unreadable, match="json_elements"):
        loads(b"[" + b",".join([b"1"] * (MAX_ELEMENTS * PLAIN + 1)) + b"]")


def test_a_text_full_of_brackets_is_one_value() -> None:
    contract = input_of("input: {s: {type: string}}")
    for text in ("{[:," * MAX_ELEMENTS, '{"a": ["\\"]},' * MAX_ELEMENTS, "\\" * 7 + '":' * MAX_ELEMENTS):
        assert isinstance(contract.judge(JSON, json.dumps({"s": text}).encode(), WALL), Amend)


def test_a_route_says_how_many() -> None:
    body = b'{"a":1,"u":[' + b",".join([b"{}"] * MAX_ELEMENTS) + b"]}"
    assert isinstance(input_of("max_elements: 40000\ninput: {a: {type: number}}").judge(JSON, body, WALL), Amend)
    assert isinstance(output_of("max_elements: 40000\noutput: {a: {type: number}}").judge(body), Allow)
    assert code(input_of("max_elements: 9\ninput: {a: {type: number}}").judge(JSON, body, WALL)) == "json_elements"


FIELDS = ", ".join(f"f{number}: {{type: number, default: {number}}}" for number in range(50 * ABSENT))


@pytest.mark.parametrize("undeclared", ["strip", "pass"])
def test_what_instances_may_lack_counts(undeclared: str) -> None:
    """Each of them would have all defaults: a document of a few kilobytes would become gigabytes."""
    contract = input_of(f"max_elements: 5000\nundeclared: {undeclared}\nrows: /r\ninput: {{{FIELDS}}}")
    few, many = ({"r": [{}] * count} for count in (98, 99))
    assert isinstance(contract.judge(JSON, json.dumps(few).encode(), WALL), Amend)
    assert code(contract.judge(JSON, json.dumps(many).encode(), WALL)) == "json_elements"
    assert code(contract.hold(many, WALL, b"")) == "json_elements"


def test_what_objects_below_an_instance_may_lack_counts() -> None:
    contract = input_of(f"max_elements: 5000\ninput: {{x: {{type: array, items: {{type: object, fields: {{{FIELDS}}}}}}}}}")
    few, many = (b'{"x":[' + b",".join([b"{}"] * count) + b"]}" for count in (80, 400))
    assert isinstance(contract.judge(JSON, few, WALL), Amend)
    assert code(contract.judge(JSON, many, WALL)) == "json_elements"
