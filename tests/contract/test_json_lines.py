"""JSON Lines are read as the batch that a route takes, line by line as strict as any JSON, and errors name their line."""

import json
import math
from typing import Any

import pytest

from guard.contract.json_lines import TYPES
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Head, Headers, Refused
from tests.dialects.speaking import LAYOUTS, PEOPLE, Layout, ask, compiled, forwarded, own, refused

LINES: Headers = [(b"content-type", b"application/x-ndjson")]
ROWS = "rows: /instances\ninput: {a: {type: integer, max: 9}, b: {type: string, required: false}}\noutput: {y: {type: number}}\n"
ROUTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "member": (ROWS, ("instances",)),
    "below": (ROWS.replace("/instances", "/x/a~1b~0"), ("x", "a/b~")),
    "quoted": (ROWS.replace("/instances", "'/a\"\\b'"), ('a"\\b',)),
    "body": (ROWS.replace("/instances", "''"), ()),
    "kserve": (ROWS.replace("rows: /instances", "dialect: kserve-v1"), ("instances",)),
    "tfserving": (ROWS.replace("rows: /instances", "dialect: tfserving"), ("instances",)),
    "vertex": (ROWS.replace("rows: /instances", "dialect: vertex"), ("instances",)),
    "sagemaker": (ROWS.replace("rows: /instances", "dialect: sagemaker"), ("instances",)),
    "mlflow": (ROWS.replace("rows: /instances", "dialect: mlflow"), ("dataframe_records",)),
}
every = pytest.mark.parametrize("name", ROUTES)


def rows_of(name: str, body: bytes) -> Any:
    found = json.loads(body)
    for step in ROUTES[name][1]:
        found = found[step]
    return found


@every
@pytest.mark.parametrize("kind", [*TYPES, "application/x-ndjson; charset=UTF-8", "Application/JSONL"])
def test_each_line_is_a_row_of_the_document_that_is_forwarded(name: str, kind: str) -> None:
    route = compiled(ROUTES[name][0])
    permit = ask(route, [(b"content-type", kind.encode())], b'{"a": 1}\n\r\n {"a":2,"b":"\\n"}\r\n\n{"a":3}')
    headers, body = forwarded(permit)
    assert rows_of(name, body) == [{"a": 1}, {"a": 2, "b": "\n"}, {"a": 3}]
    assert [value for field, value in headers if field == b"content-type"] == [b"application/json"]
    assert permit.rows == 3


@every
def test_the_document_is_the_one_that_the_same_rows_in_json_are(name: str) -> None:
    route, rows = compiled(ROUTES[name][0]), [{"a": 1}, {"a": 2, "b": "x", "c": 1.50}]
    document: Any = rows
    for step in reversed(ROUTES[name][1]):
        document = {step: document}
    permit = ask(route, [(b"content-type", b"application/json")], json.dumps(document).encode())
    of_lines = ask(route, LINES, "\n".join(map(json.dumps, rows)).encode())
    assert (of_lines.body, of_lines.document, of_lines.rows) == (permit.body, permit.document, permit.rows)


@pytest.mark.parametrize("text", ["columns: [a, b]\n" + ROWS, "dialect: kserve-v1\ncolumns: [a, b]\n" + ROWS[17:],
                                  "dialect: mlflow\ncolumns: [a, b]\n" + ROWS[17:]])  # fmt: skip
def test_lines_are_lists_where_rows_are(text: str) -> None:
    _, body = forwarded(ask(compiled(text), LINES, b'[1,"x"]\n[2,"y"]\n'))
    assert json.loads(body)["instances"] == [[1, "x"], [2, "y"]]
    assert refused(compiled(text), LINES, b'[1,"x"]\n\n[12,"y"]\n') == ["/2/0 max"]


@every
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":1}\n{"a":"x"}', ["/1/a type"]),
        (b'\n\n{"a":1}\n\n{"a":10}\n{"b":"x"}', ["/4/a max", "/5/a missing"]),
        (b"", [" items"]),
        (b"\n \r\n", [" items"]),
    ],
)
def test_violations_name_the_line(name: str, body: bytes, found: list[str]) -> None:
    assert refused(compiled(ROUTES[name][0]), LINES, body) == found


@every
@pytest.mark.parametrize("row", [b"[1]", b"7", b"null", b'"x"'])
def test_a_line_that_is_no_object_is_named(name: str, row: bytes) -> None:
    [found] = refused(compiled(ROUTES[name][0]), LINES, b'{"a":1}\n' + row)
    assert found.split()[0] == "/1"


UNREAD = [
    (b"{", "json_syntax"), (b'{"a":1},{"a":2}', "json_syntax"), (b'{"a":1} {"a":2}', "json_syntax"), (b"]", "json_syntax"),
    (b'{"a":1,"a":2}', "json_duplicate"), (b'{"a":1e999}', "json_number"), (b'{"a":' + b"9" * 400 + b"}", "json_number"),
    (b"[" * 80 + b"]" * 80, "json_depth"), (b'{"b":"\\ud800"}', "json_surrogate"), (b'{"b":"\xff"}', "json_encoding"),
    (b'\xef\xbb\xbf{"a":1}', "json_bom"), (b"\x1e{}", "json_syntax"),
]  # fmt: skip


@every
@pytest.mark.parametrize(("line", "code"), UNREAD)
def test_each_line_is_strict_json_by_itself_and_the_first_that_is_not_is_named(name: str, line: bytes, code: str) -> None:
    body = b'{"a":1}\n\n' + line + b'\n{"a":2}\n' + line
    with pytest.raises(Refused) as caught:
        ask(compiled(ROUTES[name][0]), LINES, body)
    assert caught.value.code == code
    assert [(violation.pointer, violation.code) for violation in caught.value.violations] == [("/2", "format")]


def test_two_halves_of_a_row_on_two_lines_are_no_row() -> None:
    with pytest.raises(Refused, match="json_syntax"):
        ask(compiled(ROUTES["member"][0]), LINES, b'{"a":1},{"a":2}\n[1\n2]')


@pytest.mark.parametrize(("name", "nan"), [("member", False), ("kserve", False), ("mlflow", True), ("tfserving", True)])
def test_nan_is_what_it_is_in_the_dialects_json(name: str, nan: bool) -> None:
    text = ROUTES[name][0].replace("a: {type: integer, max: 9}", "a: {type: number, nullable: true}")
    if nan:
        [row] = rows_of(name, forwarded(ask(compiled(text), LINES, b'{"a":NaN}'))[1])
        assert row["a"] is None or math.isnan(row["a"])
    else:
        with pytest.raises(Refused) as caught:
            ask(compiled(text), LINES, b'{"a":1}\n{"a":NaN}')
        assert (caught.value.code, caught.value.violations[0].pointer) == ("json_number", "/1")


@every
def test_an_observed_contract_forwards_a_document_too_and_says_which_line(name: str) -> None:
    route = compiled(ROUTES[name][0] + "enforcement: observe")
    context = Context(Head(b"POST", b"/p", LINES), "r", 0.0)
    permit = judge(context, route, b'{"a":1}\n\n{"a":"x"}', 0.0, 1_800_000_000.0)
    assert rows_of(name, forwarded(permit)[1]) == [{"a": 1}, {"a": "x"}]
    assert [(violation.pointer, violation.code, violation.field) for violation in context.record.violations] == [
        ("/2/a", "type", "a")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "input: {a: {type: integer}}",  # one instance, no batch
        "dialect: openai\ninput: {texts: {type: array, items: {type: string}}}",
        "dialect: oip\ninput: {a: {type: integer}}",
    ],
)
def test_what_takes_no_batch_takes_no_lines(text: str) -> None:
    with pytest.raises(Refused) as caught:
        ask(compiled(text), LINES, b'{"a":1}')
    assert caught.value.code == "unsupported_media_type"
    assert b"ndjson" not in dict(caught.value.headers or [])[b"accept"]


@every
@pytest.mark.parametrize(
    "kind", [b"application/x-ndjson; charset=latin-1", b"application/json-seq", b"text/plain", b"application/ndjsonx"]
)
def test_another_type_is_told_of_lines(name: str, kind: bytes) -> None:
    with pytest.raises(Refused) as caught:
        ask(compiled(ROUTES[name][0]), [(b"content-type", kind)], b'{"a":1}')
    assert caught.value.code == "unsupported_media_type"
    assert b"application/x-ndjson" in dict(caught.value.headers or [])[b"accept"]


def test_a_declared_content_passes_lines_as_they_are() -> None:
    permit = ask(compiled("content: [application/x-ndjson]"), LINES, b"{}\n{")
    assert permit.body == b"{}\n{"


def test_elements_are_bounded_and_a_line_is_one() -> None:
    route = compiled("max_elements: 64\n" + ROWS)
    assert ask(route, LINES, b'{"a":1}\n' * 20).rows == 20
    for body in (b'{"a":1}\n' * 22, b"\n" * 65, b"1\n" * 65, b'{"a":1,"b":"x"' + b',"c":1' * 64 + b"}"):
        assert refused(route, LINES, body) == ["json_elements"]


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.name in ("objects", "records", "rows")], ids=str)
def test_a_rung_of_our_own_answers_as_the_dialect_does(layout: Layout) -> None:
    answer = own(layout.route, ask(layout.route, LINES, "\n".join(map(json.dumps, PEOPLE)).encode()))
    assert json.loads(answer.body)["predictions"] == [0.25, 0.5]
