"""What a contract notices of inputs that keep it, and what it takes out of texts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.contract.input import compile_input
from guard.policy.loading import load
from guard.privacy.detectors import compile_detectors
from guard.proxy.values import Allow, Amend, Deny, Facts, Head, Lower

HEAD = Head(b"POST", b"/p", [(b"content-type", b"application/json")])
WALL = 1_700_000_000.0
FIELDS = """
      age: {type: integer, min: 18, max: 120}
      income: {type: number, min: 0}
      tenure: {type: integer, default: 0}
      middle: {type: string, required: false}
      score: {type: number, nullable: true, at: /deep/score}
      seen: {type: timestamp, unit: s, freshness: {warn: 1h, stale: 1d, skew: 5m}}
      note: {type: string, required: false, detect: [email]}
      tree: {type: object, required: false, fields: {a: {type: string, detect: [email]}, l: {type: array, items: {type: string, detect: [ip]}}}}
"""


def contract(
    tmp_path: Any, fields: str = FIELDS, *, rows: str | None = None, columns: list[str] | None = None, enforce: bool = True
) -> Any:
    path = tmp_path / "policy.yaml"
    path.write_text(f"version: guard/v1\nservice: s\nupstream: http://127.0.0.1:1\nroutes:\n  POST /p:\n    input:{fields}")
    declared = load(path, environ={}).policy.routes["POST /p"].inputs
    return compile_input(
        declared, rows=rows, columns=columns, undeclared="strip", enforce=enforce, detect=compile_detectors
    )


def good(**changes: Any) -> dict[str, Any]:
    return {"age": 30, "income": 5.0, "tenure": 1, "middle": "x", "deep": {"score": 0.5}, "seen": WALL - 10, **changes}


def judged(made: Any, document: Any) -> Any:
    return made.judge(HEAD, json.dumps(document).encode(), WALL)


def facts(made: Any, document: Any) -> Facts:
    verdict = judged(made, document)
    assert isinstance(verdict, Amend | Lower), verdict
    assert verdict.facts is not None
    return verdict.facts


@pytest.mark.parametrize(
    ("changes", "features"),
    [
        ({}, []),
        ({"age": 18}, [("age", "at_min", 1)]),
        ({"age": 120.0}, [("age", "at_max", 1)]),
        ({"income": 0}, [("income", "at_min", 1)]),
        ({"tenure": None}, [("tenure", "defaulted", 1)]),
        ({"middle": None}, [("middle", "missing", 1)]),
        ({"deep": {"score": None}}, [("score", "missing", 1)]),
        ({"seen": WALL - 3601}, [("seen", "aging", 1)]),
    ],
)
def test_of_one_instance(tmp_path: Any, changes: dict[str, Any], features: list[Any]) -> None:
    fields = FIELDS.split("      note", maxsplit=1)[0]
    found = facts(contract(tmp_path, fields), good(**changes))
    assert found.features == features
    assert found.ages == [("seen", [WALL - good(**changes)["seen"]])]


def test_a_default_is_at_no_bound(tmp_path: Any) -> None:
    made = contract(tmp_path, "\n      age: {type: integer, min: 18, max: 120, default: 18}\n")
    assert facts(made, {}).features == [("age", "defaulted", 1)]
    assert judged(made, {}).document == {"age": 18}


def test_nothing_to_tell_is_nothing(tmp_path: Any) -> None:
    made = contract(tmp_path, "\n      age: {type: integer, min: 18}\n")
    assert judged(made, {"age": 19}).facts is None


def test_of_rows(tmp_path: Any) -> None:
    rows = [good(age=18), good(age=18, tenure=None), good(age=120, middle=None, seen=WALL - 7200)]
    found = facts(contract(tmp_path, rows="/instances"), {"instances": rows})
    assert sorted(found.features) == sorted(
        [("age", "at_min", 2), ("age", "at_max", 1), ("tenure", "defaulted", 1), ("middle", "missing", 1), ("seen", "aging", 1),
         ("note", "missing", 3), ("tree", "missing", 3)]
    )  # fmt: skip
    assert found.ages == [("seen", [10.0, 10.0, 7200.0])]


def test_of_positions(tmp_path: Any) -> None:
    fields = "\n      age: {type: integer, min: 18}\n      note: {type: string, detect: [email]}\n      n: {type: integer, default: 3}\n"
    verdict = judged(contract(tmp_path, fields, columns=["age", "note", "n"]), [18, "to bob@example.org", None])
    assert isinstance(verdict, Amend)
    assert json.loads(verdict.body) == [18, "to [email]", 3]
    assert verdict.facts is not None
    assert verdict.facts.features == [("n", "defaulted", 1), ("age", "at_min", 1)]
    assert verdict.facts.redactions == [("note", "email", 1)]


def test_a_stale_feature_lowers_and_is_told_with_its_age(tmp_path: Any) -> None:
    verdict = judged(contract(tmp_path), good(seen=WALL - 90_000))
    assert isinstance(verdict, Lower)
    assert verdict.facts is not None
    assert verdict.facts.ages == [("seen", [90_000.0])]
    assert isinstance(judged(contract(tmp_path), good(seen=WALL + 900)), Deny)


def test_the_model_never_sees_what_was_found(tmp_path: Any) -> None:
    tree = {"a": "x@example.org y@example.org", "l": ["10.0.0.1", "fine", "10.0.0.2"]}
    verdict = judged(contract(tmp_path, rows="/instances"), {"instances": [good(note="bob@example.org"), good(tree=tree)]})
    assert isinstance(verdict, Amend)
    assert b"example.org" not in verdict.body
    assert b"10.0.0" not in verdict.body
    first, second = json.loads(verdict.body)["instances"]
    assert (first["note"], second["tree"]) == ("[email]", {"a": "[email] [email]", "l": ["[ip]", "fine", "[ip]"]})
    assert verdict.document == json.loads(verdict.body)
    assert verdict.facts is not None
    assert verdict.facts.redactions == [("note", "email", 1), ("tree", "email", 2), ("tree", "ip", 1), ("tree", "ip", 1)]


def test_where_the_contract_is_observed_the_clients_bytes_go_on(tmp_path: Any) -> None:
    verdict = judged(contract(tmp_path, enforce=False), good(age=18, note="bob@example.org"))
    assert isinstance(verdict, Allow)
    assert verdict.facts is not None
    assert ("age", "at_min", 1) in verdict.facts.features
    assert verdict.facts.redactions == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(["age", "note", "deep", "score", "seen", "tree", "l", "x"]), below)
    ),
)


@given(document=JSON)
def test_no_document_is_too_odd(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    for rows in (None, "/instances"):
        for enforce in (True, False):
            made = contract(tmp_path_factory.getbasetemp(), rows=rows, enforce=enforce)
            assert isinstance(judged(made, document), Allow | Amend | Lower | Deny)
            judged(made, {"instances": [document, document]})
