"""Monitoring in a process: exchanges of the pipeline in, events, metrics, orders and a state folder out; with a clock of its own."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from guard.control.incidents.events import changes
from guard.control.monitoring import MOST_UNDECLARED, PREFIX, MonitorKeeper
from guard.control.order_store import Refused
from guard.control.state import open_state
from guard.events import DriftEnded, DriftFound, Event, MonitoringForgotten, VersionChanged
from guard.monitoring.reference import parse_reference
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.policy.runtime import Runtime
from guard.proxy.pipeline import handle_request
from guard.proxy.values import Answer, Body, Call, Head, Reply

POLICY = """version: guard/v1
service: s
upstream: http://127.0.0.1:1
MONITOR
routes:
  POST /predict:
    input:
      age: {type: integer, min: 0, max: 120}
      income: {type: number, sensitivity: confidential}
      kind: {enum: [x, y, z]}
      note: {type: string, required: false}
      at: {type: timestamp, unit: s, required: false}
    output: {score: {type: number, min: 0, max: 1, at: /score}, label: {enum: [a, b], at: /label}}
    fallback: [{rules: [{answer: {score: 0.5, label: a}}]}]
  POST /rows:
    rows: /rows
    input: {size: {type: number}}
    output: {label: {enum: [a, b], at: /labels/*}}
"""
WALL = 1.7e9
Make = Callable[["World"], dict[str, Any]]


class World:
    """One process after the other, with a clock that the test moves."""

    def __init__(self, folder: Path, monitor: str = "") -> None:
        self.path = folder / "policy.yaml"
        self.mono = 1000.0
        self.events: list[Event] = []
        self.audited: list[Mapping[str, object]] = []
        self.random = Random(7)
        self.count = 0
        self.state, _ = open_state(folder / "state", folder, None)
        self.start(monitor)

    def wall(self) -> float:
        return self.mono + WALL

    def start(self, monitor: str = "") -> None:
        """A new process, that knows only what was saved."""
        self.runtime = Runtime()
        self.keeper = MonitorKeeper(self.runtime, lambda: self.loaded, self.wall, self.events.append, self.audited.append)
        self.keeper.recall(self.state)
        self.reload(monitor)

    def reload(self, monitor: str = "") -> None:
        self.path.write_text(POLICY.replace("MONITOR", monitor))
        self.loaded = load(self.path, environ={})
        draft = self.runtime.draft()
        self.plan = compile_plan(self.loaded, CompileContext(monitor=self.keeper.begin), draft)
        self.plan.clock.offset = WALL
        self.runtime.adopt(draft)
        self.keeper.adopt()

    def exchange(self, inputs: object, answer: object, path: str = "/predict") -> int:
        """One request through the pipeline; the model answers with this document. Returns the status."""
        self.count += 1
        head = Head(b"POST", path.encode(), [(b"content-type", b"application/json")])
        request = SimpleNamespace(head=head, request_id=f"r{self.count}", fault=None)
        pipeline = handle_request(request, self.plan, lambda: self.mono)
        command = next(pipeline)
        while not isinstance(command, Reply):
            if isinstance(command, Body):
                command = pipeline.send(json.dumps(inputs).encode())
            else:
                assert isinstance(command, Call)
                command.ticket.begin(self.mono) if hasattr(command.ticket, "begin") else None
                body = json.dumps(answer).encode()
                command = pipeline.send(Answer(200, [(b"content-type", b"application/json")], body))
        return command.status

    def second(self) -> None:
        self.mono += 1.0
        for route, monitor in list(self.keeper.monitors()):
            self.keeper._tick(route, monitor)

    def usual(self) -> tuple[dict[str, Any], dict[str, Any]]:
        age = self.random.randint(18, 90)
        inputs = {"age": age, "income": self.random.lognormvariate(3, 1), "kind": self.random.choice("xyz")}
        return inputs, {"score": 0.3 + 0.4 * self.random.random(), "label": self.random.choice("ab")}

    def run(self, seconds: int, rate: int = 50, **changed: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
        """Traffic for so many seconds. `changed`: what alters a request and its answer."""
        for _ in range(seconds):
            for _ in range(rate):
                inputs, answer = self.usual()
                for change in changed.values():
                    change(inputs, answer)
                assert self.exchange(inputs, answer) == 200
            self.second()

    def drifts(self) -> list[DriftFound]:
        return [event for event in self.events if isinstance(event, DriftFound)]

    @property
    def monitor(self) -> Any:
        return dict(self.keeper.monitors())["POST /predict"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def learned(world: World) -> World:
    """A world whose reference is learned, without an alarm."""
    world.run(45)
    assert world.events == []
    assert "gross" in world.monitor.stages
    return world


def collapse(_inputs: dict[str, Any], answer: dict[str, Any]) -> None:
    answer.update(score=0.42, label="a")


def freeze(inputs: dict[str, Any], _answer: object) -> None:
    inputs["income"] = 12.5


def test_a_collapsed_model_is_one_incident_and_ends_by_itself(learned: World) -> None:
    began = learned.wall()
    learned.run(20, changed=collapse)
    [found] = learned.drifts()
    assert found.topic == "model_quality"
    assert found.signal.startswith("output:")
    assert found.strength == "critical"
    assert abs(learned.monitor.alarm.onset - began) <= 5
    [opened] = changes(found, learned.wall())
    assert (opened.subject.kind, opened.severity) == ("drift", "page")
    learned.run(660)
    [ended] = [event for event in learned.events if isinstance(event, DriftEnded)]
    assert (ended.verdict, ended.topic) == ("over", "model_quality")
    assert [change.subject for change in changes(ended, learned.wall())] == [opened.subject]
    assert learned.monitor.alarm is None


def test_a_frozen_feature_concerns_the_owner_of_data(learned: World) -> None:
    learned.run(20, changed=freeze)
    [found] = learned.drifts()
    assert (found.topic, found.signal) == ("data_freshness", "input:income:repeat")
    assert found.cells == (), "a field above internal shows no share"
    assert next(iter(changes(found, 0.0))).subject.kind == "stale_data"


def test_another_mix_of_classes_is_told_with_its_shares(learned: World) -> None:
    learned.run(60, changed=lambda inputs, _: inputs.update(kind="x"))
    [found] = learned.drifts()
    assert found.signal == "input:kind:values"
    assert any(cell.startswith("input:kind:values x: 3") and cell.endswith("to 100.0%") for cell in found.cells)


def test_what_is_constant_or_absent_from_the_start_is_no_alarm(world: World) -> None:
    world.run(120, changed=lambda inputs, answer: (inputs.update(age=40), answer.update(label="a")))
    assert world.events == []


def test_a_timestamp_is_watched_by_its_age(world: World) -> None:
    def fresh(inputs: dict[str, Any], _answer: object) -> None:
        inputs["at"] = round(world.wall() - world.random.uniform(1, 30))

    stale_at = 0.0

    def stale(inputs: dict[str, Any], _answer: object) -> None:
        inputs["at"] = stale_at

    world.run(45, changed=fresh)
    stale_at = round(world.wall())
    world.mono += 3600
    world.run(30, changed=stale)
    [found] = world.drifts()
    assert (found.signal, found.topic) == ("input:at:values", "data_freshness")


def test_rows_of_a_batch_are_one_bet(world: World) -> None:
    world.exchange({"rows": [{"size": float(row)} for row in range(4)]}, {"labels": ["a", "b", "a", "b"]}, "/rows")
    tally = dict(world.keeper.monitors())["POST /rows"].tally
    assert (tally.requests, tally.rows) == (1, 4)
    sizes, labels = tally.fields
    assert sum(tally.counts[sizes.base : sizes.base + sizes.cells.repeat_at]) == 1 << 20
    assert tally.counts[labels.base : labels.base + 2] == [1 << 19, 1 << 19]


def test_only_valid_requests_and_answers_of_the_model_are_counted(world: World) -> None:
    inputs, answer = world.usual()
    assert world.exchange({**inputs, "age": "old"}, answer) == 422
    assert dict(world.keeper.monitors())["POST /predict"].tally.requests == 0
    assert world.exchange(inputs, {"score": 7, "label": "a"}) == 200, "rules answered"
    tally = world.monitor.tally
    score = next(field for field in tally.fields if field.base >= 0 and field.cells.repeats and field is tally.fields[-2])
    assert tally.requests == 1
    assert tally.counts[score.base + score.cells.values + 3] == 1 << 20, "out of range"


def test_no_more_than_the_rate_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, "monitor: {rate: 10/s}")
    for _ in range(50):
        world.exchange(*world.usual())
    assert world.monitor.tally.requests == 10


def test_a_restart_neither_alarms_nor_forgets(learned: World) -> None:
    learned.run(20, changed=collapse)
    alarm, requests = learned.monitor.alarm, learned.monitor.learning["input"].requests
    save(learned)
    learned.start()
    learned.run(1, rate=1)
    assert learned.monitor.alarm == alarm
    assert learned.monitor.learning["input"].requests == requests
    assert len(learned.drifts()) == 1


def save(world: World) -> None:
    """What a save writes, without its thread."""
    from guard.control.monitoring import _file
    from guard.monitoring.state import dump

    for route, monitor in world.keeper.monitors():
        world.state.save(_file(route), dump(monitor))


@pytest.mark.parametrize("damage", [b"", b"x", b"GMS1", b"GMS1\0\0\0\0\0\0\0\0"])
def test_a_damaged_state_is_told_and_learned_anew(learned: World, damage: bytes) -> None:
    save(learned)
    for file in learned.state.path.glob(f"{PREFIX}*"):
        file.write_bytes(damage)
    learned.start()
    learned.run(1, rate=1)
    assert [event.route for event in learned.events if isinstance(event, MonitoringForgotten)] == ["POST /predict"]
    assert learned.monitor.learning["input"].requests == 1


def test_a_reload_keeps_what_still_means_the_same(learned: World) -> None:
    before = learned.monitor
    learned.reload()
    assert learned.monitor is before
    learned.reload("monitor: {replicas: 3}")
    learned.run(1, rate=1)
    after = learned.monitor
    assert after.config.threshold == 3 * before.config.threshold
    assert after.learning["input"].referred
    assert learned.events == []


def test_a_reload_with_other_fields_learns_anew_and_says_so(learned: World) -> None:
    learned.reload("monitor: {fields: {income: off}}")
    learned.run(1, rate=1)
    assert [type(event) for event in learned.events] == [MonitoringForgotten]
    assert "income" not in [spec.name for spec in learned.monitor.config.fields]


def test_monitoring_can_be_off(tmp_path: Path) -> None:
    world = World(tmp_path, "monitor: off")
    assert world.plan.routes[0].watch is None
    world.run(1)
    assert world.keeper.document()["on"] is False
    assert list(world.keeper.families()) == []


def test_without_a_declaration_few_routes_are_watched(world: World) -> None:
    assert world.keeper.begin("POST /x", next(iter(world.runtime.watches.values()))._begin.args[1]) is not None
    for watch in world.runtime.watches.values():
        watch.monitor = object()
    world.keeper.monitors = lambda: iter([("r", None)] * MOST_UNDECLARED)  # type: ignore[method-assign]
    assert world.keeper.begin("POST /x", next(iter(world.runtime.watches.values()))._begin.args[1]) is None


def test_an_operator_accepts_what_is_now(learned: World) -> None:
    learned.run(20, changed=collapse)
    answer = learned.keeper.order("POST /predict", "accept", None, "the new model", "otto")
    assert answer == {"route": "POST /predict", "order": "accept", "expected_until": None}
    assert learned.events[-1] == DriftEnded(
        route="POST /predict", signal=learned.drifts()[0].signal, topic="model_quality", strength="critical",
        verdict="accept", who="otto", why="the new model",
    )  # fmt: skip
    assert learned.audited[-1]["what"] == "monitor"
    learned.run(60, changed=collapse)
    assert len(learned.drifts()) == 1, "it is the reference now"


def test_an_operator_resets_a_false_alarm_and_the_reference_stays(learned: World) -> None:
    learned.run(20, changed=collapse)
    learned.keeper.order("POST /predict", "reset", None, "a test", "otto")
    assert learned.monitor.alarm is None
    learned.run(20, changed=collapse)
    assert len(learned.drifts()) == 2


def test_an_expected_change_neither_alarms_nor_is_learned(learned: World) -> None:
    learned.keeper.order("POST /predict", "expect", 3600.0, "a campaign", "otto")
    learned.run(30, changed=collapse)
    assert learned.drifts() == []
    assert learned.keeper.document()["routes"][0]["expected_until"] is not None


def test_the_policy_expects_a_change(tmp_path: Path) -> None:
    span = "{from: '2023-11-14T22:13:20Z', until: '2030-01-01T00:00:00Z', why: a campaign}"
    world = World(tmp_path, f"monitor: {{expect: [{span}]}}")
    world.run(45)
    world.run(20, changed=collapse)
    assert world.drifts() == []


@pytest.mark.parametrize(
    ("route", "order", "ttl", "status"),
    [
        ("POST /nowhere", "accept", None, 404),
        ("POST /predict", "accept", None, 409),
        ("POST /predict", "reset", None, 409),
        ("POST /predict", "expect", None, 422),
        ("POST /rows", "expect", 1.0, 409),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    world: World, route: str, order: str, ttl: float | None, status: int
) -> None:
    world.run(1, rate=1)
    with pytest.raises(Refused) as refused:
        world.keeper.order(route, order, ttl, "r", "otto")
    assert refused.value.status == status
    assert world.audited == []


def keep(world: World, route: str = "POST /predict") -> dict[str, Any]:
    return asyncio.run(world.keeper.keep_reference(route, "7", "for the release", "otto"))


def test_what_was_learned_is_a_file_that_a_policy_can_name(learned: World) -> None:
    told = keep(learned)
    made = parse_reference(Path(told["file"]).read_bytes())
    assert (made.digest, made.rows, made.source, made.model_version) == (told["digest"], told["rows"], "learned", "7")
    assert made.rows >= 2_000
    assert [field.name for field in made.fields] == ["age", "income", "kind", "note", "at", "score", "label"]
    assert learned.audited[-1]["to"] == "save"
    assert "cuts" not in json.dumps(told)
    learned.start(f"monitor: {{references: {{POST /predict: {told['file']}}}}}")
    learned.run(1)
    assert learned.monitor.frozen() == made.fields
    assert learned.keeper.document()["routes"][0]["learned"] == {"input": 0, "output": 0}


@pytest.mark.parametrize(
    ("seconds", "route", "status"), [(1, "POST /predict", 409), (0, "POST /rows", 409), (0, "POST /x", 404)]
)
def test_a_reference_that_is_not_learned_is_refused(world: World, seconds: int, route: str, status: int) -> None:
    world.run(seconds)
    with pytest.raises(Refused) as refused:
        keep(world, route)
    assert refused.value.status == status
    assert world.audited == []
    assert list(world.state.path.glob("reference-*")) == []


def test_a_reference_without_a_state_folder_is_refused(learned: World) -> None:
    learned.keeper.recall(None)
    with pytest.raises(Refused) as refused:
        keep(learned)
    assert refused.value.status == 503


def ages(world: World) -> dict[tuple[str, ...], float]:
    [family] = [family for family in world.keeper.families() if family.instrument.name == "guard.reference.age"]
    return {tuple(map(str, labels)): float(age) for labels, age in family.points}


def test_the_age_of_a_reference_begins_where_it_was_learned(learned: World) -> None:
    learned.mono += 1_000
    before = ages(learned)
    assert before.keys() == {("POST", "/predict", "input"), ("POST", "/predict", "output")}
    assert all(1_000 <= age <= 1_010 for age in before.values())
    save(learned)
    learned.mono += 500
    learned.start()
    learned.run(1, rate=1)
    assert ages(learned) == {labels: age + 501 for labels, age in before.items()}
    learned.keeper.version_changed(VersionChanged(route="POST /predict", target="model", before="1", after="2"))
    assert ages(learned).keys() == {("POST", "/predict", "input")}


def test_another_version_of_the_model_is_learned_anew(learned: World) -> None:
    learned.run(20, changed=collapse)
    learned.keeper.version_changed(VersionChanged(route="POST /predict", target="model", before="1", after="2"))
    assert learned.monitor.alarm is None
    assert learned.monitor.learning["output"].requests == 0
    assert learned.monitor.learning["input"].referred


def test_what_is_shown_has_no_value_of_a_private_field(learned: World) -> None:
    shown = learned.keeper.document()
    signals = {item["signal"]: item for item in shown["routes"][0]["signals"]}
    assert signals["input:income:values"]["cells"] == []
    assert [cell["cell"] for cell in signals["input:kind:values"]["cells"]] == ["x", "y", "z"]
    assert shown["waiting"] == ["POST /rows"]
    assert json.loads(json.dumps(shown)) == shown


def test_metrics_name_each_signal(learned: World) -> None:
    learned.run(20, changed=collapse)
    families = {family.instrument.name: dict(family.points) for family in learned.keeper.families()}
    assert families["guard.drift.threshold"]["POST", "/predict"] == 30 * 86400 * 2
    assert families["guard.drift.evidence"]["POST", "/predict"] >= 30 * 86400 * 2
    [alarm] = [labels for labels, on in families["guard.drift.alarm"].items() if on]
    assert alarm[:2] == ("POST", "/predict")
    assert families["guard.reference.rows"]["POST", "/predict", "input:kind:values"] >= 2000
    learned.keeper.order("POST /predict", "reset", None, "r", "otto")
    ended = dict(
        next(family for family in learned.keeper.families() if family.instrument.name == "guard.drift.alarms").points
    )
    assert [labels[-1] for labels in ended] == ["reset"]
