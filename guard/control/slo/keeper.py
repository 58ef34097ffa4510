"""Measures the objectives of a running process, and acts where the policy says so.

`RequestCounter` counts records; each second the keeper takes its counts, reads what has changed, publishes changes of
state, and lowers or raises routes. Others ask it: `frozen` and `abort` (the release path), `document` (people).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final

from guard.control.slo.descents import Descents
from guard.control.slo.document import document, families, line
from guard.control.slo.scope import SERVICE, Scope, budgets
from guard.control.slo.state_file import NAME, Damaged, Saved, decode, encode
from guard.control.slo.volume import VolumeWatch
from guard.control.state import MOST, StateFolder
from guard.control.worker import Worker
from guard.events import BurnChanged, Publish, StateUnavailable
from guard.policy.burn import Burn as BurnPolicy
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.models import Policy, Route
from guard.policy.runtime import Runtime
from guard.proxy.values import LEVEL
from guard.targets.burn import H1, M5, STATES, Objective, Reading, Rules, State
from guard.targets.counting import RequestCounter, Tally
from guard.targets.descent import Terms
from guard.targets.rings import BUCKET, Series
from guard.telemetry.family import Family

EVERY: Final = 1.0
SAVE_EVERY: Final = 30.0
SAVE_WITHIN: Final = 10.0
SLICE: Final = 32
"""Routes that are read in one turn of the loop."""


class SloKeeper:
    """Implements `counting.Closes`. `rules` are those of the service."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        wall: Callable[[], float],
        publish: Publish,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.counter = RequestCounter(self)
        self.rules: dict[Objective, Rules] = {}
        self._route_rules: dict[Objective, Rules] = {}
        self.burn = BurnPolicy.model_construct()
        self.scopes: dict[str, Scope] = {}
        self.volume = VolumeWatch(publish)
        self.descents = Descents(runtime, publish, self._save_soon)
        self._wall, self._publish, self._now = wall, publish, now
        self._base = wall() - now()
        self._bucket = 0
        self._state: StateFolder | None = None
        self._saved: Saved | None = None  # until a policy is in force
        self._saver = Worker("guard-slo")
        self._save_at = 0.0
        self._read_all_at = 0.0

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def time(self) -> float:
        """Seconds of the timeline: monotonic in the process, and over a restart as much later as the wall clock says."""
        return self._base + self._now()

    def close(self, at: float) -> float:
        """See Closes."""
        for route, tally in self.counter.tallies.items():
            if tally.seen:
                self._fold(route, tally)
        self._bucket = int((self._base + at) / BUCKET)
        return (self._bucket + 1) * BUCKET - self._base

    def _fold(self, route: str, tally: Tally) -> None:
        for key in (route, SERVICE):
            scope = self.scopes.get(key)
            if scope is None:
                scope = self.scopes[key] = Scope(self._bucket)
            scope.count(self._bucket, tally, self.rules)
        self.volume.count(self._bucket, tally.seen, self._base + tally.latest)
        self.descents.count(route, self._bucket, tally)
        tally.clear()

    # ── the policy ────────────────────────────────────────────────────────────────────────────────────────────────

    def adopt(self, loaded: Loaded, plan: CompiledPlan) -> None:
        """A policy is in force."""
        self.counter.until = self.close(self._now())
        policy = loaded.policy
        self.burn = policy.targets.burn or BurnPolicy.model_construct()
        self.rules = rules(policy, self.burn)
        alone = sum(isinstance(route, Route) for route in policy.routes.values()) == 1
        self._route_rules = {name: rule if alone else rule._replace(expected=0.0) for name, rule in self.rules.items()}
        measured = self.rules or policy.targets.expected_rate is not None
        keys = [key for key, route in policy.routes.items() if isinstance(route, Route)] if measured else []
        within = policy.targets.latency_p95 or float("inf")
        before = self.counter.tallies
        self.counter.tallies = {key: before.get(key) or Tally(within) for key in keys}
        for tally in self.counter.tallies.values():
            tally.within = within
        self.scopes = {key: scope for key, scope in self.scopes.items() if key == SERVICE or key in self.counter.tallies}
        for scope in self.scopes.values():
            scope.declare(self._bucket, self.rules)
        self.volume.declare(policy.targets.expected_rate, self.time)
        self.descents.declare(_terms(self.burn), plan, self.counter.tallies, self.time)
        if self._saved is not None:
            saved, self._saved = self._saved, None
            self._recall(saved)

    def rules_of(self, scope: str) -> dict[Objective, Rules]:
        """The rules of a scope. The expected rate is the service's, and that of a route only if there is one route."""
        return self.rules if scope == SERVICE else self._route_rules

    # ── what others ask ───────────────────────────────────────────────────────────────────────────────────────────

    def state(self, route: str | None = None) -> State:
        """The most urgent state of a route's objectives, or with None of the service's."""
        scope = self.scopes.get(route or SERVICE)
        return scope.state() if scope is not None else "ok"

    def frozen(self, route: str | None = None) -> str:
        """The reason that promotions and canary steps wait; empty where they need not. Only with `act: [freeze]`."""
        if "freeze" not in self.burn.act:
            return ""
        for key in (route or SERVICE, SERVICE):
            scope = self.scopes.get(key)
            for objective, reading in scope.readings.items() if scope is not None else ():
                if reading.state in ("fast", "brisk"):
                    return f"targets.{objective} of {key or 'the service'} burns {reading.state}"
                if reading.spent:
                    return f"the budget of targets.{objective} of {key or 'the service'} is spent"
        return ""

    def abort(self, route: str | None = None) -> str:
        """The reason that a candidate is to be aborted; empty where it need not be. Only with `act: [abort]`."""
        if "abort" not in self.burn.act:
            return ""
        for key in (route or SERVICE, SERVICE):
            scope = self.scopes.get(key)
            for objective, reading in scope.readings.items() if scope is not None else ():
                if reading.state == "fast":
                    return f"targets.{objective} of {key or 'the service'} burns fast"
        return ""

    def release(self, route: str | None) -> None:
        """A person raises what was lowered because it burnt."""
        self.descents.release(route, self.counter.tallies, self.time)

    def status(self) -> Mapping[str, Any]:
        """The objectives in `GET /admin/v1/status`."""
        return line(self)

    def document(self) -> dict[str, Any]:
        """`GET /admin/v1/slo`."""
        return document(self)

    def families(self) -> Iterator[Family]:
        """`guard.slo.*`."""
        return families(self)

    def to_wall(self, time: float) -> float:
        """Seconds since the epoch of a time of the timeline."""
        return self._wall() + time - self.time

    # ── the task ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def watch(self) -> None:
        """Read and act each second, for ever, and save what a restart restores."""
        while True:
            await asyncio.sleep(EVERY)
            await self.read()
            if self._state is not None and self.rules and self._now() >= self._save_at:
                self._save_at = self._now() + SAVE_EVERY
                await self.save(SAVE_WITHIN)

    async def read(self) -> None:
        """Read what has changed, and act."""
        self.counter.until = self.close(self._now())
        everything = self._now() >= self._read_all_at
        if everything:
            self._read_all_at = self._now() + BUCKET
        wanted = [key for key, scope in self.scopes.items() if everything or scope.touched or scope.urgent]
        changes: list[tuple[str, Objective, State, Reading]] = []
        for number, key in enumerate(wanted, 1):
            if key in self.scopes:
                changes += self._read(key, self.scopes[key])
            if number % SLICE == 0:
                await asyncio.sleep(0)
        for change in changes:
            self._tell(*change)
        self.descents.watch(self.rules, self.counter.tallies, self.time)
        self.volume.watch(self.time)

    def _read(self, key: str, scope: Scope) -> list[tuple[str, Objective, State, Reading]]:
        time = self.time
        changed = scope.read(int(time / BUCKET), self.rules_of(key))
        if key != SERVICE and self.descents.consider(key, scope, self.rules, time):
            self.counter.tallies[key].lowered_at = self._now()
            self.descents.bound(self.counter.tallies)
        return [(key, objective, before, reading) for objective, (before, reading) in changed.items()]

    def _tell(self, key: str, objective: Objective, before: State, reading: Reading) -> None:
        series, rule = self.scopes[key].series[objective], self.rules[objective]
        told = key != SERVICE or not any(
            objective in scope.readings and STATES.index(scope.readings[objective].state) <= STATES.index(reading.state)
            for route, scope in self.scopes.items()
            if route != SERVICE
        )
        self._publish(
            BurnChanged(
                route=key or None,
                objective=objective,
                before=before,
                after=reading.state,
                burn_5m=round(rule.burn(series.window(M5)), 3),
                burn_1h=round(rule.burn(series.window(H1)), 3),
                left=round(reading.left, 4),
                told=told,
            )
        )

    # ── restarts ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, state: StateFolder | None) -> None:
        """Read what was measured before the restart; no policy is in force yet. A file that cannot be used is as none."""
        self._state = state
        if state is None:
            return
        try:
            raw = state.read(NAME)
            self._saved = decode(raw) if raw is not None else None
        except (OSError, Damaged) as error:
            self._publish(StateUnavailable(why=f"{NAME} cannot be used: {type(error).__name__}"))

    def _recall(self, saved: Saved) -> None:
        """Go on from a snapshot."""
        self._base = saved.time + max(0.0, self._wall() - saved.wall) - self._now()
        self.counter.until = self.close(self._now())
        self.volume.restart(self.time)
        for (key, objective), raw in saved.series.items():
            if (key != SERVICE and key not in self.counter.tallies) or objective not in self.rules:
                continue
            series = Series(0, self.burn.window)
            series.load(int(saved.time / BUCKET), raw)
            series.advance(self._bucket)
            scope = self.scopes.setdefault(key, Scope(saved.began.get(key, self._bucket)))
            scope.series[objective] = series
        self.descents.recall(saved.descents, self.counter.tallies)

    def snapshot(self) -> Saved:
        """Everything that a restart restores."""
        time, wall = self.time, self._wall()
        series: dict[tuple[str, str], bytes] = {}
        for key, scope in self.scopes.items():
            for objective, each in scope.series.items():
                each.advance(int(time / BUCKET))
                series[key, objective] = each.dump()
        began = {key: scope.began for key, scope in self.scopes.items()}
        return Saved(time, wall, began, series, self.descents.state())

    def _save_soon(self) -> None:
        self._save_at = 0.0

    async def save(self, within: float) -> None:
        """Keep what a restart restores, where there is a folder for it."""
        if self._state is None:
            return
        self.close(self._now())
        saved, state = self.snapshot(), self._state
        try:
            await self._saver.run(partial(_write, state, saved), within)
        except OSError as error:  # a hang too
            self._publish(StateUnavailable(why=str(error)))


def _write(state: StateFolder, saved: Saved) -> None:
    state.save(NAME, encode(saved, MOST))


def rules(policy: Policy, burn: BurnPolicy) -> dict[Objective, Rules]:
    """The rules of the declared objectives."""
    expected = policy.targets.expected_rate or 0.0
    return {name: Rules(budget, burn.window, burn.at_least, expected) for name, budget in budgets(policy).items()}


def _terms(burn: BurnPolicy) -> Terms | None:
    if "descend" not in burn.act or burn.descend is None:
        return None
    return Terms(burn.descend, LEVEL[burn.descend], burn.lasts, burn.at_least)
