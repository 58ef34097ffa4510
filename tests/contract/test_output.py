"""The contract of answers, and our own answers."""

import json

import pytest

from guard.contract.fields import ContractInvalid
from guard.proxy.values import Allow, Deny
from tests.contract.making import output_of, said

ONE = """
output:
  label: {enum: [yes_, no_]}
  score: {type: number, min: 0, max: 1, from: model}
  note: {type: string, required: false}
"""
MANY = "rows: /instances\ninput: {a: {type: integer}}\noutput: {label: {enum: [x, y]}, score: {type: number, from: model}}"


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        (b'{"label":"yes_","score":0.5,"extra":{"any":1}}', []),
        (b'{"label":"yes_","score":1}', []),
        (b'{"label":"maybe","score":0.5}', ["/label enum"]),
        (b'{"label":"yes_","score":1.01}', ["/score max"]),
        (b'{"label":"yes_","score":null}', ["/score null"]),
        (b'{"label":"yes_"}', ["/score missing"]),
        (b"[]", [" type"]),
        (b'{"label":"yes_","score":0.5,"note":null}', []),
        (b'{"label":"yes_","score":0.5,"note":1}', ["/note type"]),
    ],
)
def test_answers(body: bytes, violations: list[str]) -> None:
    verdict = output_of(ONE).judge(body, None)
    assert said(verdict) == violations
    assert isinstance(verdict, Deny if violations else Allow)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e400", b"-1e400"])
def test_numbers_that_are_none_break_it(number: bytes) -> None:
    for body in (b'{"label":"yes_","score":' + number + b"}", b'{"label":"yes_","score":0.5,"x":' + number + b"}"):
        assert isinstance(output_of(ONE).judge(body, None), Deny)


def test_a_key_twice_breaks_it() -> None:
    assert isinstance(output_of(ONE).judge(b'{"label":"yes_","score":0.1,"score":0.9}', None), Deny)


def test_rows_have_one_answer_each() -> None:
    body = json.dumps({"predictions": [{"label": "x", "score": 1.0}, {"label": "y", "score": 2.0}]}).encode()
    contract = output_of(MANY)
    assert isinstance(contract.judge(body, 2), Allow)
    assert isinstance(contract.judge(body, None), Allow)
    assert said(contract.judge(body, 3)) == ["/predictions items"]
    bad = json.dumps({"predictions": [{"label": "x", "score": 1.0}, {"label": "z"}]}).encode()
    assert said(contract.judge(bad, 2)) == ["/predictions/1/label enum", "/predictions/1/score missing"]
    for shape in (b'{"predictions":{}}', b"{}", b'{"predictions":[1]}'):
        assert isinstance(contract.judge(shape, 1), Deny)


def test_a_list_of_an_optional_output_need_not_be_there() -> None:
    contract = output_of("input: {a: {type: integer}}\noutput: {x: {type: integer, at: /x/*, required: false}}")
    for body in (b"{}", b'{"x":null}', b'{"x":[1,2]}'):
        assert isinstance(contract.judge(body, 2), Allow)
    assert said(contract.judge(b'{"x":[1]}', 2)) == ["/x items"]


def test_our_own_answers_leave_the_models_outputs_null() -> None:
    one, many = output_of(ONE), output_of(MANY)
    assert one.build([{"label": "no_"}]) == {"label": "no_", "score": None, "note": None}
    assert isinstance(one.judge_own(one.build([{"label": "no_"}]), None), Allow)
    assert isinstance(one.judge_own(one.build([{"label": "zz"}]), None), Deny)
    assert isinstance(one.judge_own(one.build([{}]), None), Deny)
    document = many.build([{"label": "x"}, {"label": "y"}])
    assert document == {"predictions": [{"label": "x", "score": None}, {"label": "y", "score": None}]}
    assert isinstance(many.judge_own(document, 2), Allow)


@pytest.mark.parametrize(
    ("outputs", "body", "built"),
    [
        ("{n: {type: number, at: ''}}", b"4.5", 1.0),
        ("{n: {type: number, at: /predictions/*}}", b'{"predictions":[1.5,2.5]}', {"predictions": [1.0]}),
        ("{n: {type: number, at: '/*'}}", b"[1.5]", [1.0]),
        ("{n: {type: number, at: /a/b}}", b'{"a":{"b":1.0}}', {"a": {"b": 1.0}}),
        (
            "{n: {type: number, at: /a/*/n}, m: {type: number, at: /a/*/m}}",
            b'{"a":[{"n":1.0,"m":2.0}]}',
            {"a": [{"n": 1.0, "m": 1.0}]},
        ),
    ],
)
def test_where_outputs_stand(outputs: str, body: bytes, built: object) -> None:
    contract = output_of(f"output: {outputs}")
    assert isinstance(contract.judge(body, None), Allow)
    assert contract.build([{"n": 1.0, "m": 1.0}]) == built


def test_outputs_that_contradict_each_other_do_not_compile() -> None:
    for outputs in (
        "{a: {type: number, at: ''}, b: {type: number}}",
        "{a: {type: number, at: '/*'}, b: {type: number, at: /x}}",
    ):
        with pytest.raises(ContractInvalid):
            output_of(f"output: {outputs}")
