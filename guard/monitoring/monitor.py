"""The monitor of one route: counts in, once a second a tick, at most one latched alarm out. Pure: time is an argument.

    tally ──take──▶ learning (samples, cuts, counts) ──freeze──▶ reference ──stage, band──▶ bets
      │                                                                                       │
      └──hits and trials of each signal──▶ dispersion, season, window, evidence ◀─────────────┘──▶ Alarm

While an alarm is latched, evidence, dispersion, season and learning stand still; only the window goes on. While a change is
expected, they do too, and no alarm is raised.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from guard.monitoring.alarms import Alarm, Verdict, inside, raise_alarm
from guard.monitoring.cells import UNIT, FieldSpec, Side
from guard.monitoring.detector import Band, Detector, share_of
from guard.monitoring.dispersion import Dispersion
from guard.monitoring.learning import Learning, LearningField, block_rows
from guard.monitoring.reference import FieldReference, Reference, utc
from guard.monitoring.season import SLOTS, Season
from guard.monitoring.signals import Signal, evidence_of, signals_of, weigh
from guard.monitoring.stages import (
    TOLERATE,
    Learned,
    SeasonMode,
    Stage,
    Z,
    bands,
    is_constant,
    repeats_anyway,
    stage_of,
)
from guard.monitoring.tally import FieldTally, RouteTally
from guard.monitoring.window import MINUTES, REQUESTS, CountWindow

MONDAY: Final = 72
"""Hours from a Monday's midnight (UTC) to the start of the Unix clock, a Thursday."""
ARM_EVERY: Final = 10
"""Seconds after which a band takes up the dispersion of by now."""
ARMED_A_TICK: Final = 6


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """Settings of a route's monitor. `threshold` is A: ticks per allowed false alarm × routes × replicas.

    `reference` is that of a file. `tolerate` is h₀ in Cohen's h, where a field has none of its own. The window, by whose
    last stretch an alarm ends, is at least `window_seconds` and `window_requests` long.
    """

    fields: tuple[FieldSpec, ...]
    threshold: float
    season: SeasonMode = "unset"
    tolerate: float = TOLERATE
    window_seconds: float = 60.0 * MINUTES
    window_requests: int = REQUESTS
    reference: Reference | None = None
    sides: tuple[Side, ...] = field(default=("input", "output"), init=False)


class RouteMonitor:
    """One route. `wall` is the clock, in seconds since 1970. `tally` is what the path of a request counts into.

    `tally` is another object after a tick that changed cells: read it anew for each request.
    """

    def __init__(self, config: MonitorConfig, wall: float, reference: Reference | None = None) -> None:
        self.config: Final = config
        self.base = int(wall)
        self.at = 0  # seconds since `base`; never falls
        self.alarm: Alarm | None = None
        self.verdicts: dict[Verdict, int] = {"accept": 0, "reset": 0, "over": 0}
        self.alarms = 0
        self.expected_until = 0.0
        self.learning: dict[Side, Learning] = {side: Learning(side, config.fields, config.season) for side in config.sides}
        self.tally = RouteTally()
        self.signals: list[Signal] = []
        self.stages: list[Stage] = []
        self.dispersions: list[Dispersion] = []
        self.seasons: list[Season | None] = []
        self.season_begun: dict[Side, int] = {}
        self.referred_at: dict[Side, float] = {}
        self.reference = array("d")
        self.detector = Detector([], config.threshold)
        self._requests = 0
        self._queue: list[int] = []
        self._armed_at = 0
        self._hour = -1
        reference = reference or config.reference
        if reference is not None:
            for side, learning in self.learning.items():
                learning.use(reference.fields)
                self.referred_at[side] = reference.made_at
        self.lay()

    # What happens once a second

    def tick(self, wall: float) -> Alarm | None:
        """Take the counts since the last tick. Returns an alarm in the tick that raises it."""
        self.at = max(self.at, int(wall) - self.base)
        counts = self.tally.take()
        requests = self.tally.requests - self._requests
        self._requests = self.tally.requests
        rows = [count / UNIT for count in counts]
        looked = self.window.add(rows, requests, float(self.at))
        if self.alarm is not None:
            if looked and self.window.full and self._over():
                self.end("over")
            return None
        if wall < self.expected_until:
            return None
        readings = [signal.read(rows) for signal in self.signals]
        raised = self.detector.tick([hits for hits, _ in readings], [trials for _, trials in readings], self.at)
        if raised:
            return self._raise(wall)
        self._learn(counts, readings, requests)
        self._rearm()
        return None

    def _learn(self, counts: list[int], readings: Sequence[tuple[list[float], float]], requests: int) -> None:
        hour = (self.base + self.at) // 3600 + MONDAY
        for place, (hits, trials) in enumerate(readings):
            dispersion, season = self.dispersions[place], self.seasons[place]
            dispersion.add(hits, trials, self.at)
            self.detector.signals[place].dispersion = self._dispersion(place)
            if season is not None and self.stages[place] != "slot":
                season.add(hits, trials, hour, dispersion.value)
        step = "none"
        start = 0
        for learning in self.learning.values():
            tallies = self.tally.fields[start : start + len(learning.fields)]
            start += len(learning.fields)
            if not learning.final:
                freezes = learning.freezes
                brought = learning.add([block_rows(counts, tally) for tally in tallies], requests)
                if learning.freezes != freezes:
                    self.referred_at[learning.side] = float(self.base + self.at)
                step = brought if step != "cells" and brought != "none" else step
        if step == "cells":
            self.lay()
        elif step == "reference":
            self._attach()
            self._refer()

    def _rearm(self) -> None:
        """Renew bands, a few signals a tick: every ten seconds, and when the hour of the week changes."""
        hour = (self.base + self.at) // 3600
        if self.at - self._armed_at >= ARM_EVERY or hour != self._hour:
            self._armed_at, self._hour = self.at, hour
            self._queue = list(range(len(self.signals)))
        for _ in range(min(ARMED_A_TICK, len(self._queue))):
            self._arm(self._queue.pop())

    # Alarms

    def _raise(self, wall: float) -> Alarm:
        places = {signal.name: place for place, signal in enumerate(self.signals)}
        suspects = [
            (suspect, self.signals[place], self._share(place, suspect.cell))
            for suspect in self.detector.suspects()
            for place in (places[suspect.signal],)
        ]
        onset = float(self.base + suspects[0][0].onset)
        stage = self.stages[places[suspects[0][0].signal]]
        self.alarm = raise_alarm(suspects, stage, self.detector.evidence, self.config.threshold, wall, onset)
        self.alarms += 1
        self.window.clear()
        return self.alarm

    def _over(self) -> bool:
        """Whether the window since the alarm agrees with the reference."""
        assert self.alarm is not None
        counts = self.window.counts()
        for place, signal in enumerate(self.signals):
            if signal.name in self.alarm.signals:
                hits, trials = signal.read(counts)
                once = signal.upwards_only
                if not inside(hits, trials, self._bands(place), Z, self._dispersion(place), upwards_only=once):
                    return False
        return True

    def end(self, verdict: Verdict) -> None:
        """Unlatch the alarm, with R ← 0. `accept` learns the named sides anew, `reset` changes nothing else.

        Where an alarm of stage `gross` is over, what its sides had learned since their reference goes: it was not sound.
        """
        alarm, self.alarm = self.alarm, None
        self.detector.reset()
        self.verdicts[verdict] += 1
        for side, learning in self.learning.items():
            named = alarm is not None and any(name.startswith(f"{side}:") for name in alarm.signals)
            if verdict == "accept" and named:
                learning.restart()
                self._forget_season(side)
            elif verdict == "over" and named and alarm is not None and alarm.stage == "gross":
                learning.back()
                self._forget_season(side)
        self.lay()

    def expect(self, until: float) -> None:
        """Raise no alarm and learn nothing until this time."""
        self.expected_until = until

    def restart(self, side: Side, reference: Reference | None = None) -> None:
        """Another model version: its outputs begin anew, with its own reference where there is one."""
        learning = self.learning[side]
        if reference is None:
            learning.restart()
            self.referred_at.pop(side, None)
        else:
            learning.use(reference.fields)
            self.referred_at[side] = reference.made_at
        self._forget_season(side)
        if self.alarm is not None and any(name.startswith(f"{side}:") for name in self.alarm.signals):
            self.alarm = None
            self.verdicts["accept"] += 1
        self.lay(fresh=side)

    # References and bands

    def lay(self, fresh: Side | None = None) -> None:
        """Make tally, signals and bets for the cells of by now. Signals whose cells are unchanged keep what they know."""
        before = {
            signal.name: (signal, self.detector.signals[place], self.dispersions[place], self.seasons[place])
            for place, signal in enumerate(self.signals)
        }
        tally, fields = RouteTally(), self._fields()
        signals: list[Signal] = []
        for learned in fields:
            signals.extend(signals_of(learned.spec, learned.cells, tally.field(learned.cells).base))
        if self.tally.fields:
            tally.follow(self.tally)
        bets = evidence_of(signals, weigh(signals, self.config.fields))
        self.dispersions, self.seasons = [], []
        for signal, evidence in zip(signals, bets, strict=True):
            old, known, dispersion, season = before.get(signal.name, (None, None, None, None))
            same = old is not None and old.same_cells(signal) and signal.side != fresh
            if same and known is not None and known.shape() == evidence.shape():
                evidence.load(known.state())
            self.dispersions.append(dispersion if same and dispersion else Dispersion(len(signal.cells)))
            self.seasons.append(season if same else None)
        self.tally, self.signals = tally, signals
        self.detector = Detector(bets, self.config.threshold)
        self.stages = ["counting"] * len(signals)
        self.window = CountWindow(len(tally.counts), self.config.window_seconds, self.config.window_requests)
        self._attach()
        self._refer()

    def frozen(self) -> tuple[FieldReference, ...]:
        """The references in force, of both sides, with the dispersions of by now."""
        field_references: list[FieldReference] = []
        for side, learning in self.learning.items():
            for reference in learning.references() or ():
                measured = {
                    signal.kind: dispersion.value
                    for signal, dispersion in zip(self.signals, self.dispersions, strict=True)
                    if (signal.side, signal.field.name) == (side, reference.name) and dispersion.known
                }
                field_references.append(reference.model_copy(update={"dispersions": {**reference.dispersions, **measured}}))
        return tuple(field_references)

    def learned(self, model_version: str | None) -> Reference | None:
        """The references in force as one that a policy can name; None until each watched side has one."""
        sides = [learning for learning in self.learning.values() if learning.fields]
        fields = self.frozen()
        if not fields or not all(learning.referred for learning in sides):
            return None
        if self.config.reference is not None and all(learning.from_file for learning in sides):
            return self.config.reference
        rows = max(round(sum(field.counts)) for field in fields)
        return Reference(
            format=1, made=utc(max(self.referred_at.get(learning.side, float(self.base)) for learning in sides)),
            source="learned", requests=max(1, min(learning.requests for learning in sides)), rows=max(1, rows),
            model_version=model_version, fields=fields,
        )  # fmt: skip

    def fields(self) -> tuple[FieldSpec, ...]:
        """The declared fields in the order of `tally.fields`: inputs, then outputs."""
        return tuple(learned.spec for learned in self._fields())

    def _fields(self) -> list[LearningField]:
        return [learned for learning in self.learning.values() for learned in learning.fields]

    def _attach(self) -> None:
        start = 0
        for learning in self.learning.values():
            tallies: Sequence[FieldTally] = self.tally.fields[start : start + len(learning.fields)]
            learning.attach(tallies)
            start += len(learning.fields)

    def _refer(self) -> None:
        """Read the references' counts into the tally's layout, begin seasons, and arm."""
        self.reference = array("d", bytes(8 * len(self.tally.counts)))
        for tally, learned in zip(self.tally.fields, self._fields(), strict=True):
            if learned.frozen is not None:
                self.reference[tally.base : tally.base + tally.cells.size] = learned.frozen.block(tally.cells)
        if self.config.season == "week":
            for place, signal in enumerate(self.signals):
                if self.learning[signal.side].final and self.seasons[place] is None and signal.kind != "repeat":
                    self.seasons[place] = Season(len(signal.cells))
                    self.season_begun.setdefault(signal.side, self.at)
        self.arm()

    def arm(self) -> None:
        """Give every signal the stage and the bands that its reference allows by now."""
        for place in range(len(self.signals)):
            self._arm(place)

    def _forget_season(self, side: Side) -> None:
        self.season_begun.pop(side, None)
        self.seasons = [
            None if signal.side == side else season for signal, season in zip(self.signals, self.seasons, strict=True)
        ]

    def _dispersion(self, place: int) -> float:
        """D in force: the measured value; before there is one, the reference's."""
        measured = self.dispersions[place]
        return measured.value if measured.known else max(measured.value, self._referred_dispersion(place) or 1.0)

    def _referred_dispersion(self, place: int) -> float | None:
        signal = self.signals[place]
        for learned in self.learning[signal.side].fields:
            if learned.spec is signal.field and learned.frozen is not None:
                return learned.frozen.dispersions.get(signal.kind)
        return None

    def _learned(self, place: int) -> Learned | None:
        """The reference's knowledge of a signal; None if the reference has other cells or does not exist yet."""
        signal, learning, season = self.signals[place], self.learning[self.signals[place].side], self.seasons[place]
        if not learning.referred:
            return None
        hits, trials = signal.read(self.reference)
        constant = signal.kind != "states" and is_constant(hits, trials)
        if signal.kind == "repeat":
            constant = repeats_anyway(hits[0], trials)
        elif signal.kind == "states":
            constant = hits[0] >= trials  # <missing> is the first of them
        known = self.dispersions[place].known or self._referred_dispersion(place) is not None
        return Learned(
            trials, learning.requests, learning.from_file, constant, self._dispersion(place), known,
            self.at - self.season_begun[signal.side] if season is not None else None, season.rows() if season else 0.0,
        )  # fmt: skip

    def _arm(self, place: int) -> None:
        before = self.stages[place]
        stage = stage_of(self.config.season, self.signals[place].field.tolerate, self._learned(place))
        self.stages[place] = stage
        if not before == stage == "envelope":  # made once: it is of 168 slots, and dispersion tempers the bets besides
            self.detector.signals[place].arm(self._bands(place), self._dispersion(place))

    def _bands(self, place: int) -> list[Band | None]:
        """The bands of a signal's stage."""
        signal, season, stage = self.signals[place], self.seasons[place], self.stages[place]
        tolerate = self.config.tolerate if signal.field.tolerate is None else signal.field.tolerate
        dispersion = self._dispersion(place)
        if stage == "envelope" and season is not None:
            return season.envelope(tolerate, Z, dispersion)
        if stage == "slot" and season is not None:
            return season.slot(((self.base + self.at) // 3600 + MONDAY) % SLOTS, tolerate, Z, dispersion)
        hits, rows = signal.read(self.reference)
        return bands(stage, hits, rows, tolerate, dispersion)

    def _share(self, place: int, cell: str) -> float:
        """The expected share of a cell."""
        signal = self.signals[place]
        number = signal.cells.index(cell)
        band = self._bands(place)[number] if self.stages[place] == "slot" else None
        if band is not None:
            return share_of((band.low + band.high) / 2.0)
        hits, trials = signal.read(self.reference)
        return (hits[number] + 0.5) / (trials + 1.0)
