"""`max_rows`: no more instances than the model takes, of every dialect that carries a list of them."""

import json
from typing import Any

import pytest

from guard.policy.errors import PolicyInvalid
from guard.proxy.values import Allow, Deny, Head, Route
from tests.dialects.speaking import JSON, ask, compiled, dumps, refused

FIELD = "max_rows: 2\ninput: {x: {type: number}}\n"


def tensors(count: int) -> Any:
    return {"inputs": [{"name": "x", "shape": [count], "datatype": "FP64", "data": [1.5] * count}]}


BODIES: dict[str, tuple[str, Any, str]] = {
    "json": ("rows: /in/rows\n", lambda count: {"in": {"rows": [{"x": 1}] * count}}, "/in/rows"),
    "the whole body": ("rows: ''\n", lambda count: [{"x": 1}] * count, ""),
    "kserve-v1": ("dialect: kserve-v1\n", lambda count: {"instances": [1.5] * count}, "/instances"),
    "mlflow": ("dialect: mlflow\n", lambda count: {"dataframe_records": [{"x": 1}] * count}, "/dataframe_records"),
    "oip": ("dialect: oip\n", tensors, "/inputs"),
}


@pytest.mark.parametrize("name", BODIES)
def test_more_rows_are_a_violation_of_their_own_code(name: str) -> None:
    extra, body, pointer = BODIES[name]
    route = compiled(extra + FIELD)
    for count in (1, 2):
        assert ask(route, JSON, dumps(body(count))).rows == count
    assert refused(route, JSON, dumps(body(3))) == [f"{pointer} rows"]


def test_lines_are_counted_too() -> None:
    route = compiled("rows: /rows\n" + FIELD)
    lines = [(b"content-type", b"application/x-ndjson")]
    assert ask(route, lines, b'{"x":1}\n{"x":2}\n').rows == 2
    assert refused(route, lines, b'{"x":1}\n' * 3) == [" rows"]


@pytest.mark.parametrize("name", BODIES)
def test_in_observation_they_are_counted_and_sent_as_they_are(name: str) -> None:
    extra, body, _ = BODIES[name]
    route = compiled("enforcement: observe\n" + extra + FIELD)
    sent = dumps(body(3))
    permit = ask(route, JSON, sent)
    assert json.loads(permit.body) == json.loads(sent)
    assert permit.breaks


def judged(route: Route, body: bytes) -> Any:
    return route.judges[0].judge(Head(b"POST", b"/p", JSON), body, 0.0)


def test_the_violations_of_the_rows_come_first() -> None:
    route = compiled("rows: /rows\n" + FIELD)
    verdict = judged(route, b'{"rows":[{"x":1},{"x":"a"},{"x":1}]}')
    assert isinstance(verdict, Deny)
    assert [item.code for item in verdict.violations] == ["type"]
    observed = judged(compiled("enforcement: observe\nrows: /rows\n" + FIELD), b'{"rows":[{"x":1},{"x":1},{"x":1}]}')
    assert isinstance(observed, Allow)
    assert [item.code for item in observed.violations] == ["rows"]


@pytest.mark.parametrize(
    "text", [FIELD, "max_rows: 2\n", "dialect: openai\nmax_rows: 2\ninput: {characters: {type: integer}}\n"]
)
def test_it_is_refused_where_nothing_is_listed(text: str) -> None:
    with pytest.raises(PolicyInvalid, match="declares no list of them"):
        compiled(text)
