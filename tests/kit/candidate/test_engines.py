"""Engines: what each asks of whom, and what is said where the engine is not there."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from guard.kit.candidate.engines import ENGINES, engine
from guard.kit.candidate.engines.mlflow import Mlflow
from guard.kit.candidate.engines.values import Subject
from guard.policy.candidate import Candidate
from guard.policy.loading import load
from tests.answering import answering
from tests.kit.candidate.stage import folder, program, with_candidate

SUBJECT = Subject("2", "sha256:" + "b" * 64, "http://127.0.0.1:1", "m", "sha256:" + "a" * 64, "file:///models/2")


def declared(tmp_path: Path, own: str) -> Candidate:
    policy = folder(tmp_path, 1)
    with_candidate(policy, f"url: http://127.0.0.1:1, engine: {own}")
    found = load(policy, environ={}).policy.candidate
    assert found is not None
    return found


def test_an_engine_is_named_as_the_policy_names_it() -> None:
    from guard.policy.candidate import CandidateEngine

    assert {kind.name for kind in ENGINES} == set(CandidateEngine.model_fields)
    assert engine(None) is None


@pytest.mark.parametrize(
    ("own", "name", "asked"),
    [
        (
            "{compose: {file: compose.yaml, service: next}}",
            "docker",
            {"stage": ["compose -f {folder}/compose.yaml up -d --wait next"],
             "abort": ["compose -f {folder}/compose.yaml stop next"], "rollback": [], "promote": []},
        ),
        (
            "{kubernetes: {manifest: next.yaml, deployment: next, namespace: ml}}",
            "kubectl",
            {"stage": ["--namespace ml apply -f {folder}/next.yaml",
                       "--namespace ml rollout status deployment/next --timeout=300s"],
             "abort": ["--namespace ml scale deployment/next --replicas=0"], "rollback": []},
        ),
        (
            "{command: [bring, --it]}",
            "bring",
            {step: [f"--it {step} 2 {SUBJECT.digest}"] for step in ("register", "stage", "promote", "rollback", "abort")},
        ),
    ],
)  # fmt: skip
def test_a_program_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, name: str, asked: dict[str, list[str]]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "compose.yaml").write_text("services: {next: {image: x}}\n")
    record = program(programs, name)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    chosen = engine(declared(tmp_path, own).engine)
    assert chosen is not None
    for step, lines in asked.items():
        record.write_text("")
        outcomes = list(chosen.perform(step, SUBJECT))  # type: ignore[arg-type]
        assert record.read_text().splitlines() == [line.format(folder=tmp_path) for line in lines]
        assert all(outcome.ok for outcome in outcomes)


def test_words_of_a_program_that_fails_are_passed_on_and_it_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    record = program(programs, "kubectl", code=4)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    chosen = engine(declared(tmp_path, "{kubernetes: {manifest: next.yaml, deployment: next}}").engine)
    assert chosen is not None
    (outcome,) = chosen.perform("stage", SUBJECT)
    assert (outcome.ok, outcome.detail) == (False, "exit code 4: its own words")
    assert len(record.read_text().splitlines()) == 1


def test_a_program_that_is_not_installed_is_the_line_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = engine(declared(tmp_path, "{compose: {file: compose.yaml, service: next}}").engine)
    assert chosen is not None
    (outcome,) = chosen.perform("stage", SUBJECT)
    assert not outcome.ok
    assert outcome.detail.endswith(f"where it is, run: docker compose -f {tmp_path}/compose.yaml up -d --wait next")


class Registry:
    """What MLflow keeps of one model, and what it was asked."""

    def __init__(self) -> None:
        self.versions: list[dict[str, Any]] = []
        self.aliases: dict[str, str] = {}
        self.asked: list[str] = []
        self.models: set[str] = set()

    def __call__(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api/2.0/mlflow/")
        self.asked.append(f"{method} {path}")
        status, document = self._answer(method, path, json.loads(body or b"{}"), parse_qs(parts.query))
        return status, json.dumps(document).encode()

    def _answer(self, method: str, path: str, body: dict[str, Any], query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "model-versions/search":
            assert query["filter"] == ["name='m'"]
            return 200, {"model_versions": self.versions}
        if path == "registered-models/create":
            if body["name"] in self.models:
                return 400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "it is there"}
            self.models.add(body["name"])
            return 200, {"registered_model": {"name": body["name"]}}
        if path == "model-versions/create":
            self.versions.append({"version": str(len(self.versions) + 1), "tags": body["tags"], "source": body["source"]})
            return 200, {"model_version": self.versions[-1]}
        if path == "registered-models/alias" and method == "DELETE":
            return (200, {}) if self.aliases.pop(body["alias"], None) else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
        self.aliases[body["alias"]] = body["version"]
        return 200, {}


@contextmanager
def registry() -> Iterator[tuple[Registry, Callable[[str, Subject], list[Any]]]]:
    kept = Registry()

    class Declared:
        model, alias, url = "m", "candidate", ""

    with answering(kept) as port:
        Declared.url = f"http://127.0.0.1:{port}/"
        yield kept, lambda step, subject: list(Mlflow(Declared).perform(step, subject))  # type: ignore[arg-type]


def test_a_registry_gets_each_release_once_and_aliases_move() -> None:
    old = SUBJECT._replace(version="1", digest=SUBJECT.previous)
    with registry() as (kept, perform):
        for subject in (old, SUBJECT, SUBJECT):
            assert all(outcome.ok for outcome in perform("register", subject))
        assert [version["source"] for version in kept.versions] == ["file:///models/2"] * 2
        assert kept.aliases == {"candidate": "2"}
        assert {"key": "guard.digest", "value": SUBJECT.digest} in kept.versions[1]["tags"]
        assert all(outcome.ok for outcome in perform("promote", SUBJECT))
        assert kept.aliases["champion"] == "2"
        assert all(outcome.ok for outcome in perform("rollback", SUBJECT))
        assert kept.aliases["champion"] == "1"
        assert all(outcome.ok for outcome in perform("abort", SUBJECT))
        assert "candidate" not in kept.aliases


def test_a_registry_that_refuses_says_so() -> None:
    with registry() as (_, perform):
        (outcome,) = perform("promote", SUBJECT)
        assert outcome.detail == "no version has this tag; run `guard release register` first"
        (outcome,) = perform("register", SUBJECT._replace(source=""))
        assert "give --source URI" in outcome.detail


def test_a_registry_that_is_away_is_asked_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from guard.kit.candidate.engines import mlflow

    pauses: list[float] = []
    monkeypatch.setattr(mlflow.time, "sleep", pauses.append)

    class Declared:
        model, alias, url = "m", "candidate", "http://127.0.0.1:1"

    (outcome,) = Mlflow(Declared).perform("register", SUBJECT)
    assert not outcome.ok
    assert "ConnectError; run the step again" in outcome.detail
    assert len(pauses) == mlflow.TRIES - 1
