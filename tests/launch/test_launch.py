"""From nothing to a green checklist, by nothing but what it says; then each item broken, and mended as it says."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import valid
from tests.launch.stage import CI, Stage, demo_model, serving

pytest.importorskip("sklearn")
STEPS = 200


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with demo_model(tmp_path_factory.mktemp("model")) as port:
        yield port


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, model: int) -> Iterator[tuple[Stage, list[str]]]:
    """The stage at the end of the walk, and the items that were followed, in order."""
    stage = Stage(tmp_path_factory.mktemp("launch"))
    with serving(stage.folder, model) as guard:
        stage.guard, stage.model = guard, model
        assert stage.run("checklist", "policy.yaml", check=False).returncode == 1
        results: list[str] = []
        for _ in range(STEPS):
            red = next((item for item in stage.items().values() if item.status != "pass"), None)
            if red is None:
                break
            results.append(red.id)
            stage.follow(red)
        else:
            raise AssertionError(results[-20:])
        stage.live = f"http://127.0.0.1:{guard.ops}"
        yield stage, results


def test_from_nothing_to_green_by_following_what_it_says(walked: tuple[Stage, list[str]]) -> None:
    stage, taken = walked
    assert len(set(taken)) > 30, "almost everything was missing"
    done = stage.run(
        "checklist", "policy.yaml", "--live", stage.live or "", "--fail-on", "warn", "--json", "--junit", "junit.xml"
    )
    told = valid("checklist.schema.json", json.loads(done.stdout))
    assert {section["status"] for section in told["sections"]} == {"pass"}
    assert told == json.loads(json.dumps({"sections": [_plain(item) for item in stage.checked()]}))
    kept = valid("evidence.schema.json", json.loads((stage.folder / "evidence" / "checklist.json").read_text()))
    assert (kept["kind"], kept["passed"], kept["result"]) == ("checklist", True, told)
    assert 'failures="0" skipped="0"' in (stage.folder / "junit.xml").read_text()
    assert "9 sections: 9 pass" in stage.run("checklist", "policy.yaml", "--live", stage.live or "").stdout
    assert stage.run("release", "--verify", "--policy", "policy.yaml").stdout.endswith("it agrees with the disk\n")


def test_the_rehearsal_itself_keeps_it_green(green: Stage, model: int) -> None:
    (green.folder / "evidence" / "rehearse.json").unlink()
    assert green.items()["rehearsal.fresh"].status == "fail"
    done = green.rehearse(model)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((green.folder / "evidence" / "rehearse.json").read_text())
    assert document["result"]["measured"]["requests"] > 0
    assert [item for item in green.items().values() if item.status != "pass"] == []


def _plain(section: Any) -> dict[str, Any]:
    items = [{"id": item.id, "status": item.status, "evidence": item.evidence, "fix": item.fix} for item in section.items]
    return {"id": section.id, "title": section.title, "status": section.status, "items": items}


# ── each item broken in turn ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Broken:
    """How an item breaks, and what turns red beside it for the same reason."""

    id: str
    how: Callable[[Stage], object]
    also: frozenset[str] = frozenset()
    status: tuple[str, ...] = field(default=("warn", "fail"))

    def __str__(self) -> str:
        return self.id


CHANGED = frozenset({"monitoring.policy", "rehearsal.fresh", "failure.drilled"})
"""What any change of the policy makes stale; a release's record is part of it."""


def policy(*path: str, to: Any = None) -> Callable[[Stage], None]:
    """A key of the policy taken away, or set."""

    def do(stage: Stage) -> None:
        node = stage.policy
        for key in path[:-1]:
            node = node[key]
        if to is None:
            del node[path[-1]]
        else:
            node[path[-1]] = to
        stage.write()

    return do


def without(*options: str) -> Callable[[Stage], None]:
    """The release made again without some options."""

    def do(stage: Stage) -> None:
        stage.options = [option for option in stage.options if option[0] not in options]
        stage.release()
        record = stage.folder / "release.yaml"
        record.write_text(
            "".join(
                line
                for line in record.read_text().splitlines(keepends=True)
                if line[:8] != "previous" or "previous" not in options
            )
        )

    return do


def evidence(kind: str, **change: Any) -> Callable[[Stage], None]:
    """A file of evidence changed, or taken away."""

    def do(stage: Stage) -> None:
        path = stage.folder / "evidence" / f"{kind}.json"
        if change:
            path.write_text(json.dumps(json.loads(path.read_text()) | change))
        else:
            path.unlink()

    return do


def ci(before: str, after: str) -> Callable[[Stage], None]:
    def do(stage: Stage) -> None:
        path = stage.folder / CI
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    return do


PREDICT = ("routes", "POST /predict")
SCORE = (*PREDICT, "output", "score")
RADIUS = (*PREDICT, "input", "mean radius")
TIME = {"type": "timestamp", "description": "when it was measured", "sensitivity": "internal"}


def timestamp(stage: Stage) -> None:
    stage.policy["routes"]["POST /predict"]["input"]["measured_at"] = TIME | {"required": False}
    stage.extra = {"measured_at": "2025-06-01T00:00:00Z"}
    stage.write()


def dirty(stage: Stage) -> None:
    stage.options = [option for option in stage.options if option[0] != "commit"]
    (stage.folder / "evaluation.json").write_text((stage.folder / "evaluation.json").read_text() + "\n")
    stage.release()


def retrained(stage: Stage) -> None:
    with (stage.folder / "model.joblib").open("ab") as file:
        file.write(b"\0")


def previous(stage: Stage) -> None:
    """A release after another, whose record somebody threw away."""
    stage.options = [option for option in stage.options if option[0] not in ("version", "previous")] + [
        ("version", "1.5.0")
    ]
    stage.release()
    shutil.rmtree(stage.folder / "releases")


BROKEN = [
    Broken("release.record", policy("release"), CHANGED | {"targets.quality", "monitoring.model_version", "failure.rollback", "next.previous", "next.pipeline"}),
    Broken("release.model", without("model"), CHANGED),
    Broken("release.commit", dirty, CHANGED),
    Broken("release.lockfile", without("lockfile"), CHANGED),
    Broken("release.parts", without("part"), CHANGED | {"monitoring.reference"}),
    Broken("release.contract", policy(*RADIUS, "max", to=61), CHANGED),
    Broken("release.configuration", without("config"), CHANGED),
    Broken("release.evaluation", without("evaluation", "dataset", "evaluated"), CHANGED),
    Broken("release.approval", without("approved-by"), CHANGED),
    Broken("release.verified", retrained, frozenset(), ()),
    Broken("contract.declared", policy(*PREDICT, "output"), CHANGED | {"release.contract", "monitoring.predictions", "failure.rung", "failure.covered"}, ()),
    Broken("contract.enforced", policy(*PREDICT, "enforcement", to="observe"), CHANGED | {"data.minimised"}),
    Broken("contract.units", policy(*RADIUS, "unit"), CHANGED | {"release.contract"}),
    Broken("contract.descriptions", policy(*RADIUS, "description"), CHANGED),
    Broken("contract.missing", policy(*PREDICT, "input", "note", to={"type": "string", "required": False, "sensitivity": "internal"}),
           CHANGED | {"release.contract", "contract.descriptions"}),
    Broken("contract.outputs", policy(*SCORE, "meaning"), CHANGED | {"release.contract"}),
    Broken("contract.calibration", policy(*SCORE, "calibration"), CHANGED | {"release.contract"}),
    Broken("data.sensitivity", policy(*RADIUS, "sensitivity"), CHANGED | {"release.contract"}),
    Broken("data.inspection", policy("admin"), CHANGED),
    Broken("targets.latency", policy("targets", "latency_p95"), CHANGED),
    Broken("targets.errors", policy("targets", "error_rate"), CHANGED),
    Broken("targets.availability", policy("targets", "availability"), CHANGED),
    Broken("targets.volume", policy("targets", "expected_rate"), CHANGED),
    Broken("targets.quality", policy("targets", "quality"), CHANGED),
    Broken("targets.quality", without("metric"), CHANGED | {"release.evaluation"}),
    Broken("targets.cost", policy("targets", "cost"), CHANGED),
    Broken("targets.cost", policy("targets", "cost", "daily", to="1 EUR"), CHANGED),
    Broken("targets.latency", lambda stage: stage.rehearsed(latency_p95=3.0)),
    Broken("targets.errors", lambda stage: stage.rehearsed(error_rate=0.06), frozenset({"targets.availability"})),
    Broken("targets.volume", lambda stage: stage.rehearsed(rate=10.0)),
    Broken("targets.volume", policy("upstream", "limits", "concurrency", to=4), CHANGED),
    Broken("monitoring.page", policy("telemetry", to={"prometheus": False}), CHANGED),
    Broken("monitoring.live", lambda stage: setattr(stage, "live", None),
           frozenset(f"monitoring.{item}" for item in ("requests", "latency", "errors", "violations", "fallbacks", "model_version", "predictions"))),
    Broken("monitoring.policy", policy("drain", to="4s"), CHANGED),
    Broken("monitoring.state", lambda stage: stage.run("kill", "--reason", "broken")),
    Broken("monitoring.freshness", timestamp, CHANGED | {"release.contract"}),
    Broken("monitoring.predictions", lambda stage: [policy(*PREDICT, "output", item, "sensitivity", to="health")(stage) for item in ("label", "score")],
           CHANGED | {"release.contract"}),
    Broken("monitoring.reference", policy("monitor"), CHANGED | {"monitoring.season"}),
    Broken("monitoring.reference", policy("monitor", to="off"), CHANGED | {"monitoring.season"}),
    Broken("monitoring.season", policy("monitor", "season"), CHANGED),
    Broken("rehearsal.fresh", evidence("rehearse"), frozenset({"rehearsal.passed", "targets.latency", "targets.errors", "targets.availability", "targets.volume"})),
    Broken("rehearsal.fresh", evidence("rehearse", at="2024-01-01T00:00:00Z"), frozenset(), ("warn",)),
    Broken("rehearsal.passed", lambda stage: stage.rehearsed(passed=False), frozenset(), ("fail",)),
    Broken("failure.drilled", evidence("drill"), frozenset({"failure.covered"})),
    Broken("failure.drilled", evidence("drill", passed=False), frozenset(), ("fail",)),
    Broken("failure.drilled", evidence("drill", at="2024-01-01T00:00:00Z"), frozenset(), ("warn",)),
    Broken("failure.drilled", evidence("drill", policy_digest="sha256:" + "0" * 64), frozenset(), ("warn",)),
    Broken("failure.covered", evidence("drill", result={"steps": []})),
    Broken("failure.rung", policy(*PREDICT, "fallback"), CHANGED, ("fail",)),
    Broken("failure.rung", policy(*PREDICT, "fallback", to=[{"cached": {"max_age": "1h"}}]), CHANGED | {"failure.covered"}, ()),
    Broken("failure.rollback", previous, CHANGED | {"monitoring.model_version", "monitoring.reference"}),
    Broken("failure.page", policy("owners", "incidents", "page"), CHANGED),
    Broken("failure.dashboard", policy("owners", "incidents", "dashboard"), CHANGED),
    Broken("failure.recovery", policy("owners", "incidents", "runbook"), CHANGED),
    *(Broken(f"owners.{role}", policy("owners", role), CHANGED) for role in ("model_quality", "serving", "data_freshness", "approvals", "retraining")),
    Broken("owners.serving", policy("owners", "serving", to="TBD"), CHANGED),
    Broken("owners.incidents", policy("owners", "incidents"), CHANGED | {"failure.page", "failure.dashboard", "failure.recovery"}),
    Broken("next.previous", without("previous"), CHANGED | {"failure.rollback", "release.verified"}),
    Broken("next.pipeline", without("pipeline"), CHANGED),
    Broken("next.rehearsal", ci("guard rehearse", "echo")),
    Broken("next.checklist", ci("guard checklist", "# guard checklist")),
]  # fmt: skip


@pytest.fixture
def green(walked: tuple[Stage, list[str]]) -> Iterator[Stage]:
    """The stage at the end of the walk; put back afterwards, file by file."""
    stage, _ = walked
    saved = {path.relative_to(stage.folder): path.read_bytes() for path in _files(stage.folder)}
    policy_, options, live = json.loads(json.dumps(stage.policy)), list(stage.options), stage.live
    assert [item for item in stage.items().values() if item.status != "pass"] == []
    yield stage
    for path in _files(stage.folder):
        if path.relative_to(stage.folder) not in saved:
            path.unlink()
    for name, content in saved.items():
        path = stage.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    stage.policy, stage.options, stage.live, stage.extra = policy_, options, live, {}
    stage.deployed()


def _files(folder: Path) -> list[Path]:
    """All that the team wrote, and not what servers and git keep."""
    results = {"state", ".git", "stdout"}
    return [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in results]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_the_right_item_turns_red_and_its_fix_turns_it_green(green: Stage, broken: Broken) -> None:
    broken.how(green)
    if not broken.status:
        return by_hand(green, broken)
    found = green.items()
    red = {name for name, item in found.items() if item.status != "pass"}
    assert broken.id in red
    assert red <= {broken.id} | broken.also, red - broken.also
    assert found[broken.id].status in broken.status, found[broken.id]
    taken = green.heal(broken.id)
    assert taken
    assert green.items()[broken.id].status == "pass"
    return None


def by_hand(stage: Stage, broken: Broken) -> None:
    """Items whose fix is work for people: what it says is done here, by name."""
    if broken.id == "release.verified":
        assert stage.items()[broken.id].status == "pass", "nobody has looked yet"
        assert stage.run("release", "--verify", "--policy", "policy.yaml", check=False).returncode == 1
        item = stage.items()[broken.id]
        assert (item.status, item.evidence) == ("fail", "the record differs from the disk in 2 places")
        assert "release again what was changed" in item.fix
        stage.release()
    elif broken.id == "contract.declared":
        policy(*PREDICT, "fallback")(stage)  # rules answer outputs, and there are none
        item = stage.items()[broken.id]
        assert (item.status, item.evidence) == ("fail", "POST /predict declares no output")
        assert "declare the fields of each route" in item.fix
        policy(*PREDICT, "output", to={"label": {"enum": ["a"], "meaning": "m"}})(stage)
    else:
        item = stage.items()[broken.id]
        assert (item.status, "`rules` rung for each" in item.fix) == ("warn", True)
        policy(*PREDICT, "fallback", to=[{"rules": [{"answer": {"label": "review"}}]}])(stage)
    assert stage.items()[broken.id].status == "pass"


def test_every_item_of_a_green_checklist_was_broken(green: Stage) -> None:
    elsewhere = {
        "data.leaves", "data.minimised", "monitoring.requests", "monitoring.latency", "monitoring.errors", "monitoring.violations",
        "monitoring.fallbacks", "monitoring.model_version",
    }  # fmt: skip
    assert set(green.items()) == {broken.id for broken in BROKEN} | elsewhere, "those are in test_signals and test_items"


def test_a_guard_that_has_seen_nothing_is_red_signal_by_signal(green: Stage, model: int, tmp_path: Path) -> None:
    for name in ("policy.yaml", "release.yaml", "reference.json"):
        shutil.copy(green.folder / name, tmp_path)
    before = green.guard
    with serving(tmp_path, model) as fresh:
        green.guard, green.operated, green.live = fresh, False, f"http://127.0.0.1:{fresh.ops}"
        try:
            found = green.items()
            signals = [
                f"monitoring.{item}" for item in ("requests", "latency", "errors", "violations", "fallbacks", "predictions")
            ]
            assert [found[signal].status for signal in signals] == ["fail"] * 6
            assert found["monitoring.model_version"].status == "pass"
            for signal in signals:
                if signal == "monitoring.fallbacks":  # a drill would ask for the other guard's state folder
                    assert "guard drill policy.yaml" in found[signal].fix
                    continue
                green.heal(signal)
                assert green.items()[signal].status == "pass"
        finally:
            green.guard, green.operated = before, True
