"""Whatever the form of a contract: what it allows is finite and at most 64 deep, also where nothing describes it.

And whether a text was read and validated in one pass or as a tree, the verdict is the same.
"""

import json
import tracemalloc
from math import isinf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.input import InputContract
from guard.contract.output import OutputContract, unread
from guard.contract.strict import MAX_DEPTH, Unreadable, dumps, parse, proven
from guard.proxy.values import Allow, Deny, Verdict
from tests.contract.making import JSON, WALL, input_of, output_of, said

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
        return depth < MAX_DEPTH and all(sound(item, depth + 1) for item in below)
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


FIELDS = (
    "{n: {type: number, min: 0}, i: {type: integer, max: 9}, s: {type: string}, e: {enum: ['x:y', z]}, b: {type: boolean},"
    " t: {type: timestamp, required: false, freshness: {warn: 1h, stale: 9999h, skew: 5m}}, d: {type: integer, default: 7}, u: {type: number, nullable: true},"
    " m: {type: string, nullable: true, default: 'a:b'}, k: {type: integer, missing: fall}}"
)
PLAIN = "{n: {type: number, at: /i, min: 0}, 'a:b': {type: integer}, s: {type: string, max_length: 9, send: false}}"
COLUMNS = "{n: {type: number}, s: {type: string, nullable: true}}"
JUDGES = [
    input_of(f"undeclared: {undeclared}\nenforcement: {enforcement}\n{rows}input: {fields}")
    for undeclared in ("strip", "pass", "reject")
    for enforcement in ("enforce", "observe")
    for rows, fields in (
        ("", FIELDS),
        ("", PLAIN),
        ("rows: /rows\n", FIELDS),
        ("rows: /x/rows\n", PLAIN),
        ("rows: ''\n", PLAIN),
        ("rows: /rows\ncolumns: [n, s]\n", COLUMNS),
    )
]
ANSWERS = [
    output_of(ROWS + outputs)
    for outputs in (
        "{n: {type: number}, s: {type: string, required: false}, i: {type: integer, required: false, nullable: true}}",
        "{n: {type: number, at: /rows/*/n}, s: {type: string, at: /rows/*/s, nullable: true}}",
        "{n: {type: number, at: /rows/*/n, required: false}}",
        "{s: {type: string, at: /rows/*}}",
    )
]
NUMBERS = ["0", "7", "7.0", "1e2", "0.5", "-1", "1e400", "-0", "12345678901234567890123", "NaN", "01"]
STRINGS = [
    '"z"',
    '"x:y"',
    '"x\\u003ay"',
    '":"',
    '"a\\":b"',
    '"\\ud800"',
    '"\\u00e9"',
    '"é:"',
    '"2026-01-01T00:00:00Z"',
    '"',
]
OTHERS = ["true", "null", "[]", "[[1]]", "{}", '{"n": 1}', '{"n": 1, "n": 1}', "1 2", "tru"]
WRITTEN = st.sampled_from([*NUMBERS, *STRINGS, *OTHERS])
NAMES = st.sampled_from(["n", "i", "s", "e", "b", "t", "d", "u", "m", "k", "a:b", "z", "\\u006e", "rows", "x"])
GOOD = {"n": "1", "i": "1", "s": '"v"', "e": '"z"', "b": "true", "u": "null", "k": "3", "a:b": "5"}
PAIR = st.tuples(NAMES, WRITTEN)


def members(pairs: list[tuple[str, str]], space: str) -> str:
    return "{" + ", ".join(f'"{name}"{space}:{space}{value}' for name, value in pairs) + "}"


KEPT = st.lists(st.sampled_from([*GOOD]), unique=True, max_size=3).map(
    lambda absent: [(name, value) for name, value in GOOD.items() if name not in absent]
)
PAIRS = st.one_of(st.just([*GOOD.items()]), KEPT, st.lists(PAIR, max_size=3))
BROKEN = st.builds(lambda item, other: item + other, PAIRS, st.lists(PAIR, max_size=2))
LINE = st.one_of(
    st.builds(members, st.one_of(PAIRS, BROKEN), st.sampled_from(["", " "])),
    st.tuples(WRITTEN, WRITTEN).map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
    st.sampled_from(['[1, "a:b"]', "[0.5, null]", '[1, "\\u003a"]', '"a:b"']),
    WRITTEN,
)
LINES = st.lists(LINE, max_size=3).map(lambda rows: "[" + ", ".join(rows) + "]")
AROUND = st.one_of(
    LINES.map(lambda rows: f'{{"rows": {rows}}}'),
    LINES.map(lambda rows: f'{{"x": {{"rows": {rows}}}}}'),
    st.builds(lambda rows, pair: members([("rows", rows), pair], ""), LINES, PAIR),
)
TEXTS = st.one_of(LINE, LINES, AROUND)


def by_tree(judge: InputContract, body: bytes) -> Verdict:
    """As every text could be judged."""
    try:
        return judge.written(judge.hold(proven(parse(body), body), WALL, body), dumps)
    except Unreadable as error:
        return Deny(error.code)


def told(verdict: Verdict) -> object:
    """All of it; in other kinds of numbers that are equal, where the contract is observed."""
    if isinstance(verdict, Deny):
        return verdict.code, [*verdict.violations]
    sent = None if isinstance(verdict, Allow) else json.loads(verdict.body)
    facts = verdict.facts and (verdict.facts.features, verdict.facts.ages)
    return (
        type(verdict).__name__,
        [*verdict.violations],
        verdict.rows,
        json.loads(dumps(verdict.document), parse_int=float),
        sent,
        facts,
    )


@given(text=TEXTS)
def test_a_request_read_in_one_pass_is_judged_as_its_tree(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    for judge in JUDGES:
        assert told(judge.judge(JSON, body, WALL)) == told(by_tree(judge, body))


def answered_by_tree(judge: OutputContract, body: bytes, rows: int | None) -> Allow | Deny:
    try:
        return judge.hold(proven(parse(body), body), rows)
    except Unreadable as error:
        return Deny(error.code, unread(error))


@given(text=TEXTS, rows=st.sampled_from([None, 0, 1, 2]))
def test_an_answer_read_in_one_pass_is_judged_as_its_tree(text: str, rows: int | None) -> None:
    body = text.encode("utf-8", "surrogatepass")
    for judge in ANSWERS:
        verdict = judge.judge(body, rows)
        expected = answered_by_tree(judge, body, rows)
        assert (type(verdict), [*verdict.violations]) == (type(expected), [*expected.violations])
        assert judge.measured(verdict.document) == judge.measured(expected.document)
        if isinstance(verdict, Deny):
            assert isinstance(expected, Deny)
            assert (verdict.code, verdict.document) == (expected.code, expected.document)


def test_integers_keep_their_digits() -> None:
    verdict = input_of("integers: exact\ninput: {a: {type: integer}}").judge(JSON, b'{"a": 18446744073709551615}', WALL)
    assert getattr(verdict, "body", None) == b'{"a":18446744073709551615}'


def test_no_string_of_a_client_is_kept() -> None:
    """Whoever reads JSON likes to keep short strings, to have them ready when they come again."""
    contract = input_of("input: {a: {type: string}}")
    one, other = (contract.judge(JSON, b'{"a": "secret"}', WALL).document for _ in range(2))
    assert one == other == {"a": "secret"}
    assert one["a"] is not other["a"]


def test_a_large_document_is_not_copied_for_each_of_its_violations() -> None:
    contract = input_of("input: {" + ", ".join(f"f{number}: {{type: number}}" for number in range(50)) + "}")
    body = dumps({f"g{number}": "x" * 50 for number in range(5000)})
    tracemalloc.start()
    try:
        verdict = contract.judge(JSON, body, WALL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(verdict, Deny)
    assert said(verdict) == [f"/f{number} missing" for number in range(50)]
    assert peak < 10 * len(body)


@pytest.mark.parametrize("fields", [1, 50, 2000])
@pytest.mark.parametrize("length", [1, 1 << 17])
def test_of_any_size_a_request_is_judged_as_its_tree(fields: int, length: int) -> None:
    """Where one pass could cost much, and where it cannot."""
    names = [f"f{number}" for number in range(fields)]
    contract = input_of("input: {t: {type: string}, " + ", ".join(f"{name}: {{type: integer}}" for name in names) + "}")
    good = dumps({"t": "x" * length} | dict.fromkeys(names, 1))
    for body in (good, good.replace(b'"f0"', b'"t"'), good.replace(b'"f0"', b'"z"'), good.replace(b":1", b":null", 1)):
        assert told(contract.judge(JSON, body, WALL)) == told(by_tree(contract, body))
