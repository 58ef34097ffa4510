"""The keeper: records in, states, events, descents and a state file out; with a clock of its own."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guard import events
from guard.control.slo.keeper import SloKeeper
from guard.control.slo.state_file import Damaged, Saved, decode, encode
from guard.control.state import open_state
from guard.events import Event
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.policy.runtime import Runtime
from guard.proxy.values import Attempt, Record
from guard.targets.rings import Series

POLICY = """version: guard/v1
service: s
upstream: http://127.0.0.1:1
targets: {TARGETS}
routes:
  POST /a:
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
  POST /b:
    output: {label: {enum: [a, b]}}
"""
BURN = "burn: {act: [freeze, abort, descend], descend: rules, for: 30m, at_least: 10}"


class World:
    """One process after the other, with a clock that the test moves."""

    def __init__(self, folder: Path, targets: str) -> None:
        self.path = folder / "policy.yaml"
        self.mono, self.wall_offset = 1000.0, 1.7e9
        self.events: list[Event] = []
        self.state, _ = open_state(folder / "state", folder, None)
        self.start(targets)

    def start(self, targets: str) -> None:
        """A new process."""
        self.runtime = Runtime()
        self.keeper = SloKeeper(
            self.runtime, wall=lambda: self.mono + self.wall_offset, publish=self.events.append, now=lambda: self.mono
        )
        self.keeper.begin(self.state)
        self.reload(targets)

    def reload(self, targets: str) -> None:
        self.path.write_text(POLICY.replace("{TARGETS}", f"{{{targets}}}"))
        loaded = load(self.path, environ={})
        draft = self.runtime.draft()
        self.plan = compile_plan(loaded, CompileContext(), draft)
        self.runtime.adopt(draft)
        self.keeper.adopt(loaded, self.plan)
        self.routes = {route.key: route for route in self.plan.routes}

    def answer(self, route: str = "POST /a", *, times: int = 1, took: float = 0.01, status: int = 200, **how: Any) -> None:
        """Records of requests that end now."""
        for _ in range(times):
            record = Record("r", self.mono - took)
            record.ended_at, record.status, record.matched = self.mono, status, self.routes[route]
            record.source = how.get("source", "model")
            if how.get("called", record.source == "model"):
                record.attempts.append(Attempt(SimpleNamespace(source="model"), self.mono - took))  # type: ignore[arg-type]
            self.keeper.counter.take(iter([record]))

    def read(self) -> None:
        asyncio.run(self.keeper.read())

    def go(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Time goes by, a minute at a time."""
        end = self.mono + seconds
        while self.mono < end:
            self.mono = min(end, self.mono + 60)
            each()
            self.read()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def burn(self, route: str = "POST /a") -> int:
        return self.runtime.rung_limits.get(route).burn  # type: ignore[union-attr]

    def level(self) -> str:
        return self.keeper.state("POST /a")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, f"latency_p95: 100ms, error_rate: 1%, model_share: 90%, {BURN}")


def test_a_route_is_measured_from_its_first_traffic(world: World) -> None:
    world.read()
    assert world.keeper.document()["scopes"] == []
    world.answer(times=5)
    world.answer(status=404, source=None)
    world.answer(status=0, source=None)
    world.answer(status=503, source="disabled")
    world.read()
    service, route = world.keeper.document()["scopes"]
    assert (service["route"], route["route"]) == (None, "POST /a")
    found = {each["objective"]: each["windows"]["5m"] for each in route["objectives"]}
    assert (found["latency_p95"]["bad"], found["latency_p95"]["total"]) == (0, 6)
    assert (found["error_rate"]["bad"], found["error_rate"]["total"]) == (1, 6)
    assert (found["model_share"]["bad"], found["model_share"]["total"]) == (1, 6)
    assert found["error_rate"]["burn"] == 16.6667
    assert found["error_rate"]["partial"] is True


def test_a_window_is_partial_until_it_is_full(world: World) -> None:
    world.answer()
    world.go(300)
    windows = world.keeper.document()["scopes"][1]["objectives"][0]["windows"]
    assert windows["5m"]["partial"] is False
    assert windows["30m"]["partial"] is True


def test_a_burning_route_is_told_of_once_and_not_as_the_service_too(world: World) -> None:
    world.answer(times=20, status=500, source="disabled")
    world.read()
    world.read()
    told = [event for event in world.of(events.BurnChanged) if event.objective == "error_rate"]
    assert [(event.route, event.after, event.told) for event in told] == [
        ("POST /a", "fast", True),
        (None, "fast", False),
    ] or [(event.route, event.after, event.told) for event in told] == [(None, "fast", False), ("POST /a", "fast", True)]


def test_actions_are_off_unless_written(tmp_path: Path) -> None:
    world = World(tmp_path, "latency_p95: 100ms")
    world.answer(times=50, took=1.0)
    world.read()
    assert world.level() == "fast"
    assert (world.burn(), world.keeper.frozen("POST /a"), world.keeper.abort("POST /a")) == (0, "", "")


def test_burning_freezes_and_aborts(world: World) -> None:
    assert world.keeper.frozen("POST /a") == world.keeper.abort() == ""
    world.answer(times=50, took=1.0)
    world.read()
    assert world.keeper.frozen("POST /a") == "targets.latency_p95 of POST /a burns fast"
    assert world.keeper.abort("POST /a") == "targets.latency_p95 of POST /a burns fast"
    assert "the service" in world.keeper.frozen()


@pytest.mark.parametrize(("slow_for", "why", "after"), [(0, "healed", 660), (1200, "time", 1860), (2400, "time", 3660)])
def test_it_descends_probes_and_comes_back(world: World, slow_for: float, why: str, after: float) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    assert world.burn() == 3
    assert world.of(events.RouteDescended)[0].objective == "latency_p95"
    begun = world.mono

    def minute() -> None:
        world.answer(times=99, source="rules")
        world.answer(took=1.0 if world.mono - begun <= slow_for else 0.01)

    world.go(after - 120, minute)
    assert world.burn() == 3
    world.go(120, minute)
    assert world.burn() == 0
    assert [event.why for event in world.of(events.RouteReturned)] == [why]
    world.go(120, lambda: world.answer(times=100))
    assert world.burn() == 0  # what was before the return leads to nothing
    assert len(world.of(events.RouteDescended)) == 1


def test_requests_that_began_before_the_descent_are_no_probes(world: World) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    world.mono += 0.5
    world.answer(times=20, took=1.0)
    world.read()
    assert world.keeper.document()["scopes"][1]["descent"]["probes"] == {"bad": 0, "total": 0}


def test_a_model_that_flaps_does_not_make_the_route_flap(world: World) -> None:
    def minute() -> None:
        if world.burn():  # it heals as soon as it is left alone, and is slow as soon as it is asked again
            world.answer(times=20, took=0.01)
        else:
            world.answer(times=100, took=1.0)

    world.go(12 * 3600, minute)
    assert len(world.of(events.RouteDescended)) == 3
    assert world.of(events.RouteDescended)[2].held
    assert world.burn() == 3
    world.keeper.release("POST /a")
    assert world.burn() == 0
    world.go(3600, minute)
    assert world.burn() == 0  # three a day: after that it is a person's


def test_model_share_and_availability_never_lower(tmp_path: Path) -> None:
    world = World(tmp_path, f"availability: 99.9%, model_share: 99%, {BURN}")
    world.answer(times=100, status=503, source="disabled")
    world.read()
    assert world.level() == "fast"
    assert world.burn() == 0


def test_a_route_without_a_rung_to_descend_to_stays(world: World) -> None:
    world.answer("POST /b", times=50, took=1.0)
    world.read()
    assert world.keeper.state("POST /b") == "fast"
    assert world.burn("POST /b") == 0


def test_it_does_not_descend_while_an_operator_has_lowered_the_route(world: World) -> None:
    world.runtime.rung_limits.get("POST /a").level = 4  # type: ignore[union-attr]
    world.answer(times=50, took=1.0)
    world.read()
    assert world.burn() == 0


def test_a_restart_goes_on(world: World) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    before = world.keeper.document()["scopes"][1]
    asyncio.run(world.keeper.save(5))
    world.mono, world.wall_offset = 5.0, world.wall_offset + world.mono + 20  # another boot, 25 s later
    world.start(f"latency_p95: 100ms, error_rate: 1%, model_share: 90%, {BURN}")
    world.read()
    after = world.keeper.document()["scopes"][1]
    assert after["objectives"][0]["windows"]["5m"] == before["objectives"][0]["windows"]["5m"]
    assert world.burn() == 3
    assert after["descent"]["since"] == before["descent"]["since"]


def test_a_gap_counts_as_nothing_and_a_clock_that_went_back_is_none(world: World) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    asyncio.run(world.keeper.save(5))
    world.wall_offset -= 86400
    world.start("latency_p95: 100ms")
    world.read()
    assert world.level() == "fast"
    world.wall_offset += 2 * 86400
    asyncio.run(world.keeper.save(5))
    world.wall_offset += 7200
    world.start("latency_p95: 100ms")
    world.read()
    windows = world.keeper.document()["scopes"][1]["objectives"][0]["windows"]
    assert (windows["1h"]["total"], windows["6h"]["total"]) == (0, 50)


def test_a_step_of_the_clock_changes_nothing(world: World) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    world.wall_offset += 10 * 86400
    world.read()
    assert world.keeper.document()["scopes"][1]["objectives"][0]["windows"]["5m"]["bad"] == 50


def test_a_reload_keeps_a_descent_also_with_another_window(world: World) -> None:
    world.answer(times=50, took=1.0)
    world.read()
    world.reload("latency_p95: 100ms, burn: {window: 7d, act: [descend], descend: rules}")
    assert world.burn() == 3
    assert world.keeper.document()["scopes"][1]["objectives"][0]["windows"]["7d"]["bad"] == 50
    world.reload("latency_p95: 100ms")
    assert world.burn() == 0
    assert world.of(events.RouteReturned)[0].why == "policy"


def test_silence_and_surge_are_told(tmp_path: Path) -> None:
    world = World(tmp_path, "expected_rate: 1/s")
    world.go(540)
    world.answer(times=10)
    world.go(540)
    assert not world.of(events.VolumeChanged)
    world.go(120)
    assert [event.after for event in world.of(events.VolumeChanged)] == ["silence"]
    world.go(60, lambda: world.answer(times=1000))
    assert [event.after for event in world.of(events.VolumeChanged)] == ["silence", "surge"]


def test_metrics_say_the_state(world: World) -> None:
    assert list(world.keeper.families()) == []
    world.answer(times=50, took=1.0)
    world.read()
    families = {family.instrument.name: family.points for family in world.keeper.families()}
    assert (("POST", "/a", "latency_p95", "fast"), 1) in families["guard.slo.state"]
    assert (("POST", "/a"), 1) in families["guard.slo.lowered"]
    assert dict(families["guard.slo.burn"])["", "", "latency_p95", "5m"] == pytest.approx(20)


@pytest.mark.parametrize("damage", [b"", b"x", b"{}\n", b"[]\n", b'{"format": "guard/slo/v1"}\nx'])
def test_a_damaged_file_is_as_none(world: World, damage: bytes) -> None:
    with pytest.raises(Damaged):
        decode(damage)
    assert world.state is not None
    world.state.save("slo.bin", damage)
    world.start("latency_p95: 100ms")
    assert world.of(events.StateUnavailable)
    world.answer()
    world.read()


def test_a_file_that_was_cut_or_changed_is_refused() -> None:
    raw = encode(Saved(1.0, 2.0, {"": 1}, {("", "error_rate"): Series(0).dump()}, {}), 1 << 26)
    assert decode(raw).series["", "error_rate"] == Series(0).dump()
    for cut in range(0, len(raw), 7):
        with pytest.raises(Damaged):
            decode(raw[:cut])
    with pytest.raises(Damaged):
        decode(raw[:-1] + bytes([raw[-1] ^ 1]))
