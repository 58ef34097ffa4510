"""Monitoring in the running process: makes the monitors, ticks them, keeps their state, and takes the operators' orders.

    begin     at a route's first request that is looked at: from the saved state where there is one
    tick      once a second: counts become evidence; an alarm is an event, its end another
    save      once a minute, in a thread, and at the end of the process
    order     accept, reset or expect, of an operator; save writes the learned reference as a file

What may be shown is what `guard.monitoring.figures` gives: no value, and shares only of fields up to `internal`.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any, Final

from guard.control.order_store import Refused, listed
from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.events import DriftEnded, DriftFound, MonitoringForgotten, Publish, StateUnavailable, VersionChanged
from guard.monitoring.alarms import Alarm, Verdict
from guard.monitoring.codec import StateInvalid
from guard.monitoring.figures import SignalFigures, evidence, figures
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.reference import utc
from guard.monitoring.stages import GROSS_REQUESTS
from guard.monitoring.state import dump, restore
from guard.monitoring.watch import RouteWatch
from guard.policy.loading import Loaded
from guard.policy.monitor import Monitor
from guard.policy.runtime import Runtime
from guard.proxy.values import MODEL
from guard.telemetry import instruments as of
from guard.telemetry.family import Family

TICK: Final = 1.0
SAVE_EVERY: Final = 60.0
SAVE_WITHIN: Final = 10.0
"""Seconds of one save; a disk that takes longer hangs."""
PREFIX: Final = "monitor-"
MOST_UNDECLARED: Final = 50
"""Routes that are watched where the policy has no `monitor`."""
FORMAT: Final = "guard/monitor/v1"
_SIGNS: Final = re.compile("[^a-z0-9]+")


class MonitorKeeper:
    """The monitors of one process, by the watches in `runtime`."""

    def __init__(
        self,
        runtime: Runtime,
        in_force: Callable[[], Loaded],
        wall: Callable[[], float],
        publish: Publish,
        audit: Callable[[dict[str, object]], None],
    ) -> None:
        self._audit = audit
        self._watches: dict[str, RouteWatch] = {}
        self._runtime, self._in_force, self._wall, self._publish = runtime, in_force, wall, publish
        self._state: StateFolder | None = None
        self._saved: dict[str, bytes] = {}
        self._recalled: dict[str, bytes] = {}
        self._saver = Worker("guard-monitor")
        self._verdicts: dict[tuple[str, str, str, str], int] = {}

    # ── the life of the process ───────────────────────────────────────────────────────────────────────────────────

    def recall(self, state: StateFolder | None) -> None:
        """Read what an earlier process kept. Never raises: what cannot be read is learned anew."""
        self._state = state
        if state is None:
            return
        try:
            for file in state.path.glob(f"{PREFIX}*.state"):
                if (content := state.read(file.name)) is not None:
                    self._recalled[file.name] = content
        except OSError as error:
            self._publish(StateUnavailable(why=str(error)))

    def adopt(self) -> None:
        """A policy is in force. A route whose fields or settings changed keeps what still fits at its next request."""
        watches = dict(self._runtime.watches.items())
        for route, before in self._watches.items():
            if before.monitor is not None and watches.get(route) is not before:
                self._recalled[_file(route)] = dump(before.monitor)
        self._watches = watches

    def begin(self, route: str, config: MonitorConfig) -> RouteMonitor | None:
        """The monitor of a route, from its saved state where that fits; None where guard watches no more routes."""
        declared = self._in_force().policy.is_set("monitor")
        if not declared and sum(1 for _ in self.monitors()) >= MOST_UNDECLARED:
            return None
        content = self._recalled.pop(_file(route), None)
        if content is not None:
            try:
                return restore(config, self._wall(), content)
            except StateInvalid as error:
                self._publish(MonitoringForgotten(route=route, why=str(error)))
        return RouteMonitor(config, self._wall())

    def monitors(self) -> Iterator[tuple[str, RouteMonitor]]:
        """The routes that have a monitor, with it."""
        for route, watch in self._runtime.watches.items():
            if watch.monitor is not None:
                yield route, watch.monitor

    async def tick(self) -> None:
        """Tick every monitor once a second, one after the other, and save once a minute, for ever."""
        saved = monotonic()
        while True:
            await asyncio.sleep(TICK)
            for route, monitor in list(self.monitors()):
                self._tick(route, monitor)
                await asyncio.sleep(0)  # a tick of one route takes half a millisecond
            if monotonic() - saved >= SAVE_EVERY:
                saved = monotonic()
                await self.save(SAVE_WITHIN)

    def _tick(self, route: str, monitor: RouteMonitor) -> None:
        wall = self._wall()
        declared = self._in_force().policy.monitor
        if isinstance(declared, Monitor):
            ends = [until for begins, until in (item.span for item in declared.expect) if begins <= wall < until]
            if ends and max(ends) > monitor.expected_until:
                monitor.expect(max(ends))
        before = monitor.alarm
        raised = monitor.tick(wall)
        if raised is not None:
            self._found(route, raised)
        elif before is not None and monitor.alarm is None:
            self._ended(route, before, "over", "guard", "the traffic is as before")

    async def save(self, within: float) -> None:
        """Write the state of every monitor that changed to the state folder."""
        state = self._state
        if state is None or not state.writable:
            return
        for route, monitor in list(self.monitors()):
            content = dump(monitor)
            if self._saved.get(route) == content:
                continue
            try:
                await self._saver.run(partial(state.save, _file(route), content), within)
            except OSError as error:  # a hang too
                self._publish(StateUnavailable(why=str(error)))
                return
            self._saved[route] = content
            await asyncio.sleep(0)

    def version_changed(self, event: VersionChanged) -> None:
        """Another version of the model answers: what its answers are like is learned anew."""
        watch = self._runtime.watches.get(event.route)
        if event.target != MODEL or watch is None or watch.monitor is None:
            return
        before = watch.monitor.alarm
        reference = watch.config.reference
        fits = reference is not None and reference.model_version == event.after
        watch.monitor.restart("output", reference if fits else None)
        if before is not None and watch.monitor.alarm is None:
            self._ended(event.route, before, "accept", "guard", "another version of the model answers")

    # ── alarms and orders ─────────────────────────────────────────────────────────────────────────────────────────

    def _found(self, route: str, alarm: Alarm) -> None:
        self._publish(
            DriftFound(
                route=route, signal=alarm.headline, signals=alarm.signals, topic=alarm.topic, strength=alarm.severity,
                onset=utc(alarm.onset), effect=round(alarm.effect, 3), rows=round(alarm.rows), stage=alarm.stage,
                cells=tuple(f"{cell.signal} {cell.cell}: {cell.before:.1%} to {cell.after:.1%}" for cell in alarm.moved),
            )
        )  # fmt: skip

    def _ended(self, route: str, alarm: Alarm, verdict: Verdict, who: str, why: str) -> None:
        key = (route, alarm.headline, alarm.severity, verdict)
        self._verdicts[key] = self._verdicts.get(key, 0) + 1
        self._publish(
            DriftEnded(
                route=route,
                signal=alarm.headline,
                topic=alarm.topic,
                strength=alarm.severity,
                verdict=verdict,
                who=who,
                why=why,
            )
        )

    def order(self, route: str, order: str, ttl: float | None, reason: str, actor: str) -> dict[str, Any]:
        """End a route's alarm (`accept`, `reset`), or expect a change for `ttl` seconds. Raises Refused."""
        monitor = self._watched(route).monitor
        if order == "expect":
            if ttl is None:
                raise Refused(422, "ttl", "to expect a change needs a ttl: an expectation is only for a limited time")
            if monitor is None:
                raise Refused(409, "monitor", "the route had no request yet, so there is nothing to pause")
            monitor.expect(self._wall() + ttl)
        else:
            alarm = monitor.alarm if monitor is not None else None
            if monitor is None or alarm is None:
                raise Refused(409, "alarm", "the route has no alarm")
            verdict: Verdict = "accept" if order == "accept" else "reset"
            monitor.end(verdict)
            self._ended(route, alarm, verdict, actor, reason)
        self._audit(
            {"who": actor, "what": "monitor", "route": route, "target": None, "from": None, "to": order, "why": reason}
        )
        return {"route": route, "order": order, "expected_until": _until(monitor, self._wall())}

    async def keep_reference(self, route: str, version: str, reason: str, actor: str) -> dict[str, Any]:
        """Write what was learned of a route into the state folder, as a reference that a policy can name. Raises Refused.

        Cuts of private fields are in that file and in nothing else that leaves this process.
        """
        monitor, state = self._watched(route).monitor, self._state
        if state is None or not state.writable:
            raise Refused(503, "state_folder", "guard has no state folder that it can write the reference to")
        made = None if monitor is None else monitor.learned(version or None)
        if monitor is None or made is None:
            seen = 0 if monitor is None else min(item.requests for item in monitor.learning.values() if item.fields)
            raise Refused(
                409, "reference", f"nothing is learned yet: {seen:,} of {GROSS_REQUESTS:,} requests were looked at"
            )
        name = f"reference-{_SIGNS.sub('-', route.lower())[:60].strip('-')}-{_hash(route)[:6]}.json"
        try:
            await self._saver.run(partial(state.save, name, made.to_json().encode()), SAVE_WITHIN)
        except OSError as error:
            raise Refused(503, "state_folder", f"the reference cannot be written: {error.strerror or error}") from None
        self._audit(
            {"who": actor, "what": "monitor", "route": route, "target": None, "from": None, "to": "save", "why": reason}
        )
        return {
            "route": route, "order": "save", "expected_until": _until(monitor, self._wall()),
            "file": str((state.path / name).resolve()), "digest": made.digest, "rows": made.rows, "requests": made.requests,
            "model_version": made.model_version,
        }  # fmt: skip

    def _watched(self, route: str) -> RouteWatch:
        watch = self._runtime.watches.get(route)
        if watch is None:
            known = [name for name, _ in self._runtime.watches.items()]
            raise Refused(404, "route", f"no such route is watched; watched are {listed(known) or 'none'}")
        return watch

    def status(self) -> dict[str, Any]:
        """Monitoring in a few words, for `guard status`."""
        alarms = [
            {"route": route, "signal": monitor.alarm.headline, "severity": monitor.alarm.severity,
             "onset": utc(monitor.alarm.onset), "topic": monitor.alarm.topic}
            for route, monitor in self.monitors() if monitor.alarm is not None
        ]  # fmt: skip
        watched = sum(1 for _ in self.monitors())
        return {"on": isinstance(self._in_force().policy.monitor, Monitor), "watched": watched, "alarms": alarms}

    # ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

    def document(self) -> dict[str, Any]:
        """The body of GET /admin/v1/monitor."""
        declared = self._in_force().policy.monitor
        on = isinstance(declared, Monitor)
        return {
            "format": FORMAT,
            "on": on,
            "season": (declared.season or "unset") if isinstance(declared, Monitor) else None,
            "false_alarms": declared.false_alarms if isinstance(declared, Monitor) else None,
            "routes": [self._route(route, monitor) for route, monitor in self.monitors()],
            "waiting": [route for route, watch in self._runtime.watches.items() if watch.monitor is None],
        }

    def _route(self, route: str, monitor: RouteMonitor) -> dict[str, Any]:
        return {
            "route": route,
            "evidence": evidence(monitor),
            "threshold": monitor.config.threshold,
            "requests": monitor.tally.requests,
            "learned": {side: learning.requests for side, learning in monitor.learning.items()},
            "alarm": _alarm(monitor.alarm),
            "expected_until": _until(monitor, self._wall()),
            "signals": [_signal(item) for item in figures(monitor)],
        }

    def families(self) -> Iterator[Family]:
        """The metrics of monitoring."""
        monitors = list(self.monitors())
        if not monitors:
            return
        routes = [(_labels(route), monitor) for route, monitor in monitors]
        signals = [(labels, item) for labels, monitor in routes for item in figures(monitor)]
        yield Family(of.DRIFT_EVIDENCE, [(labels, evidence(monitor)) for labels, monitor in routes])
        yield Family(of.DRIFT_THRESHOLD, [(labels, monitor.config.threshold) for labels, monitor in routes])
        states = [((*labels, *_named(monitor.alarm)), int(monitor.alarm is not None)) for labels, monitor in routes]
        yield Family(of.DRIFT_ALARM, [*states])
        yield Family(of.DRIFT_STAGE, [((*labels, item.signal, item.stage), 1) for labels, item in signals])
        yield Family(of.DRIFT_EFFECT, [((*labels, item.signal), item.effect) for labels, item in signals])
        yield Family(of.DRIFT_PSI, [((*labels, item.signal), item.psi) for labels, item in signals])
        yield Family(of.DRIFT_DISPERSION, [((*labels, item.signal), item.dispersion) for labels, item in signals])
        yield Family(of.REFERENCE_ROWS, [((*labels, item.signal), item.reference_rows) for labels, item in signals])
        now, made = self._wall(), [(labels, *item) for labels, monitor in routes for item in monitor.referred_at.items()]
        yield Family(of.REFERENCE_AGE, [((*labels, side), max(0.0, now - at)) for labels, side, at in made])
        if self._verdicts:
            ended = self._verdicts.copy().items()
            yield Family(of.DRIFT_ALARMS, [((*_labels(route), *rest), count) for (route, *rest), count in ended])


def _labels(route: str) -> tuple[str, str]:
    """Method and template of a route."""
    method, _, template = route.partition(" ")
    return method, template


def _until(monitor: RouteMonitor, wall: float) -> str | None:
    """The end of an expectation; None without one."""
    return utc(monitor.expected_until) if monitor.expected_until > wall else None


def _named(alarm: Alarm | None) -> tuple[str, str, str]:
    return ("", "", "") if alarm is None else (alarm.headline, alarm.severity, alarm.topic)


def _alarm(alarm: Alarm | None) -> dict[str, Any] | None:
    if alarm is None:
        return None
    return {
        "signal": alarm.headline,
        "signals": list(alarm.signals),
        "topic": alarm.topic,
        "severity": alarm.severity,
        "at": utc(alarm.at),
        "onset": utc(alarm.onset),
        "effect": alarm.effect,
        "rows": alarm.rows,
        "stage": alarm.stage,
        "evidence": alarm.evidence,
        "moved": [
            {"signal": cell.signal, "cell": cell.cell, "before": cell.before, "after": cell.after, "low": cell.low,
             "high": cell.high, "rows": cell.rows}
            for cell in alarm.moved
        ],
    }  # fmt: skip


def _signal(item: SignalFigures) -> dict[str, Any]:
    return {
        "signal": item.signal, "stage": item.stage, "evidence": item.evidence, "effect": item.effect, "psi": item.psi,
        "tv": item.tv, "dispersion": item.dispersion, "reference_rows": item.reference_rows,
        "window_rows": item.window_rows,
        "cells": [{"cell": cell, "reference": before, "window": after} for cell, before, after in item.shares],
    }  # fmt: skip


def _file(route: str) -> str:
    """The name of a route's state: routes may hold any sign."""
    return f"{PREFIX}{_hash(route)[:24]}.state"


def _hash(route: str) -> str:
    return hashlib.sha256(route.encode()).hexdigest()
