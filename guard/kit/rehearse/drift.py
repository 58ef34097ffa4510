"""Part six: whether monitoring would alarm if inputs stood still, or answers collapsed or shifted.

Some requests go to the model, and are then played to the monitor of this policy, in this process: first as they were,
until it has a reference, then changed. A second of the play takes a few milliseconds, and no running guard is disturbed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, NamedTuple

from guard.kit.rehearse import generate
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Check, Part
from guard.monitoring.alarms import Alarm
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.state import dump, restore
from guard.monitoring.watch import RouteWatch
from guard.policy.compiling import CompileContext, compile_plan
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import MODEL, Allow, Head, Refused, Route

A_SECOND: Final = 50
"""Requests a second of the play, fewer where `monitor.rate` looks at fewer."""
LEARN: Final = 3_000
"""Requests of the play from which the monitor learns."""
SHIFTED: Final = 2_000
"""Requests of the play until there must be an alarm."""
LEAST: Final = 12
"""Exchanges without which nothing can be said."""
DRAWN: Final = 40
"""Requests that are asked, at least."""
DISTINCT: Final = 6
MOST_SHARE: Final = 0.7
"""Share of a class above which nobody can expect that it alone is seen."""
TIME: Final = 0.05
"""Share of the rehearsal's time in which requests for it are sent."""
MOST: Final = 0.15
"""Share of the rehearsal's time that it may take in all."""
ARMED: Final = frozenset(("gross", "fixed", "envelope", "slot"))
ADVICE: Final = (
    "monitoring would not see it: `guard check` prints how soon shifts are seen; `season` and `fields` of `monitor` decide"
)


SAME: Final = "the model answered all of these requests alike, so monitoring would claim nothing of its answers"
SAME_TODO: Final = (
    "if production is not like that, give examples in tests/requests, or a reference (`guard reference make`)"
)


class Exchange(NamedTuple):
    """A request that the model answered. `told`: the first row of each measured output."""

    instance: dict[str, Any]
    body: bytes
    content_type: str
    answer: bytes
    headers: list[tuple[bytes, bytes]]
    told: tuple[Any, ...]


class OutOfTime(Exception):  # noqa: N818
    """The play takes longer than its share of the rehearsal."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fault of the service: the exchanges while it lasts, and whose signals must alarm."""

    name: str
    what: str
    exchanges: Sequence[Exchange]
    signals: str


class Play:
    """One route's monitor, and a clock that stands still between the seconds of the play."""

    def __init__(self, stage: Stage, key: str) -> None:
        self.wall, self._second, self._asked = stage.wall, 0, 0
        self._clock, self._ends = stage.clock, stage.clock() + MOST * stage.options.seconds / max(1, len(stage.subjects))
        plan = compile_plan(stage.loaded, CompileContext(monitor=self._begin))
        self.route: Route = next(route for route in plan.routes if route.key == key)
        watch = self.route.watch
        self.watch: RouteWatch | None = watch if isinstance(watch, RouteWatch) else None
        declared = stage.loaded.policy.monitor
        self._a_second = A_SECOND if isinstance(declared, str) else max(1, min(A_SECOND, int(declared.rate)))

    def _begin(self, _key: str, config: MonitorConfig) -> RouteMonitor:
        """A monitor that learns from the play: these requests are not like those of a reference."""
        return RouteMonitor(replace(config, reference=None), self.wall)

    @property
    def now(self) -> float:
        """The time of the play, in seconds since 1970."""
        return self.wall + self._second

    def requests(self, count: int, exchanges: Sequence[Exchange], random: Random) -> tuple[Alarm | None, int]:
        """Play so many requests, or until an alarm: the alarm, and the requests until then. Raises OutOfTime."""
        asked = self._asked
        while self._asked - asked < count:
            if self._clock() > self._ends:
                raise OutOfTime
            self._second += 1
            for _ in range(self._a_second):
                self._exchange(random.choice(exchanges))
            monitor = self.watch.monitor if self.watch is not None else None
            raised = monitor.tick(self.now) if monitor is not None else None
            if raised is not None:
                return raised, self._asked - asked
        return None, self._asked - asked

    def _exchange(self, exchange: Exchange) -> None:
        self._asked += 1
        route, now = self.route, float(self._second)
        head = Head(route.method.encode(), b"/", [(b"content-type", exchange.content_type.encode())])
        context = Context(head, f"rehearsal-{self._asked}", now)
        try:
            permit = judge(context, route, exchange.body, now, self.wall)
        except Refused:
            return
        if context.watched and self.watch is not None and route.output is not None and route.measures:
            verdict = route.output.judge(exchange.answer, permit.rows, exchange.headers)
            self.watch.outputs(context.watched, route.output.measured(verdict.document))

    def stages(self) -> dict[str, str]:
        """The stage of each signal."""
        monitor = self.watch.monitor if self.watch is not None else None
        if monitor is None:
            return {}
        return {signal.name: stage for signal, stage in zip(monitor.signals, monitor.stages, strict=True)}


def run(stage: Stage, part: Part) -> None:
    """Each change of each watched route is a check."""
    until = stage.clock() + TIME * stage.options.seconds
    for index, subject in enumerate(stage.subjects):
        play = Play(stage, subject.key)
        if play.watch is None:
            part.checks.append(
                Check("drift", "skip", subject.key, todo="monitor is off, or nothing of the route is watched")
            )
            continue
        exchanges = list(_exchanges(stage, subject, play.route, until))
        if len(exchanges) < LEAST:
            todo = f"the model answered {len(exchanges)} different requests in time, and {LEAST} are needed"
            part.checks.append(Check("drift", "skip", subject.key, todo=todo))
            continue
        try:
            _route(stage, part, subject, play, exchanges)
        except OutOfTime:
            part.checks.append(Check("drift", "skip", subject.key, todo="there was no time to play it: raise --seconds"))
        stage.progress.at((index + 1) / len(stage.subjects), subject.key)


def _route(stage: Stage, part: Part, subject: Subject, play: Play, exchanges: Sequence[Exchange]) -> None:
    random = Random(stage.options.seed)  # noqa: S311 — a play, the same in every run
    early, asked = play.requests(LEARN, exchanges, random)
    check = Check("no alarm while nothing changes", "pass", subject.key, expected="no alarm", tried=asked)
    part.checks.append(check)
    watch = play.watch
    if early is not None or watch is None or watch.monitor is None:
        check.result, check.failed = "fail", 1
        check.got = f"an alarm about {early.headline}" if early is not None else "nothing was counted"
        check.todo = "this is a fault of guard's monitoring: please report it"
        return
    learned, stages = dump(watch.monitor), play.stages()
    if _watches_outputs(play.route) and not any(name.startswith("output:") for name in _armed(stages)):
        part.checks.append(Check("answers that can be watched", "note", subject.key, got=SAME, todo=SAME_TODO))
    for change in _changes(subject, play.route, exchanges, stages):
        watch.monitor = restore(watch.monitor.config, play.now, learned)
        alarm, asked = play.requests(SHIFTED, change.exchanges, random)
        part.checks.append(_held(subject, change, alarm, asked))


def _watches_outputs(route: Route) -> bool:
    """Whether outputs of the route are watched."""
    return isinstance(route.watch, RouteWatch) and any(spec.side == "output" for spec in route.watch.config.fields)


def _held(subject: Subject, change: Change, alarm: Alarm | None, asked: int) -> Check:
    expected = f"an alarm about {change.signals}* within {SHIFTED:,} requests"
    check = Check(change.name, "pass", subject.key, sent=change.what, expected=expected, tried=asked)
    if alarm is not None and any(signal.startswith(change.signals) for signal in alarm.signals):
        check.got = f"{alarm.headline} ({alarm.severity}) after {asked} requests"
        return check
    check.result, check.failed, check.todo = "fail", 1, ADVICE
    check.got = "no alarm" if alarm is None else f"an alarm about {alarm.headline}"
    return check


# ── the requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _exchanges(stage: Stage, subject: Subject, route: Route, until: float) -> Iterator[Exchange]:
    """Requests that the contract allows, with the model's answers to them."""
    if not subject.works or not subject.layouts:
        return
    drawn = subject.more
    if len(drawn) < DRAWN:
        drawn = generate.instances(subject.declared.inputs, stage.wall, DRAWN, stage.options.seed)
    for instance in drawn:
        if stage.clock() > until:
            return
        carried = subject.layouts[0].carry([instance])
        got = stage.ask(subject.request(carried.body, carried.content_type))
        if got.source != MODEL or not 200 <= got.status < 300:
            continue
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in got.headers.items()]
        told: tuple[Any, ...] = ()
        if route.output is not None and route.measures:
            verdict = route.output.judge(got.body, None, headers)
            if not isinstance(verdict, Allow):
                continue
            told = tuple(column[0] if column else None for column in route.output.measured(verdict.document))
        yield Exchange(instance, carried.body, carried.content_type, got.body, headers, told)


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────────────────


def _changes(subject: Subject, route: Route, exchanges: Sequence[Exchange], stages: dict[str, str]) -> Iterator[Change]:
    armed = _armed(stages)
    specs = route.watch.config.fields if isinstance(route.watch, RouteWatch) else ()
    inputs = [spec for spec in specs if spec.side == "input"]
    for spec in inputs:
        if spec.kind == "number" and _seen(spec.name, armed) and _varies(exchanges, spec.name):
            changed = _with(subject, exchanges, spec.name, _rarest(exchanges, spec.name)[0])
            yield Change("an input that stands still is alarmed", spec.name, changed, f"input:{spec.name}:")
            break
    for spec in inputs:
        if spec.kind == "class" and f"input:{spec.name}:values" in armed:
            rare, share = _rarest(exchanges, spec.name)
            if share <= MOST_SHARE:
                changed = _with(subject, exchanges, spec.name, rare)
                yield Change("an input of one class only is alarmed", spec.name, changed, f"input:{spec.name}:")
                break
    if any(name.startswith("output:") for name in armed):
        first = exchanges[0]
        same = [item._replace(answer=first.answer, headers=first.headers) for item in exchanges]
        yield Change("one answer for everybody is alarmed", "", same, "output:")
        yield from _shifted(route, exchanges, armed)


def _shifted(route: Route, exchanges: Sequence[Exchange], armed: set[str]) -> Iterator[Change]:
    """Answers of the same version that are only those of the higher half, by the first number that varies."""
    for place, measure in enumerate(route.measures):
        if measure.kind != "number" or f"output:{measure.name}:values" not in armed:
            continue
        values = sorted(item.told[place] for item in exchanges if _is_number(item.told[place]))
        if len(set(values)) < DISTINCT:
            continue
        high = [item for item in exchanges if _is_number(item.told[place]) and item.told[place] > values[len(values) // 2]]
        if len(high) >= 2:
            answers = [high[index % len(high)] for index in range(len(exchanges))]
            mixed = [item._replace(answer=other.answer, headers=other.headers)
                     for item, other in zip(exchanges, answers, strict=True)]  # fmt: skip
            yield Change("answers that shift under the same version are alarmed", measure.name, mixed, "output:")
            return


def _seen(name: str, armed: set[str]) -> bool:
    """Whether a number is watched for its values, or for standing still."""
    return not armed.isdisjoint((f"input:{name}:values", f"input:{name}:repeat"))


def _armed(stages: dict[str, str]) -> set[str]:
    """Signals of values that may alarm. That a value is there is watched too, and says nothing of what it is."""
    return {name for name, stage in stages.items() if stage in ARMED and not name.endswith(":states")}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _varies(exchanges: Sequence[Exchange], name: str) -> bool:
    return len({repr(item.instance.get(name)) for item in exchanges}) >= DISTINCT


def _rarest(exchanges: Sequence[Exchange], name: str) -> tuple[Any, float]:
    """The rarest class of a field, and its share."""
    found = [item.instance[name] for item in exchanges if item.instance.get(name) is not None]
    value, count = Counter(map(repr, found)).most_common()[-1]
    return next(each for each in found if repr(each) == value), count / len(exchanges)


def _with(subject: Subject, exchanges: Sequence[Exchange], name: str, value: Any) -> list[Exchange]:
    """The exchanges with a field that always has this value."""
    changed = []
    for item in exchanges:
        instance = {**item.instance, name: value}
        carried = subject.layouts[0].carry([instance])
        changed.append(item._replace(instance=instance, body=carried.body, content_type=carried.content_type))
    return changed
