"""An example is what its contract allows."""

from pathlib import Path

import pytest

from guard.kit.example import NoExample, example
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.proxy.values import Amend, Head

HEAD = """version: guard/v1
service: s
upstream: http://h:1
routes:
  POST /p:
    output: {label: {enum: [a]}}
"""
INPUTS = [
    "input: {a: {type: integer, min: 18}, b: {type: number, max: -3}, c: {enum: [x, y]}, d: {type: string, min_length: 4}, e: {type: boolean}}",
    "input: {t: {type: timestamp}, u: {type: timestamp, unit: ms}, v: {type: timestamp, freshness: {stale: 1h}}}",
    "input: {l: {type: array, min_items: 2, items: {type: number, min: 1}}, o: {type: object, fields: {x: {type: integer}, y: {type: string, required: false}}}}",
    "rows: /in/rows\n    input: {a: {type: integer}, b: {type: number, at: /deep/er}}",
    "rows: ''\n    columns: [b, a]\n    input: {a: {type: integer}, b: {enum: [q]}}",
    "columns: [a]\n    input: {a: {type: integer, min: 3}}",
    *(f"input: {{a: {{type: string, pattern: '{item}'}}}}" for item in ("a+", "^[A-Z]{2}-[0-9]{6}$", r"^(?:no|\d{3,})\W[^x]?$", r"^(?<y>[^A]{2})..$", "(?i)^yes|no$")),
    "input: {a: {type: string, pattern: '[[:alpha:]]+', example: abc}, n: {type: integer, example: 7}, l: {type: array, items: {type: string}, example: [q]}}",
    "input: {a: {type: integer, min: 1.0, max: 1}, s: {type: array, max_items: 0}, t: {type: string, pattern: '^.{3}$', min_length: 3}}",
]  # fmt: skip


@pytest.mark.parametrize("declared", INPUTS)
def test_an_example_is_allowed(tmp_path: Path, declared: str) -> None:
    (path := tmp_path / "p.yaml").write_text(f"{HEAD}    {declared}\n")
    loaded = load(path, environ={})
    (judge,) = compile_plan(loaded, CompileContext()).routes[0].judges
    body = example("POST /p", loaded.policy.routes["POST /p"], 1e9).body  # type: ignore[arg-type]
    verdict = judge.judge(Head(b"POST", b"/p", [(b"content-type", b"application/json")]), body, 1e9)
    assert isinstance(verdict, Amend), (body, verdict)


@pytest.mark.parametrize(
    ("declared", "why"), [("{type: integer, min: 3, example: 2}", "example"), ("{type: integer, example: x}", "example")]
)
def test_an_example_that_the_field_does_not_allow_is_refused(tmp_path: Path, declared: str, why: str) -> None:
    (path := tmp_path / "p.yaml").write_text(f"{HEAD}    input: {{a: {declared}}}\n")
    with pytest.raises(PolicyInvalid, match=why):
        load(path, environ={})


@pytest.mark.parametrize("declared", ["input: {a: {type: string, pattern: '[[:alpha:]]+'}}", "stream: false"])
def test_what_cannot_be_guessed_is_said(tmp_path: Path, declared: str) -> None:
    (path := tmp_path / "p.yaml").write_text(f"{HEAD}    {declared}\n")
    with pytest.raises(NoExample):
        example("POST /p", load(path, environ={}).policy.routes["POST /p"], 1e9)  # type: ignore[arg-type]
