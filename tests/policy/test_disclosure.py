"""What may be told of a route, and under which name."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.output import compile_output
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.disclosure import measures
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.proxy.values import Measure, Route

BASE = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:1\nprivacy: {hash_key: {env: K}}\nroutes:\n  POST /p:\n"
FIELDS = """
    input:
      open: {type: string, log: true}
      quiet: {type: string}
      masked: {type: integer, log: true, treatment: mask}
      dropped: {type: string, log: true, treatment: drop}
      hashed: {type: string, sensitivity: personal, treatment: hash}
      person: {type: string, sensitivity: personal}
      pin: {type: string, sensitivity: secret, treatment: mask}
    output:
      label: {enum: [a, b]}
      level: {type: integer, enum: [1, 2]}
      flag: {type: boolean, sensitivity: public}
      score: {type: number, min: 0, max: 1}
      odds: {type: array, items: {type: number}}
      text: {type: string}
      tags: {type: array, items: {type: string, sensitivity: personal}}
      income: {type: number, sensitivity: financial}
      raw: {type: number, treatment: drop}
"""
ROW = dict.fromkeys(("open", "quiet", "dropped", "hashed", "person", "pin"), "1") | {"masked": 7}


def compiled(tmp_path: Path, text: str, key: bytes | None = b"0123456789abcdef") -> Route:
    path = tmp_path / "policy.yaml"
    path.write_text(BASE + text)
    return compile_plan(load(path, environ={}), CompileContext(secret=lambda _: key)).routes[0]


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(PolicyInvalid) as caught:
        compiled(tmp_path, text)
    return "\n".join(str(error) for error in caught.value.errors)


def test_outputs_at_or_below_internal_are_measured_by_their_type(tmp_path: Path) -> None:
    assert compiled(tmp_path, FIELDS).measures == (
        Measure("label", "class", ("a", "b")),
        Measure("level", "class", (1, 2)),
        Measure("flag", "class", (False, True)),
        Measure("score", "number", (), 0, 1),
        Measure("odds", "vector"),
        Measure("text", "presence"),
    )


def test_a_sampled_line_shows_what_was_declared(tmp_path: Path) -> None:
    route = compiled(tmp_path, FIELDS)
    assert route.shown is not None
    told = dict(route.shown(ROW))
    assert str(told.pop("hashed")).startswith("hmac:")
    assert told == {"open": "1", "masked": "[masked]"}


def test_without_a_key_there_is_a_word(tmp_path: Path) -> None:
    route = compiled(tmp_path, FIELDS, None)
    assert route.shown is not None
    assert route.shown(ROW)["hashed"] == "[redacted]"
    assert "at least 16 bytes" in refused_key(tmp_path)


def refused_key(tmp_path: Path) -> str:
    with pytest.raises(PolicyInvalid) as caught:
        compiled(tmp_path, FIELDS, b"short")
    return str(caught.value.errors[0])


def test_a_batch_shows_ten_rows(tmp_path: Path) -> None:
    route = compiled(tmp_path, "    rows: /r\n" + FIELDS.replace("/predictions", "").lstrip("\n"))
    assert route.shown is not None
    told = route.shown({"r": [ROW] * 30})
    assert told["open"] == ["1"] * 10
    assert "quiet" not in told


def test_nothing_to_show_costs_nothing(tmp_path: Path) -> None:
    assert compiled(tmp_path, "    input: {a: {type: string}}\n").shown is None


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (
            "a: {type: object, log: true, fields: {b: {type: string, sensitivity: personal}}}",
            "a field that is personal is never logged",
        ),
        (
            "a: {type: array, log: true, items: {type: string, sensitivity: health}}",
            "a field that is health is never logged",
        ),
        ("a: {type: string, sensitivity: secret, treatment: hash}", "a secret is told in no form"),
    ],
)
def test_what_a_policy_may_not_ask_for(tmp_path: Path, field: str, said: str) -> None:
    assert said in refused(tmp_path, f"    input: {{{field}}}\n")


def test_outputs_are_measured_or_not(tmp_path: Path) -> None:
    assert "an output is measured" in refused(tmp_path, "    output: {a: {type: number, treatment: hash}}\n")


@pytest.mark.parametrize(
    ("text", "pointer", "answer", "field"),
    [
        ("    input: {a: {type: string}}\n", "/a", False, "a"),
        ("    input: {a: {type: string, at: /x/y}}\n", "/x/y", False, "a"),
        ("    input: {a: {type: string, at: /x/y}}\n", "/x", False, "<body>"),
        ("    rows: /i\n    input: {a: {type: object, fields: {b: {type: string}}}}\n", "/i/3/a/b", False, "a"),
        ("    rows: ''\n    columns: [a, b]\n    input: {a: {type: string}, b: {type: string}}\n", "/7/1", False, "b"),
        ("    input: {a: {type: string}}\n", "/<undeclared>", False, "<undeclared>"),
        ("    input: {a: {type: string}}\n", "", False, "<body>"),
        ("    output: {a: {type: string}}\n", "/a", True, "a"),
        ("    output: {a: {at: /predictions/*/a, type: string}}\n", "/predictions/0/a", True, "a"),
        ("    output: {a: {at: /predictions/*/a, type: string}}\n", "/predictions", True, "<body>"),
        ("    output: {a: {at: '', type: array}}\n", "/4", True, "a"),
    ],
)
def test_a_violation_is_counted_for_a_declared_name(
    tmp_path: Path, text: str, pointer: str, answer: bool, field: str
) -> None:
    assert compiled(tmp_path, text).field_of(pointer, answer) == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["label", "p", "x"]), below),
)


@given(document=JSON)
def test_any_document_can_be_measured(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "measured.yaml"
    path.write_text(
        BASE + "    output: {label: {enum: [a]}, deep: {at: /x/label, type: number}, all: {at: /p/*/label, type: string}}\n"
    )
    outputs = load(path, environ={}).policy.routes["POST /p"].outputs  # type: ignore[union-attr]
    made = compile_output(outputs, [measure.name for measure in measures(outputs)])
    label, deep, every = made.measured(document)
    assert (len(label), len(deep)) == (1, 1)
    rows = document.get("p") if isinstance(document, dict) else None
    assert len(every) == (len(rows) if isinstance(rows, list) else 0)
