"""`guard release evaluate`: both servers are asked through the contract, and the verdict follows the pairs."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from guard.policy.loading import load_release
from tests.cli.test_cli import valid
from tests.kit.candidate.stage import folder, good, rows, run, serving, truth


def evaluated(tmp_path: Path, candidate: Any, *more: object, code: int = 0) -> dict[str, Any]:
    with serving(good) as first, serving(candidate) as second:
        folder(tmp_path, first)
        command = (
            "evaluate",
            "policy.yaml",
            "rows.jsonl",
            "--candidate",
            f"http://127.0.0.1:{second}",
            "--positive",
            "yes",
        )
        found: dict[str, Any] = json.loads(run(tmp_path, *command, *more, "--json", code=code).stdout)
    return found


def paired(found: dict[str, Any], metric: str, segment: str = "") -> dict[str, Any]:
    return next(pair for pair in found["pairs"] if (pair["metric"], pair["segment"]) == (metric, segment))


def test_a_candidate_that_is_as_good_passes_and_the_record_gets_its_metrics(tmp_path: Path) -> None:
    found = evaluated(tmp_path, good, "--record", "next.yaml", "--dataset", "holdout", "--tolerate", "wrong=5%")
    assert (found["verdict"], found["rows"], found["refused"]) == ("pass", 300, {})
    assert paired(found, "wrong")["verdict"] == "pass"
    assert {target["name"]: target["verdict"] for target in found["targets"]} == {
        "accuracy": "pass", "auc": "pass", "calibration": "pass",
    }  # fmt: skip
    kept = valid("evidence.schema.json", json.loads((tmp_path / "evidence" / "evaluate.json").read_text()))
    assert kept["passed"] is True
    evaluation = load_release(tmp_path / "next.yaml").evaluation
    assert evaluation is not None
    assert (evaluation.report, evaluation.data_set) == ("evidence/evaluate.json", "holdout")
    assert evaluation.metrics["accuracy"] == 1.0
    step = json.loads((tmp_path / "releases" / "history.jsonl").read_text())
    assert (step["step"], step["outcome"], step["version"]) == ("evaluate", "pass", "2")
    assert step["evidence"]["evaluate"] == evaluation.digest


def test_a_candidate_that_is_wrong_more_often_fails(tmp_path: Path) -> None:
    found = evaluated(tmp_path, lambda row: {"label": "no", "score": 0.1}, code=1)
    assert paired(found, "wrong")["verdict"] == "fail"
    assert paired(found, "wrong")["better"] == 0
    assert json.loads((tmp_path / "evidence" / "evaluate.json").read_text())["passed"] is False


def test_answers_that_break_the_contract_or_do_not_come_are_no_answers(tmp_path: Path) -> None:
    def broken(row: dict[str, Any]) -> Any:
        return 500 if row["age"] % 2 else {"label": "maybe", "score": 0.5}

    found = evaluated(tmp_path, broken, code=1)
    assert {pair["metric"] for pair in found["pairs"] if pair["verdict"] == "fail"} == {"failed", "invalid", "wrong"}
    assert found["candidate"]["codes"].keys() == {"500", "/label enum"}
    assert "maybe" not in json.dumps(found)


def test_what_is_tolerated_has_to_be_proven(tmp_path: Path) -> None:
    found = evaluated(tmp_path, good, "--tolerate", "wrong=0.1%", code=3)
    assert found["verdict"] == "inconclusive"
    assert paired(found, "wrong")["verdict"] == "inconclusive"


def test_a_segment_alone_may_fail(tmp_path: Path) -> None:
    def worse_in_the_south(row: dict[str, Any]) -> Any:
        return good({**row, "age": 100 - row["age"]}) if row["region"] == "south" else good(row)

    found = evaluated(tmp_path, worse_in_the_south, "--segment", "region", code=1)
    assert paired(found, "wrong", "region=south")["verdict"] == "fail"
    assert paired(found, "wrong", "region=north")["verdict"] == "pass"


def test_a_row_that_the_contract_denies_is_counted_and_not_asked(tmp_path: Path) -> None:
    with serving(good) as port:
        bad = {"age": 7000, "region": "north", "label": "yes"}
        folder(tmp_path, port, [bad, *({**row, "label": truth(row)} for row in rows(20))])
        url = f"http://127.0.0.1:{port}"
        command = ("evaluate", "policy.yaml", "rows.jsonl", "--candidate", url, "--positive", "yes", "--json")
        found = json.loads(run(tmp_path, *command).stdout)
    assert (found["rows"], found["refused"]) == (20, {"age max": 1})


def test_rows_of_csv_are_typed_by_the_contract(tmp_path: Path) -> None:
    with serving(good) as port:
        folder(tmp_path, port)
        with (tmp_path / "rows.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["age", "region", "label", "comment"])
            writer.writeheader()
            writer.writerows({**row, "label": truth(row), "comment": "left, out"} for row in rows(30))
        url = f"http://127.0.0.1:{port}"
        done = run(tmp_path, "evaluate", "policy.yaml", "rows.csv", "--candidate", url, "--positive", "yes")
    assert "POST /predict: pass: 30 rows" in done.stdout
    assert "accuracy     1.0000" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "x", "unknown format .txt"),
        ("rows.jsonl", "{", "rows.jsonl:1: not JSON"),
        ("rows.jsonl", "[1]", "rows.jsonl:1: not an object"),
        ("rows.jsonl", '{"age": 1}', "rows.jsonl:1: no label in 'label'"),
        ("rows.csv", "age,label\nx,yes\n", "rows.csv:2: age is not of type integer"),
        ("rows.csv", "age,label\n1\n", "rows.csv:2: not as many cells"),
        ("missing.csv", None, "cannot read missing.csv"),
    ],
)
def test_rows_that_cannot_be_read_are_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    folder(tmp_path, 1)
    if content is not None:
        (tmp_path / name).write_text(content)
    done = run(tmp_path, "evaluate", "policy.yaml", name, "--candidate", "http://127.0.0.1:1", code=_code(message))
    assert message in done.stderr
    assert not (tmp_path / "evidence").exists()


def _code(message: str) -> int:
    return 2 if message.startswith(("unknown", "cannot")) else 1
