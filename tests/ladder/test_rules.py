"""The rules rung: CEL over declared fields, first match wins, row by row."""

import operator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.cel_tree import ExpressionInvalid
from guard.ladder.expressions import EvaluationFailed, Expressions
from guard.ladder.rules import RuleInvalid, Rules, compile_rules
from guard.proxy.values import Answer, Closed, Head, Permit
from tests.telemetry.records import ROUTE


def field(kind: str = "number", **changes: Any) -> Any:
    base = {
        "type": kind,
        "unit": None,
        "zone": None,
        "required": True,
        "nullable": False,
        "has_default": False,
        "missing": "deny",
        "items": None,
    }
    return SimpleNamespace(**{**base, **changes})


FIELDS = {
    "age": field("integer"),
    "mean radius": field(),
    "name": field("string"),
    "flag": field("boolean"),
    "optional": field(required=False),
    "filled": field(required=False, has_default=True),
    "falls": field(missing="fall"),
    "maybe": field(nullable=True),
    "xs": field("array", items=field()),
    "o": field("object"),
    "at": field("timestamp"),
    "epoch": field("timestamp", unit="s"),
    "in": field(),
}
ROW = {
    "age": 20, "mean radius": 17.5, "name": "ann", "flag": True, "filled": 1, "maybe": None, "xs": [1, 2.5],
    "o": {"k": "v"}, "at": "2026-01-01T00:00:00.123456789+02:00", "epoch": 1000, "in": 3.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age < 21", True),
        ("21 > age", True),
        ("age == 20", True),
        ("age != 20", False),
        ("age + 1 > 20 && age * 2 < 100", True),
        ("-age < -19", True),
        ("age >= (19 + 1)", True),
        ("age in [18, 20]", True),
        ("age in [18.0, 19.0]", False),
        ("age / 2 * 3 == 30", True),
        ('input["mean radius"] > 17', True),
        ("input['mean radius'] > 18", False),
        ('input["in"] == 3', True),
        ('name == "ann" && name.startsWith("a")', True),
        ('name == "age < 21"', False),
        ("size(name) == 3", True),
        ("flag", True),
        ("!flag || false", False),
        ("filled == 1", True),
        ("maybe == null", True),
        ("xs[0] == 1 && xs[1] > 2", True),
        ("size(xs) > 1", True),
        ("xs.exists(x, x > 2)", True),
        ('o.k == "v"', True),
        ('o["k"] == "v"', True),
        ('at < timestamp("2026-01-02T00:00:00Z")', True),
        ("epoch < 1001", True),
        ("age < 21 // young", True),
        ("age > 1 ? flag : false", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert Expressions(FIELDS).compile(text, boolean=True)(ROW) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("optional > 3", "is optional"),
        ('input["optional"] > 3', "is optional"),
        ("falls > 3", "may be missing"),
        ("nobody > 3", "undeclared reference to 'nobody'"),
        ('input["nobody"] > 3', "no field 'nobody'"),
        ("input.age > 3", 'write input["name"]'),
        ("age", "a condition is true or false"),
        ("name < 3", "no matching overload"),
        ("age <", "Syntax error"),
        ("", "Syntax error"),
        ("age < 'x", "yntax error"),
    ],
)
def test_what_does_not_compile_says_why(text: str, says: str) -> None:
    with pytest.raises(ExpressionInvalid, match=says.replace("[", r"\[")) as refused:
        Expressions(FIELDS).compile(text, boolean=True)
    assert "\n" not in str(refused.value)


def test_an_absent_variable_is_a_failure_never_true() -> None:
    for row in ({}, {"name": "x"}, {"age": None}, {"age": "x"}):
        with pytest.raises(EvaluationFailed):
            Expressions(FIELDS).compile("age < 21", boolean=True)(row)


def test_an_error_while_evaluating_is_a_failure() -> None:
    with pytest.raises(EvaluationFailed):
        Expressions(FIELDS).compile("xs[5] > 1", boolean=True)(ROW)
    with pytest.raises(EvaluationFailed):
        Expressions(FIELDS).compile("maybe > 3", boolean=True)(ROW)


def rule(when: str | None, **answer: object) -> Any:
    return SimpleNamespace(when=when, answer=answer)


def rung(*rules: Any, rows: list[dict[str, object]] | None = None) -> Rules:
    instances = None if rows is None else lambda _document: rows
    return Rules(
        compile_rules(rules, FIELDS), instances, list, lambda document, _message: (b"x/y", repr(document).encode())
    )


def permit(document: object = True) -> Permit:
    head = Head(b"POST", b"/", [])
    return Permit(ROUTE, head, [], b"", document, None, None, 10.0, "id")


def test_the_first_rule_that_applies_answers_each_row() -> None:
    made = rung(
        rule("age < 18", label="no"),
        rule("age < 21", label="ask"),
        rule(None, label="yes"),
        rows=[{"age": 20}, {"age": 3}, {"age": 40}],
    )
    answer = made.ask(permit(), None, 0.0)
    assert isinstance(answer, Answer)
    assert answer.document == [{"label": "ask"}, {"label": "no"}, {"label": "yes"}]
    assert (answer.status, answer.headers) == (200, [(b"content-type", b"x/y")])


def test_an_answer_may_be_an_expression() -> None:
    made = rung(rule(None, label="x", score=SimpleNamespace(text="age / 100")), rows=[{"age": 20}])
    answer = made.ask(permit(), None, 0.0)
    assert isinstance(answer, Answer)
    assert answer.document == [{"label": "x", "score": 0.2}]


def test_a_whole_number_of_an_integer_output_is_an_integer() -> None:
    rules = [rule(None, count=SimpleNamespace(text="size(xs) + 1"), score=SimpleNamespace(text="size(xs)"))]
    (compiled,) = compile_rules(rules, FIELDS, {"count"})
    count, score = compiled.answer["count"], compiled.answer["score"]
    assert callable(count)
    assert callable(score)
    assert [repr(count(ROW)), repr(score(ROW))] == ["3", "2.0"]


def test_no_rule_and_a_failing_rule_close_the_rung() -> None:
    for rows, reason in (([{"age": 20}, {"age": 40}], "no_rule"), ([{"age": 20}, {}], "rule_error"), ([], "no_rule")):
        step = rung(rule("age < 21", label="x"), rows=rows).ask(permit(), None, 0.0)  # type: ignore[arg-type]
        assert isinstance(step, Closed)
        assert step.reason == reason


def test_without_a_document_one_unconditional_answer() -> None:
    answer = rung(rule(None, label="x")).ask(permit(None), None, 0.0)
    assert isinstance(answer, Answer)
    assert answer.document == [{"label": "x"}]


def test_a_rule_that_does_not_compile_names_its_place() -> None:
    with pytest.raises(RuleInvalid) as refused:
        compile_rules([rule(None, label="x"), rule("age <", label="x")], FIELDS)
    assert refused.value.path == (1, "when")
    with pytest.raises(RuleInvalid) as refused:
        compile_rules([rule(None, label=SimpleNamespace(text="nobody"))], FIELDS)
    assert refused.value.path == (0, "answer", "label")


OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
conditions = st.tuples(st.sampled_from(sorted(OPERATORS)), st.integers(-50, 50))


@given(st.lists(conditions, min_size=1, max_size=4), st.lists(st.integers(-60, 60), min_size=1, max_size=5))
def test_first_match_wins_as_in_a_naive_reading(rules: list[tuple[str, int]], ages: list[int]) -> None:
    made = rung(
        *(rule(f"age {sign} {bound}", label=number) for number, (sign, bound) in enumerate(rules)),
        rows=[{"age": age} for age in ages],
    )
    expected = [
        next(({"label": n} for n, (sign, bound) in enumerate(rules) if OPERATORS[sign](age, bound)), None) for age in ages
    ]
    step = made.ask(permit(), None, 0.0)
    if None in expected:
        assert isinstance(step, Closed)
        assert step.reason == "no_rule"
    else:
        assert isinstance(step, Answer)
        assert step.document == expected


def test_a_rule_that_fails_does_not_apply_and_is_counted() -> None:
    made = rung(
        rule("maybe > 5", label="high"),
        rule("xs[7] > 1", label="long"),
        rule("age > 30", label="old"),
        rule("true", label="computed", score=SimpleNamespace(text="maybe + 1")),
        rule(None, label="else"),
        rows=[{**ROW, "maybe": 9}, {**ROW, "age": 40}, ROW],
    )
    answer = made.ask(permit(), None, 0.0)
    assert isinstance(answer, Answer)
    assert answer.document == [{"label": "high"}, {"label": "old"}, {"label": "else"}]
    assert list(answer.failed_rules) == [1, 2, 1, 2, 4]


ANYTHING = {
    "age": st.one_of(st.integers(), st.integers(-(10**400), 10**400), st.floats(allow_nan=False, allow_infinity=False)),
    "mean radius": st.floats(),
    "name": st.text(),
    "flag": st.booleans(),
    "filled": st.integers(-(2**70), 2**70),
    "maybe": st.one_of(st.none(), st.floats(), st.integers()),
    "xs": st.lists(st.one_of(st.integers(), st.floats()), max_size=3),
    "o": st.dictionaries(st.sampled_from("akxy"), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4)),
    "at": st.one_of(
        st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
        st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z"]),
    ),
    "epoch": st.one_of(st.integers(), st.floats()),
    "in": st.floats(),
}  # fmt: skip
CONDITIONS = [
    "age > 5", "age % 7 == 0", "7 % age == 0", "1 / age > 2", "int(age) > 2", "uint(age) > 2u", "maybe > 5", "maybe + 1 < 3",
    "-maybe < 3", "xs[2] > 1", "xs[age] > 1", "xs[size(xs) - 1] == xs[0]", "o.k == 'v'", "o.k.x > 3", "o['a'][0] > 1",
    "name.matches('a+')", "int(name) > 1", "timestamp(name) > at", "at > timestamp('2026-01-01T00:00:00Z')", "bool(name)",
    "at.getFullYear() == 2026", "at + duration('87600h') > at", "timestamp(int(epoch)) < at", "epoch > 0", "filled * 1e300 > 1",
    "xs.all(x, 1 / x > 0)", "xs.map(x, int(x)).size() > 0", "o.exists(k, o[k] > 1)", "duration(name) > duration('1s')",
]  # fmt: skip


@given(st.fixed_dictionaries(ANYTHING), st.lists(st.sampled_from(CONDITIONS), max_size=6))
def test_rules_that_end_with_an_unconditional_one_answer_every_document(row: dict[str, object], texts: list[str]) -> None:
    made = rung(*(rule(text, label=number) for number, text in enumerate(texts)), rule(None, label="else"), rows=[row])
    assert isinstance(made.ask(permit(), None, 0.0), Answer)
