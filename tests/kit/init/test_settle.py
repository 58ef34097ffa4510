"""What guard's own loader refuses is left out, with a word in its place."""

from dataclasses import replace

import pytest

from guard.kit.init.draft import Draft, Field, Route, SurveyResult
from guard.kit.init.settle import Unsettled, settle


def draft(*routes: Route, **found: object) -> Draft:
    return Draft("http://127.0.0.1:8080", replace(SurveyResult("x", routes, service="s"), **found))  # type: ignore[arg-type]


def route(**inputs: dict[str, object]) -> Route:
    return Route("POST /p", "json", "why", inputs={name: Field(shape, "from x") for name, shape in inputs.items()})


@pytest.mark.parametrize(
    ("shape", "left", "word"),
    [
        ({"type": "string", "pattern": "(?=a)"}, "{type: string}", "without pattern"),
        ({"type": "integer", "min": 5, "max": 1}, "{type: integer, max: 1}", "without min"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "{type: string, enum: [a]}", "without default"),
        ({"type": "array", "items": {"type": "string", "pattern": "("}}, "{type: array, items: {type: string}}", "without items.pattern"),
        ({"type": "object", "fields": {"a": {"type": "number", "min": 2, "max": 1}}}, "{type: object, fields: {a: {type: number, max: 1}}}", "fields.a.min"),
        ({"type": "string", "min_length": 1 << 60}, "{type: string}", "without min_length"),
    ],
)  # fmt: skip
def test_the_key_at_fault_goes(shape: dict[str, object], left: str, word: str) -> None:
    text, _ = settle(draft(route(a=shape)))
    [line] = [line for line in text.splitlines() if line.strip().startswith("a: ")]
    assert left in line
    assert word in line


def test_a_field_that_cannot_be_goes_and_the_others_stay() -> None:
    text, settled = settle(draft(route(a={"type": "nonsense"}, b={"type": "number"})))
    assert list(settled.survey.routes[0].inputs) == ["b"]
    assert "# Not declared: a: unknown word" in text
    assert "undeclared: pass" in text


def test_positions_are_all_there_or_none() -> None:
    made = replace(route(a={"type": "nonsense"}, b={"type": "number"}), settings={"rows": "", "columns": ["a", "b"]})
    text, settled = settle(draft(made))
    assert not settled.survey.routes[0].inputs
    assert "columns" not in text


def test_routes_that_tie_are_listed_once() -> None:
    one, other = replace(route(), key="POST /{a}/x"), replace(route(), key="POST /y/{b}")
    text, _ = settle(draft(one, other))
    assert "# not listed: POST /y/{b}: it could match the same requests as POST /{a}/x" in text


def test_what_no_key_can_mend_is_said() -> None:
    with pytest.raises(Unsettled, match="service"):
        settle(draft(route(), service="not a name"))
    with pytest.raises(Unsettled, match="every route"):
        settle(draft())
