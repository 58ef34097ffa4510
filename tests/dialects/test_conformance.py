"""What holds for every dialect of the registry, in each of its layouts."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.dialects import DIALECTS
from guard.proxy.values import REASONS, REFUSALS, Allow, Deny, Problem, Refused, Violation
from tests.dialects.speaking import (
    CSV,
    FIELDS,
    JSON,
    LAYOUTS,
    OIP_BINARY_HEADERS,
    PEOPLE,
    SINGLES,
    Layout,
    Single,
    ask,
    broken,
    compiled,
    forwarded,
    own,
    refused,
)

every = pytest.mark.parametrize("layout", LAYOUTS, ids=str)
TEXTUAL = [item for item in LAYOUTS if item.headers == JSON]
SENT = [{"age": 34, "income": 1000.5, "tenure": 7}, {"age": 35, "income": 2000.0, "tenure": 7}]


def headers_of(layout: Layout, body: bytes) -> Any:
    """The binary form says how long its JSON is."""
    if layout.headers is not OIP_BINARY_HEADERS:
        return layout.headers
    return [
        (b"content-type", b"application/octet-stream"),
        (b"inference-header-content-length", b"%d" % (body.rindex(b"]}") + 2)),
    ]


@pytest.mark.parametrize(
    ("dialect", "headers", "body"),
    [
        *((item, JSON, b'{"instances":[[5.1,3.5],[6.3,3.3]]}') for item in ("kserve-v1", "tfserving", "vertex", "mlflow", "sagemaker")),
        ("kserve-v1", JSON, b'{"instances":["a","b"],"parameters":{"k":1}}'),
        ("mlflow", JSON, b'{"dataframe_split":{"columns":[0,1],"data":[[5.1,3.5]]}}'),
        ("sagemaker", CSV, b"5.1,3.5\n6.3,3.3\n"),
    ],
)  # fmt: skip
def test_where_nothing_is_declared_instances_may_be_anything(dialect: str, headers: Any, body: bytes) -> None:
    assert forwarded(ask(compiled(f"dialect: {dialect}"), headers, body))[1] == body


def test_every_dialect_of_the_registry_is_held() -> None:
    assert {item.dialect for item in (*LAYOUTS, *SINGLES)} == set(DIALECTS)


def test_every_dialect_of_the_registry_has_its_row_in_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    assert {f"`{name}`" for name in DIALECTS} <= set(rows)


@every
def test_what_is_checked_is_what_is_sent_without_what_is_not_to_be_sent(layout: Layout) -> None:
    body = layout.carry([{**item, "tenure": 7} for item in PEOPLE])
    permit = ask(layout.route, headers_of(layout, body), body)
    assert permit.rows == 2
    headers, sent = forwarded(permit)
    assert layout.read(headers, sent) == SENT
    assert b'"b"' not in sent


@every
def test_a_default_is_added_in_the_clients_own_layout(layout: Layout) -> None:
    body = layout.carry(PEOPLE)
    headers, sent = forwarded(ask(layout.route, headers_of(layout, body), body))
    assert layout.read(headers, sent) == SENT


@every
def test_what_was_forwarded_is_accepted_again_and_says_the_same(layout: Layout) -> None:
    """What is judged is what is forwarded, over two hops; the second has no field that is not sent."""
    body = layout.carry(PEOPLE)
    headers, sent = forwarded(ask(layout.route, headers_of(layout, body), body))
    second = compiled(
        f"dialect: {layout.dialect}\n" + FIELDS.replace("  id: {type: string, send: false, sensitivity: personal}\n", "")
    )
    if layout.name == "positional":
        return  # its columns are others
    assert layout.read(*forwarded(ask(second, headers, sent))) == SENT


@every
def test_violations_name_a_place_in_the_clients_own_document(layout: Layout) -> None:
    body = layout.carry([*PEOPLE, {**PEOPLE[1], "age": 7}])
    [found] = refused(layout.route, headers_of(layout, body), body)
    pointer, code = found.split(" ")
    assert code == "min"
    assert [item.field for item in broken(layout.route, headers_of(layout, body), body)] == ["age"], "as metrics name it"
    if layout.headers == JSON:
        node: Any = json.loads(body)
        for part in pointer.split("/")[1:]:
            node = node[int(part)] if isinstance(node, list) else node[part]
        assert node == 7


@every
def test_an_empty_batch_is_no_request(layout: Layout) -> None:
    body = layout.carry([])
    assert refused(layout.route, headers_of(layout, body), body)


@every
def test_ten_thousand_rows(layout: Layout) -> None:
    rows = [{**PEOPLE[0], "age": 18 + number % 100} for number in range(10_000)]
    body = layout.carry(rows)
    permit = ask(layout.route, headers_of(layout, body), body)
    assert permit.rows == 10_000
    headers, sent = forwarded(permit)
    assert [row["age"] for row in layout.read(headers, sent)] == [row["age"] for row in rows]


@every
def test_a_truncated_body_is_never_more_than_it_was(layout: Layout) -> None:
    body, route = layout.carry(PEOPLE), layout.route
    headers = headers_of(layout, body)
    for length in range(0, len(body) - 1, 7):
        try:
            permit = ask(route, headers, body[:length])
        except Refused:
            continue
        assert layout.name == "csv"
        assert permit.rows is not None
        assert permit.rows <= 2


@every
def test_numbers_that_are_none_are_refused_or_missing(layout: Layout) -> None:
    route = layout.route
    if layout.headers == JSON:
        huge = layout.carry([{**PEOPLE[0], "income": 1.0}]).replace(b"1.0", b"1e400")
        assert refused(route, JSON, huge) == ["json_number"]
        token = layout.carry([{**PEOPLE[0], "income": float("nan")}])
        if layout.dialect in ("tfserving", "mlflow", "oip"):
            _, sent = forwarded(ask(route, JSON, token))
            assert (b"NaN" in sent) is (layout.dialect == "tfserving")
        else:
            assert refused(route, JSON, token) == ["json_number"]
    missing = layout.carry([{**PEOPLE[0], "income": None}])
    headers, sent = forwarded(ask(route, headers_of(layout, missing), missing))
    [row] = layout.read(headers, sent)
    assert row.get("income") is None or row["income"] != row["income"]
    absent = layout.carry([{**PEOPLE[0], "age": None}]) if layout.name != "binary" else b""
    if absent:
        [found] = refused(route, headers_of(layout, absent), absent)
        assert found.endswith(" null")


@every
def test_answers_are_held_against_the_contract(layout: Layout) -> None:
    output = layout.route.output
    assert output is not None
    headers, body = layout.answer([0.1, 0.9])
    verdict = output.judge(body, 2, headers)
    assert isinstance(verdict, Allow)
    assert output.measured(verdict.document) == [[0.1, 0.9]]
    assert isinstance(output.judge(body, 3, headers), Deny)
    for wrong in ([0.1, 1.5], [0.1, float("nan")]):
        headers, body = layout.answer(wrong)
        assert isinstance(output.judge(body, 2, headers), Deny)
    for body in (b"", b"{", b"[]", b"{}", b'{"outputs":[{}]}', b'{"predictions":3}'):
        assert isinstance(output.judge(body, 2, headers), Deny)


@every
def test_rules_answer_in_the_dialects_own_shape(layout: Layout) -> None:
    route, body = layout.route, layout.carry(PEOPLE)
    answer = own(route, ask(route, headers_of(layout, body), body))
    assert route.output is not None
    verdict = route.output.judge(answer.body, 2, answer.headers)
    assert isinstance(verdict, Allow)
    assert route.output.measured(verdict.document) == [[0.25, 0.5]]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("code", [*REFUSALS, *REASONS])
def test_errors_are_json_and_say_only_our_words(name: str, code: str) -> None:
    content_type, body = DIALECTS[name].error(Problem(422, code, "r-1", [Violation("/age", "min")]))
    assert content_type in (b"application/json", b"application/problem+json")
    document = json.loads(body)
    assert code in json.dumps(document)
    assert "r-1" in json.dumps(document)
    assert "/age" in json.dumps(document)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hostile_documents_are_refused_and_never_a_crash(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(TEXTUAL))
    try:
        permit = ask(ROUTES[str(layout)], layout.headers, bent(data, layout.carry(PEOPLE)))
    except Refused:
        return
    headers, sent = forwarded(permit)
    for row in layout.read(headers, sent):
        assert 18 <= row["age"] <= 120
        assert "id" not in row


def bent(data: st.DataObject, body: bytes) -> bytes:
    """A document with anything in place of one of its parts."""
    tree = json.loads(body)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("data"), inner, max_size=3)
        ),
        max_leaves=6,
    )
    node, steps = tree, data.draw(st.integers(0, 5))
    for _ in range(steps):
        key = data.draw(st.sampled_from(range(len(node)) if isinstance(node, list) else sorted(node))) if node else None
        if key is None or not isinstance(node[key], list | dict):
            break
        node = node[key]
    if node:
        key = data.draw(st.sampled_from(range(len(node)) if isinstance(node, list) else sorted(node)))
        node[key] = data.draw(anything)
    return json.dumps(tree).encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(-5, 300))
def test_arbitrary_bytes_are_refused_and_never_a_crash(body: bytes, length: int) -> None:
    for layout in (*LAYOUTS, *SINGLES):
        headers = [
            *(layout.headers if isinstance(layout, Layout) else JSON),
            (b"inference-header-content-length", b"%d" % length),
        ]
        output = ROUTES[str(layout)].output
        assert output is not None
        assert isinstance(output.judge(body, 1, headers), Allow | Deny)
        with contextlib.suppress(Refused):  # and nothing else
            ask(ROUTES[str(layout)], headers, body)


one_instance = pytest.mark.parametrize("single", SINGLES, ids=str)


@one_instance
def test_one_instance_is_forwarded_as_it_was_and_accepted_again(single: Single) -> None:
    permit = ask(single.route, JSON, single.body)
    headers, sent = forwarded(permit)
    assert json.loads(sent) == json.loads(single.body)
    assert permit.rows is None
    assert forwarded(ask(single.route, headers, sent))[1] == sent


@one_instance
def test_one_instance_that_is_not_strict_json_is_refused(single: Single) -> None:
    body, route = single.body, single.route
    for length in range(len(body)):
        assert refused(route, JSON, body[:length])
    assert refused(route, JSON, body[:-1] + b',"z":1e400}') == ["json_number"]
    assert refused(route, JSON, body[:-1] + b',"z":NaN}') == ["json_number"]
    assert refused(route, JSON, body[:-1] + b',"z":1,"z":2}') == ["json_duplicate"]
    assert refused(route, [(b"content-type", b"text/plain")], body) == ["unsupported_media_type"]


@one_instance
def test_an_answer_to_one_instance_is_held_against_the_contract(single: Single) -> None:
    output = single.route.output
    assert output is not None
    assert isinstance(output.judge(single.answer, None, JSON), Allow)
    for length in range(len(single.answer)):
        assert isinstance(output.judge(single.answer[:length], None, JSON), Deny)


@one_instance
def test_rules_answer_one_instance_in_the_dialects_own_shape(single: Single) -> None:
    route = single.route
    if all(rung.source != "rules" for rung in route.ladder):
        return
    answer = own(route, ask(route, JSON, single.body))
    assert route.output is not None
    assert isinstance(route.output.judge(answer.body, None, answer.headers), Allow)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_hostile_instance_is_refused_or_written_as_it_was_judged(data: st.DataObject) -> None:
    single = data.draw(st.sampled_from(SINGLES))
    route = ROUTES[str(single)]
    assert route.output is not None
    route.output.judge(bent(data, single.answer), None, JSON)
    try:
        headers, sent = forwarded(ask(route, JSON, bent(data, single.body)))
    except Refused:
        return
    assert json.loads(forwarded(ask(route, headers, sent))[1]) == json.loads(sent)


def test_times_since_the_epoch_are_numbers_in_csv() -> None:
    route = compiled(
        "dialect: mlflow\ninput: {t: {type: timestamp, unit: s}, u: {type: timestamp}}\noutput: {y: {type: number}}"
    )
    body = b"t,u\n1800000000,2027-01-15T08:00:00Z\n"
    assert forwarded(ask(route, CSV, body))[1] == body
    assert refused(route, CSV, b"t,u\nsoon,2027-01-15T08:00:00Z\n") == ["/0/t type"]


ROUTES = {str(item): item.route for item in (*LAYOUTS, *SINGLES)}
