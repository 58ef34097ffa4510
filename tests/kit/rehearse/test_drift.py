"""The part that asks whether monitoring would see inputs that stand still, and answers that collapse or shift."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from guard.kit.rehearse.drift import LEARN, SHIFTED, Change, Exchange, OutOfTime, Play, _changes, _held, _route
from guard.kit.rehearse.values import Part
from guard.policy.loading import load
from tests.kit.rehearse.making import WALL, made
from tests.kit.rehearse.stage import Model, checks, model, policy, told


@pytest.fixture(name="served", scope="module")
def _served() -> Iterator[Model]:
    with model() as one:
        yield one


def rehearsed(folder: Path, port: int, monitor: str = "") -> tuple[int, dict[str, Any]]:
    path = policy(folder, port)
    path.write_text(path.read_text() + monitor)
    code, document = told(path, "--only", "drift", "--seconds", "60")
    return code, checks(document, "drift")


@pytest.mark.parametrize("monitor", ["", "monitor: {season: none}\n", "monitor: {season: week, rate: 3/s}\n"])
def test_every_change_is_alarmed(served: Model, tmp_path: Path, monitor: str) -> None:
    code, found = rehearsed(tmp_path, served.port, monitor)
    assert {name: check["result"] for name, check in found.items()} == dict.fromkeys(
        (
            "no alarm while nothing changes", "an input that stands still is alarmed", "one answer for everybody is alarmed",
            "answers that shift under the same version are alarmed",
        ),
        "pass",
    )  # fmt: skip
    assert code == 0
    assert found["an input that stands still is alarmed"]["got"].startswith("input:age:")


def test_without_monitoring_the_part_says_so(served: Model, tmp_path: Path) -> None:
    code, found = rehearsed(tmp_path, served.port, "monitor: off\n")
    [check] = found.values()
    assert (code, check["result"]) == (0, "skip")
    assert "monitor is off" in check["todo"]


def stood_in(folder: Path, seconds: float = 1e6) -> Any:
    options = SimpleNamespace(seed=1, seconds=seconds)
    loaded = load(folder / "policy.yaml", environ={})
    return SimpleNamespace(loaded=loaded, wall=WALL, options=options, subjects=[None], clock=monotonic)


# ── the play itself, for each dialect ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.source  # a stand-in for the stage
@pytest.mark.parametrize(
    "name", ["json", "json rows", "json positional", "kserve-v1", "vertex", "mlflow", "sagemaker", "oip", "openai"]
)
def test_inputs_of_each_dialect_are_watched(tmp_path: Path, name: str) -> None:
    subject, _ = made(tmp_path, name)
    stage = stood_in(tmp_path)
    play = Play(stage, subject.key)
    exchanges = []
    for instance in subject.more:
        carried = subject.layouts[0].carry([instance])
        exchanges.append(Exchange(instance, carried.body, carried.content_type, b"{}", [], (None,)))
    random = Random(3)
    assert play.requests(LEARN, exchanges, random) == (None, LEARN)
    inputs = [change for change in _changes(subject, play.route, exchanges, play.stages()) if change.signals != "output:"]
    assert inputs, play.stages()
    for change in inputs:
        alarm, asked = play.requests(SHIFTED, change.exchanges, random)
        assert _held(subject, change, alarm, asked).result == "pass"
        assert play.watch is not None
        assert play.watch.monitor is not None
        play.watch.monitor.end("reset")


@pytest.mark.source  # a stand-in for the stage
def test_a_model_that_answers_everybody_alike_is_noted(tmp_path: Path) -> None:
    subject, _ = made(tmp_path, "json")
    stage = stood_in(tmp_path)
    exchanges = []
    for instance in subject.more:
        carried = subject.layouts[0].carry([instance])
        exchanges.append(Exchange(instance, carried.body, carried.content_type, b'{"label": "a"}', [], ("a",)))
    part = Part("drift", "Drift")
    _route(stage, part, subject, Play(stage, subject.key), exchanges)
    by_name = {check.name: check for check in part.checks}
    assert "alike" in by_name["answers that can be watched"].got
    assert by_name["answers that can be watched"].result == "note"
    assert "one answer for everybody is alarmed" not in by_name


@pytest.mark.source  # a stand-in for the stage
def test_a_play_ends_with_its_time(tmp_path: Path) -> None:
    subject, _ = made(tmp_path, "json")
    with pytest.raises(OutOfTime):
        Play(stood_in(tmp_path, seconds=0.0), subject.key).requests(LEARN, [], Random(1))


def test_a_change_that_nobody_would_see_fails_with_a_way_on(tmp_path: Path) -> None:
    subject, _ = made(tmp_path, "json")
    check = _held(subject, Change("n", "age", [], "input:age:"), None, SHIFTED)
    assert (check.result, check.failed, check.got) == ("fail", 1, "no alarm")
    assert "guard check" in check.todo
