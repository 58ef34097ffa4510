"""`guard release register`, `stage` and `smoke`, as commands."""

import json
from pathlib import Path
from typing import Any

from tests.kit.candidate.stage import folder, good, program, rows, run, serving, truth, with_candidate

COMPOSE = "engine: {compose: {file: compose.yaml, service: next}}"


def staged(tmp_path: Path, port: int, own: str = COMPOSE) -> Path:
    policy = folder(tmp_path, 1)
    (tmp_path / "compose.yaml").write_text("services: {next: {image: x}}\n")
    with_candidate(policy, f"url: http://127.0.0.1:{port}, {own}")
    (tmp_path / "bin").mkdir(exist_ok=True)
    return policy


def test_a_record_that_differs_from_the_disk_is_not_registered(tmp_path: Path) -> None:
    staged(tmp_path, 1, "engine: {command: [bring]}")
    asked = program(tmp_path / "bin", "bring")
    (tmp_path / "weights").write_text("w")
    (tmp_path / "next.yaml").write_text("version: '2'\nparts: {weights: {path: weights, digest: 'sha256:0'}}\n")
    done = run(tmp_path, "register", "policy.yaml", code=1, path=tmp_path / "bin")
    assert "parts.weights: weights: declared sha256:0" in done.stdout
    assert not asked.exists()
    (tmp_path / "next.yaml").write_text("version: '2'\n")
    run(tmp_path, "register", "policy.yaml", path=tmp_path / "bin")
    assert asked.read_text().startswith("register 2 sha256:")
    steps = [json.loads(line) for line in (tmp_path / "releases" / "history.jsonl").read_text().splitlines()]
    assert [step["outcome"] for step in steps] == ["fail", "pass"]


def test_a_candidate_is_started_and_awaited(tmp_path: Path) -> None:
    with serving(good) as port:
        staged(tmp_path, port)
        asked = program(tmp_path / "bin", "docker")
        found = json.loads(run(tmp_path, "stage", "policy.yaml", "--json", path=tmp_path / "bin").stdout)
    assert asked.read_text().split()[-3:] == ["-d", "--wait", "next"]
    assert (found["ok"], found["version"]) == (True, "2")


def test_where_the_engine_is_not_there_the_step_says_what_to_run(tmp_path: Path) -> None:
    staged(tmp_path, 1)
    done = run(tmp_path, "stage", "policy.yaml", code=1, path=tmp_path / "bin")
    assert "docker is not installed here; where it is, run: docker compose -f" in done.stdout


def test_a_candidate_that_people_started_is_staged_without_its_engine(tmp_path: Path) -> None:
    with serving(good) as port:
        staged(tmp_path, port)
        run(tmp_path, "stage", "policy.yaml", path=tmp_path / "bin")


def test_a_candidate_that_does_not_answer_is_named(tmp_path: Path) -> None:
    staged(tmp_path, 1, "promote: manual")
    done = run(tmp_path, "stage", "policy.yaml", "--within", "100ms", code=1)
    assert "no connection" in done.stdout


def test_smoke_asks_what_the_contract_allows(tmp_path: Path) -> None:
    with serving(good) as port:
        staged(tmp_path, port)
        (tmp_path / "golden.jsonl").write_text("".join(json.dumps({**row, "label": truth(row)}) + "\n" for row in rows(3)))
        found = json.loads(run(tmp_path, "smoke", "policy.yaml", "--rows", "golden.jsonl", "--json").stdout)
    assert found["ok"] is True
    kept = json.loads((tmp_path / "evidence" / "smoke.json").read_text())["result"]
    assert kept["asked"]["example"] == 1
    assert kept["asked"]["golden"] == 3
    assert kept["asked"]["drawn"] >= 10


def test_one_invalid_answer_fails_the_smoke_test(tmp_path: Path) -> None:
    def broken(row: dict[str, Any]) -> Any:
        return {"label": "no", "score": 7} if row["region"] == "south" else good(row)

    with serving(broken) as port:
        staged(tmp_path, port)
        done = run(tmp_path, "smoke", "policy.yaml", code=1)
    assert "breaks the contract: /score max" in done.stdout


def test_evaluate_and_plan_take_what_the_candidate_declares(tmp_path: Path) -> None:
    with serving(good) as port:
        policy = folder(tmp_path, port)
        with_candidate(
            policy,
            f"url: http://127.0.0.1:{port}, shadow: {{share: 50%, side_effects: none}}, "
            "compare: {POST /predict: {invalid: 2%, label: {field: label, disagree: 5%}}}, canary: {steps: [1%, 10%]}",
        )
        found = json.loads(run(tmp_path, "evaluate", "policy.yaml", "rows.jsonl", "--positive", "yes", "--json").stdout)
    assert next(pair for pair in found["pairs"] if pair["metric"] == "invalid")["tolerated"] == 0.02
    assert "metrics:" in (tmp_path / "next.yaml").read_text()
    planned = json.loads(run(tmp_path, "plan", "policy.yaml", "--json").stdout)
    assert {gate["metric"]: gate["tolerated"] for gate in planned["gates"]} == {"invalid": 0.02, "label": 0.05}
    assert planned["share"] == 0.5
    assert [step["share"] for step in planned["steps"]] == [0.01, 0.1]


def test_without_a_candidate_a_step_says_what_to_declare(tmp_path: Path) -> None:
    folder(tmp_path, 1)
    for step in ("register", "stage", "smoke"):
        assert "the policy declares no candidate; add `candidate:" in run(tmp_path, step, "policy.yaml", code=2).stderr
