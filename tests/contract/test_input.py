"""The contract of requests: every type, every code, every form of a body."""

import json
from datetime import UTC, datetime

import pytest

from guard.contract.fields import ContractInvalid
from guard.contract.media import compile_opaque
from guard.proxy.values import Allow, Amend, Deny, Head, Lower
from tests.contract.making import JSON, WALL, input_of, said

PERSON = """
input:
  age: {type: integer, min: 18, max: 120}
  income: {type: number, min: 0}
  name: {type: string, max_length: 3, min_length: 1, required: false}
  kind: {enum: [a, b], required: false}
  flag: {type: boolean, required: false}
  level: {type: integer, enum: [0, 1], required: false}
  code: {type: string, pattern: '^[A-Z]+$', required: false}
  tags: {type: array, items: {type: string}, min_items: 1, max_items: 2, required: false}
  home: {type: object, fields: {zip: {type: string}}, required: false}
  tenure: {type: integer, default: 7}
  score: {type: number, nullable: true}
"""
GOOD = {"age": 30, "income": 1.5, "score": None}


def judged(text: str, document: object, **changes: object) -> object:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return input_of(text, **changes).judge(JSON, body, WALL)


def sent(text: str, document: object, **changes: object) -> object:
    verdict = judged(text, document, **changes)
    assert isinstance(verdict, Amend), verdict
    return json.loads(verdict.body)


@pytest.mark.parametrize(
    ("change", "violations"),
    [
        ({"age": "12"}, ["/age type"]),
        ({"age": True}, ["/age type"]),
        ({"age": 34.5}, ["/age type"]),
        ({"age": None}, ["/age null"]),
        ({"age": 17}, ["/age min"]),
        ({"age": 121}, ["/age max"]),
        ({"age": 10**300}, ["/age max"]),
        ({"income": "1"}, ["/income type"]),
        ({"income": True}, ["/income type"]),
        ({"income": [1]}, ["/income type"]),
        ({"income": -0.5}, ["/income min"]),
        ({"name": ""}, ["/name length"]),
        ({"name": "abcd"}, ["/name length"]),
        ({"name": "äöü"}, []),
        ({"name": 1}, ["/name type"]),
        ({"kind": "c"}, ["/kind enum"]),
        ({"kind": 1}, ["/kind type"]),
        ({"flag": 1}, ["/flag type"]),
        ({"flag": "true"}, ["/flag type"]),
        ({"level": True}, ["/level type"]),
        ({"level": 2}, ["/level enum"]),
        ({"level": 1.0}, []),
        ({"code": "a"}, ["/code pattern"]),
        ({"tags": []}, ["/tags items"]),
        ({"tags": ["a", "b", "c"]}, ["/tags items"]),
        ({"tags": ["a", 1]}, ["/tags/1 type"]),
        ({"tags": {"0": "a"}}, ["/tags type"]),
        ({"home": {}}, ["/home/zip missing"]),
        ({"home": "x"}, ["/home type"]),
        ({"home": {"zip": "1", "secret": 1}}, []),
        ({"score": "x"}, ["/score type"]),
        ({"name": None, "kind": None, "tags": None, "home": None}, []),
    ],
)
def test_each_violation(change: dict[str, object], violations: list[str]) -> None:
    verdict = judged(PERSON, {**GOOD, **change})
    assert said(verdict) == violations  # type: ignore[arg-type]
    assert isinstance(verdict, Deny if violations else Amend)


def test_all_violations_together_and_never_more_than_64() -> None:
    assert said(judged(PERSON, {})) == ["/age missing", "/income missing", "/score missing"]  # type: ignore[arg-type]
    many = judged("input: {xs: {type: array, items: {type: integer}}}", {"xs": ["secret"] * 1000})
    assert len(said(many)) == 64  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_a_body_that_is_no_object_has_the_wrong_shape(body: object) -> None:
    assert said(judged(PERSON, json.dumps(body).encode())) == [" shape"]  # type: ignore[arg-type]


def test_null_of_an_optional_field_is_missing_and_defaults_apply() -> None:
    assert sent(PERSON, {**GOOD, "name": None, "tenure": None}) == {**GOOD, "tenure": 7}


def test_a_whole_float_is_an_integer_and_is_sent_as_one() -> None:
    verdict = judged(PERSON, b'{"age": 34.0, "income": 1, "score": 2}')
    assert isinstance(verdict, Amend)
    assert b'"age":34,' in verdict.body


@pytest.mark.parametrize("number", ["1e400", "-1e999"])
@pytest.mark.parametrize("name", ["age", "income", "undeclared", "home"])
def test_a_number_beyond_doubles_is_unreadable_wherever_it_stands(name: str, number: str) -> None:
    body = json.dumps({**GOOD, name: 4711}).replace("4711", number).encode()
    verdict = judged(PERSON, body)
    assert isinstance(verdict, Deny)
    assert verdict.code == "json_number"


def test_undeclared_members() -> None:
    document = {**GOOD, "home": {"zip": "1", "x": 1}, "secret-name": 1}
    assert sent(PERSON, document) == {**GOOD, "tenure": 7, "home": {"zip": "1"}}
    assert sent(PERSON, document, undeclared="pass") == {**document, "tenure": 7}
    denied = judged(PERSON, document, undeclared="reject")
    assert sorted(said(denied)) == ["/<undeclared> unknown", "/home/<undeclared> unknown"]  # type: ignore[arg-type]


def test_what_is_not_to_be_sent_is_held_against_its_form_and_kept_for_rules() -> None:
    text = "input: {id: {type: string, send: false}, a: {type: integer}, w: {type: string, at: /who/name, send: false}}"
    verdict = judged(text, {"id": "x", "a": 1, "who": {"name": "n"}})
    assert isinstance(verdict, Amend)
    assert json.loads(verdict.body) == {"a": 1, "who": {}}
    assert input_of(text).instances(verdict.document) == [{"id": "x", "a": 1, "w": "n"}]
    assert said(judged(text, {"a": 1})) == ["/id missing", "/who missing"]  # type: ignore[arg-type]


def test_pointers_place_fields_inside_the_instance() -> None:
    text = "input: {age: {type: integer, at: /person/age}, n: {type: string, at: '/person/a~1b'}}"
    assert sent(text, {"person": {"age": 3, "a/b": "x", "no": 1}}) == {"person": {"age": 3, "a/b": "x"}}
    assert said(judged(text, {"person": {"age": "3"}})) == ["/person/age type", "/person/a~1b missing"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", ["{a: {type: integer}, b: {type: integer, at: /a}}", "{a: {type: integer}, b: {type: integer, at: /a/b}}"]
)
def test_two_fields_at_one_place_do_not_compile(fields: str) -> None:
    with pytest.raises(ContractInvalid):
        input_of(f"input: {fields}")


ROWS = "rows: /instances\ninput: {a: {type: integer}, b: {type: integer, default: 2}}"


def test_rows() -> None:
    verdict = judged(ROWS, {"instances": [{"a": 1}, {"a": 2, "b": 3, "x": 0}], "parameters": {}})
    assert isinstance(verdict, Amend)
    assert verdict.rows == 2
    assert json.loads(verdict.body) == {"instances": [{"a": 1, "b": 2}, {"a": 2, "b": 3}]}
    assert input_of(ROWS).instances(verdict.document) == [{"a": 1, "b": 2}, {"a": 2, "b": 3}]


@pytest.mark.parametrize(
    ("document", "violations"),
    [
        ({"instances": [{"a": 1}, {"a": "x"}]}, ["/instances/1/a type"]),
        ({"instances": []}, ["/instances items"]),
        ({"instances": {}}, ["/instances shape"]),
        ({"instances": [1]}, ["/instances/0 shape"]),
        ({}, ["/instances missing"]),
        ([], [" shape"]),
    ],
)
def test_one_bad_row_denies_the_request(document: object, violations: list[str]) -> None:
    assert said(judged(ROWS, document)) == violations  # type: ignore[arg-type]


def test_the_body_may_be_the_list() -> None:
    text = "rows: ''\ninput: {a: {type: integer}}"
    assert sent(text, [{"a": 1, "x": 1}]) == [{"a": 1}]
    assert said(judged(text, [])) == [" items"]  # type: ignore[arg-type]
    assert said(judged(text, {"a": 1})) == [" shape"]  # type: ignore[arg-type]


COLUMNS = "rows: /instances\ncolumns: [a, b]\ninput: {a: {type: integer}, b: {type: number, send: false}}"


def test_positional_rows() -> None:
    verdict = judged(COLUMNS, {"instances": [[1, 2.5], [3, 4.5]]})
    assert isinstance(verdict, Amend)
    assert json.loads(verdict.body) == {"instances": [[1], [3]]}
    assert input_of(COLUMNS).instances(verdict.document) == [{"a": 1, "b": 2.5}, {"a": 3, "b": 4.5}]


@pytest.mark.parametrize(
    ("rows", "violations"),
    [
        ([[1]], ["/instances/0 shape"]),
        ([[1, 2.5], [1, 2, 3]], ["/instances/1 shape"]),
        ([["x", 2.5]], ["/instances/0/0 type"]),
        ([{"a": 1, "b": 2}], ["/instances/0 shape"]),
        (["ab"], ["/instances/0 shape"]),
    ],
)
def test_mistaken_positional_rows(rows: object, violations: list[str]) -> None:
    assert said(judged(COLUMNS, {"instances": rows})) == violations  # type: ignore[arg-type]


def test_columns_without_rows_are_one_positional_row() -> None:
    text = "columns: [a, b]\ninput: {a: {type: integer}, b: {type: integer, default: 9}}"
    assert sent(text, [1, None]) == [1, 9]
    assert said(judged(text, [1])) == [" shape"]  # type: ignore[arg-type]


FRESH = "input: {at: {type: timestamp, freshness: {warn: 1m, stale: 1h, skew: 1m}}}"


def stamp(age: float) -> str:
    return datetime.fromtimestamp(WALL - age, UTC).isoformat()


@pytest.mark.parametrize(("age", "kind"), [(0, Amend), (3599, Amend), (3601, Lower), (-59, Amend), (-61, Deny)])
def test_freshness(age: float, kind: type) -> None:
    verdict = judged(FRESH, {"at": stamp(age)})
    assert type(verdict) is kind
    if kind is not Amend:
        assert said(verdict) == ["/at stale" if kind is Lower else "/at future"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["20260101T000000Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+2500", "now", "",
     "2026-01-01T00:00:00.1234567890Z", "2026-W01-1T00:00:00Z", "２０２６-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_timestamp(text: str) -> None:
    assert said(judged(FRESH, {"at": text})) == ["/at format"]  # type: ignore[arg-type]


def test_epochs_and_fractions() -> None:
    assert isinstance(judged(FRESH, {"at": stamp(0).replace("+00:00", ".123456789Z")}), Amend)
    for unit, factor in (("s", 1), ("ms", 1000)):
        text = f"input: {{at: {{type: timestamp, unit: {unit}, freshness: {{warn: 1m, stale: 1h}}}}}}"
        assert isinstance(judged(text, {"at": WALL * factor}), Amend)
        assert isinstance(judged(text, {"at": int(WALL - 4000) * factor}), Lower)
        assert said(judged(text, {"at": "1"})) == ["/at type"]  # type: ignore[arg-type]


def test_an_absent_feature_may_fall_to_the_rules() -> None:
    text = "input: {a: {type: integer, missing: fall}, b: {type: integer}}"
    for document in ({"b": 1}, {"a": None, "b": 1}):
        verdict = judged(text, document)
        assert isinstance(verdict, Lower)
        assert verdict.reason == "missing"
        assert said(verdict) == ["/a missing"]
        assert input_of(text).instances(verdict.document) == [{"b": 1}]
    assert said(judged(text, {"a": "x", "b": 1})) == ["/a type"]  # type: ignore[arg-type]


def test_null_in_a_positional_row_is_the_one_way_to_be_absent() -> None:
    text = "columns: [a, b]\ninput: {a: {type: integer, missing: fall}, b: {type: integer}}"
    verdict = judged(text, [None, 1])  # type: ignore[arg-type]
    assert isinstance(verdict, Lower)
    assert said(verdict) == ["/0 missing"]
    assert said(judged(text, [1, None])) == ["/1 null"]  # type: ignore[arg-type]


OBSERVE = "enforcement: observe\n" + PERSON.strip() + "\n  id: {type: string, send: false}"


def test_observe_counts_and_lets_the_clients_bytes_pass() -> None:
    verdict = input_of(PERSON, enforce=False).judge(JSON, b'{"age": "x", "y": 1}', WALL)
    assert isinstance(verdict, Allow)
    assert said(verdict) == ["/age type", "/income missing", "/score missing"]
    good = input_of(PERSON, enforce=False).judge(JSON, json.dumps({**GOOD, "y": 1}).encode(), WALL)
    assert isinstance(good, Allow)
    assert not good.violations


def test_observe_still_sends_nothing_that_is_not_to_be_sent_and_denies_what_cannot_be_read() -> None:
    verdict = input_of(OBSERVE).judge(JSON, b'{"age": "x", "id": "secret", "y": 1}', WALL)
    assert isinstance(verdict, Amend)
    assert json.loads(verdict.body) == {"age": "x", "y": 1}
    denied = input_of(OBSERVE).judge(JSON, b"{", WALL)
    assert isinstance(denied, Deny)
    for body in (b"[]", b"1", b'"x"'):
        assert isinstance(input_of(OBSERVE).judge(JSON, body, WALL), Amend)


@pytest.mark.parametrize(
    ("kind", "fine"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b'application/json; charset="UTF-8"', True),
        (b"application/vnd.x+json", True),
        (b"application/json; charset=utf-16", False),
        (b"text/json", False),
        (b"text/plain", False),
        (b"application/jsonx", False),
        (None, False),
    ],
)
def test_content_types(kind: bytes | None, fine: bool) -> None:
    head = Head(b"POST", b"/p", [(b"content-type", kind)] if kind is not None else [])
    verdict = input_of(PERSON).judge(head, json.dumps(GOOD).encode(), WALL)
    assert isinstance(verdict, Amend) is fine
    assert fine or (isinstance(verdict, Deny) and verdict.code == "unsupported_media_type")


def test_two_content_types_or_a_coding_are_refused() -> None:
    twice = Head(b"POST", b"/p", [(b"content-type", b"application/json")] * 2)
    coded = Head(b"POST", b"/p", [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")])
    for head in (twice, coded):
        assert isinstance(input_of(PERSON).judge(head, b"{}", WALL), Deny)


def test_opaque_bodies_by_content_type() -> None:
    judge = compile_opaque(["image/jpeg", "image/png"]).judge
    assert isinstance(judge(Head(b"POST", b"/", [(b"content-type", b"Image/PNG; x=1")]), b"\x00", WALL), Allow)
    for headers in ([], [(b"content-type", b"image/gif")], [(b"content-type", b"image/png"), (b"content-encoding", b"br")]):
        assert isinstance(judge(Head(b"POST", b"/", headers), b"", WALL), Deny)  # type: ignore[arg-type]


def test_a_catastrophic_pattern_is_linear() -> None:
    text = "input: {s: {type: string, pattern: '^(a+)+$'}}"
    assert said(judged(text, {"s": "a" * 50_000 + "!"})) == ["/s pattern"]  # type: ignore[arg-type]
