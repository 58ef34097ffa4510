"""A number that two parsers read differently is refused, or what the model server reads is what was judged."""

import json
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.contract.schema_file import compile_schema_input
from guard.contract.strict import Unreadable, loads
from guard.contract.validators import FIRST_SECOND, LAST_SECOND
from guard.proxy.values import Allow, Amend, Deny, Head
from tests.contract.making import input_of, output_of, said
from tests.dialects.speaking import CSV, compiled, forwarded, refused
from tests.dialects.speaking import JSON as JSON_HEADERS
from tests.dialects.speaking import ask as asked

JSON = Head(b"POST", b"/p", [(b"content-type", b"application/json")])
WALL = 1_800_000_000.0
SAFE = 2**53 - 1
EXACT = "integers: exact"


def node(text: str) -> float:
    """As a reader of doubles has it."""
    value = float(text)
    return struct.unpack("<d", struct.pack("<d", value))[0]


def same(sent: str, judged: Any) -> bool:
    """Whether readers of doubles, of integers and of decimals have in a text what was judged."""
    python = json.loads(sent)
    if isinstance(judged, int) and not isinstance(judged, bool) and abs(judged) > SAFE:
        return int(Decimal(sent)) == judged == python
    return python == judged and node(sent) == judged and float(Decimal(sent)) == judged


WHERE: dict[str, tuple[str, str]] = {
    "integer": ("input: {x: {type: integer}}", '{"x": %s}'),
    "number": ("input: {x: {type: number}}", '{"x": %s}'),
    "bounded": ("input: {x: {type: integer, min: -9e300, max: 9e300}}", '{"x": %s}'),
    "in one pass, of rows": ("rows: /r\ninput: {x: {type: integer}}", '{"r": [{"x": %s}]}'),
    "positions": ("rows: /r\ncolumns: [x]\ninput: {x: {type: integer}}", '{"r": [[%s]]}'),
    "positions of numbers": ("rows: ''\ncolumns: [x]\ninput: {x: {type: number}}", "[[%s]]"),
    "items": ("input: {x: {type: array, items: {type: integer}}}", '{"x": [%s]}'),
    "items of numbers": ("input: {x: {type: array, items: {type: number}}}", '{"x": [%s]}'),
    "any items": ("input: {x: {type: array}}", '{"x": [[%s]]}'),
    "any members": ("input: {x: {type: object}}", '{"x": {"y": %s}}'),
    "undeclared": ("undeclared: pass\ninput: {a: {type: integer}}", '{"a": 1, "x": %s}'),
    "undeclared of positions": (
        "undeclared: pass\nrows: /r\ncolumns: [a]\ninput: {a: {type: integer}}",
        '{"r": [[1]], "x": %s}',
    ),
    "epoch": ("input: {x: {type: timestamp, unit: ms}}", '{"x": %s}'),
}
SCHEMAS = {"schema": {}, "schema of integers": {"properties": {"x": {"type": "integer"}}}}

WRITTEN = [
    "0", "-0", "-0.0", "0.0", "1.0", "1e2", "1E+2", "1e-2", "0.1", "0.1000000000000000055511151231257827", "1e400", "-1e400",
    "1E-400", "5e-324", "2e-324", "1e22", "1e23", "123456789012345678901", "12345678901234567890.0", "0.12345678901234567890",
    "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740993.0", "9.007199254740993e15",
    "9223372036854775807", "-9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775809",
    "1" + "0" * 308, "1" + "0" * 309, "1" * 310, "9" * 4300, "-" + "9" * 4300, "9" * 4301, "1e308", "1.7976931348623159e308",
    "179769313486231580793e289", "1000000.0005", "1e-138", "0.9999999999", "4503599627370495.5", "0." + "0" * 400 + "1", "1" + "0" * 400 + "e-400", "0e999",
]  # fmt: skip
NO_JSON = ["01", "-01", "+1", ".5", "5.", "0x10", "1_000", "1e", "NaN", "Infinity", "-Infinity", "--1", "1 5", "１"]


def judges(exact: bool) -> list[Any]:
    more = f"\n{EXACT}" if exact else ""
    fields = [(name, input_of(text + more), form) for name, (text, form) in WHERE.items()]
    files = [(name, compile_schema_input(text, enforce=True, exact=exact), '{"x": %s}') for name, text in SCHEMAS.items()]
    return fields + files


JUDGES = {exact: judges(exact) for exact in (False, True)}


def found(tree: Any) -> Any:
    """The one value of a document that is not 1 by its side."""
    if isinstance(tree, dict):
        return found(tree.get("x", tree.get("y", tree.get("r"))))
    return found(tree[0]) if isinstance(tree, list | tuple) else tree


def held(text: str, exact: bool) -> None:
    for name, judge, form in JUDGES[exact]:
        body = (form % text).encode()
        verdict = judge.judge(JSON, body, WALL)
        if isinstance(verdict, Deny):
            continue
        assert isinstance(verdict, Amend), name
        last = json.loads(verdict.body, parse_int=str, parse_float=str)
        written = last["x"] if name == "undeclared of positions" else found(last)
        tree = verdict.document
        value = tree["x"] if name == "undeclared of positions" else found(tree)
        assert same(written, value), (name, text)
        if isinstance(value, int):
            assert -SAFE <= value <= SAFE or exact or name == "epoch"
            assert -(2**63) <= value < 2**64
        # and the client meant no other: what it wrote reads as that, to a reader of doubles
        assert node(text) == float(value), (name, text)


@pytest.mark.parametrize("exact", [False, True], ids=["safe", "exact"])
@pytest.mark.parametrize("text", WRITTEN, ids=lambda text: text[:24])
def test_what_every_reader_has_is_what_was_judged(text: str, exact: bool) -> None:
    held(text, exact)


LITERALS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(2**53 - 4, 2**53 + 4).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@given(LITERALS, st.booleans())
@example("9007199254740993", True)
def test_any_number_is_judged_as_it_is_read(text: str, exact: bool) -> None:
    held(text, exact)


@pytest.mark.parametrize("text", NO_JSON)
def test_what_is_no_number_of_json_is_refused_everywhere(text: str) -> None:
    for _, judge, form in JUDGES[True]:
        assert isinstance(judge.judge(JSON, (form % text).encode(), WALL), Deny)


@pytest.mark.parametrize("text", ["1" + "0" * 309, "1" * 310, "9" * 4300, "-" + "9" * 4300, "9" * 5000, "1e400"], ids=len)
@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_a_number_that_no_double_holds_is_refused_in_either_mode(text: str, mode: str) -> None:
    for name, (declared, form) in WHERE.items():
        verdict = input_of(f"{declared}\nenforcement: {mode}\n{EXACT}").judge(JSON, (form % text).encode(), WALL)
        assert isinstance(verdict, Deny), name
        assert verdict.code == "json_number", name
    for schema in SCHEMAS.values():
        verdict = compile_schema_input(schema, enforce=mode == "enforce").judge(JSON, b'{"x": %b}' % text.encode(), WALL)
        assert isinstance(verdict, Deny)
        assert verdict.code == "json_number"


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, 2**63, 2**64 - 1, -(2**53), -(2**63)])
def test_an_integer_past_the_safe_ones_is_refused_or_kept_to_its_last_digit(value: int) -> None:
    side = "max" if value > 0 else "min"
    for name in ("integer", "in one pass, of rows", "positions", "items"):
        declared, form = WHERE[name]
        body = (form % value).encode()
        [violation] = said(input_of(declared).judge(JSON, body, WALL))
        assert violation.endswith(f" {side}"), name
        verdict = input_of(f"{declared}\n{EXACT}").judge(JSON, body, WALL)
        assert isinstance(verdict, Amend)
        assert str(value).encode() in verdict.body
        observed = input_of(f"{declared}\nenforcement: observe").judge(JSON, body, WALL)
        assert isinstance(observed, Allow)
        assert observed.violations
    for name in ("any items", "any members", "undeclared", "undeclared of positions"):
        declared, form = WHERE[name]
        body = (form % value).encode()
        verdict = input_of(declared).judge(JSON, body, WALL)
        assert isinstance(verdict, Deny), name
        assert verdict.code == "json_number", name
        verdict_read = input_of(f"{declared}\n{EXACT}").judge(JSON, body, WALL)
        assert isinstance(verdict_read, Amend), name
        assert str(value).encode() in verdict_read.body


def test_an_id_of_64_bits_passes_as_text_too() -> None:
    verdict = input_of("input: {id: {type: string, pattern: '^[0-9]{1,20}$'}}").judge(
        JSON, b'{"id": "18446744073709551615"}', WALL
    )
    assert isinstance(verdict, Amend)


def test_digits_in_texts_and_fractions_are_no_integers() -> None:
    body = b'{"a": 1, "x": "90071992547409931234", "y": 0.90071992547409931234, "z": [1.5e-16, "9007199254740993"]}'
    assert isinstance(input_of("undeclared: pass\ninput: {a: {type: integer}}").judge(JSON, body, WALL), Amend)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 1000)])
def test_an_epoch_is_a_time_of_the_years_1_to_9999(unit: str, scale: int) -> None:
    judge = input_of(f"input: {{t: {{type: timestamp, unit: {unit}}}}}")
    for value in (FIRST_SECOND * scale, LAST_SECOND * scale, 0, 1.5):
        assert isinstance(judge.judge(JSON, b'{"t": %b}' % str(value).encode(), WALL), Amend)
    assert said(judge.judge(JSON, b'{"t": %d}' % (LAST_SECOND * scale + 1), WALL)) == ["/t max"]
    assert said(judge.judge(JSON, b'{"t": %d}' % (FIRST_SECOND * scale - 1), WALL)) == ["/t min"]
    assert said(judge.judge(JSON, b'{"t": 1e300}', WALL)) == ["/t max"]
    assert judge.judge(JSON, b'{"t": %b}' % (b"9" * 310), WALL).code == "json_number"


def test_answers_have_integers_of_64_bits_and_no_more() -> None:
    judge = output_of("output: {y: {type: integer}}")
    for value in (2**53 + 1, 2**64 - 1, -(2**63)):
        assert isinstance(judge.judge(b'{"y": %d}' % value), Allow)
    assert isinstance(judge.judge(b'{"y": %d}' % 2**64), Deny)
    assert isinstance(judge.judge(b'{"y": %b}' % (b"9" * 310)), Deny)


@pytest.mark.parametrize("digits", [16, 20, 310, 4300, 5000])
def test_the_cells_of_csv_are_held_too(digits: int) -> None:
    for text in (
        "dialect: mlflow\ninput: {x: {type: integer}}",
        "dialect: sagemaker\ncolumns: [x]\ninput: {x: {type: integer}}",
    ):
        body = (b"x\n" if "mlflow" in text else b"") + b"9" * digits + b"\n"
        assert refused(compiled(text), CSV, body) in (["/0/x max"], ["json_number"], ["/0/x type"])
        if digits == 16:
            assert forwarded(asked(compiled(f"{text}\n{EXACT}"), CSV, body))[1].endswith(b"9" * 16 + b"\n")
    for cell, value in ((b"007", 7), (b"+5", 5), (b"1e2", 100), (b"34.0", 34), (b"-0", 0)):
        permit = asked(compiled("dialect: sagemaker\ncolumns: [x]\ninput: {x: {type: integer}}"), CSV, cell + b"\n")
        assert permit.document == [{"x": value}]


def test_the_instances_of_a_dialect_are_held_too() -> None:
    text = "dialect: kserve-v1\nundeclared: pass\ninput: {a: {type: integer}}"
    body = b'{"instances": [{"a": 1, "x": 9007199254740993}]}'
    assert refused(compiled(text), JSON_HEADERS, body) == ["json_number"]
    assert b"9007199254740993" in forwarded(asked(compiled(f"{text}\n{EXACT}"), JSON_HEADERS, body))[1]
    assert refused(compiled(f"{text}\n{EXACT}"), JSON_HEADERS, body.replace(b"9007199254740993", b"9" * 310)) == [
        "json_number"
    ]


def test_the_reader_itself_refuses_nothing_that_a_double_holds() -> None:
    assert loads(b"[9007199254740993]") == [9007199254740993]
    with pytest.raises(Unreadable):
        loads(b"9" * 4301)
