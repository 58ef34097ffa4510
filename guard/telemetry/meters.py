"""The sink that counts: each Record into the series that it belongs to, found by one key for each kind of exchange.

Most records of a batch went the same way. So one whose key is that of the record before is counted where that one was, and
durations and predictions are gathered by their series while a batch is read; then each series counts its own at once.

Predictions are counted by the declaration in force at that moment, also those of an exchange that began under another.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from guard.proxy.values import MODEL, PREVIOUS, Attempt, Measure, Record, Route, Target
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import MOST_SERIES, Counter, Exemplar, Histogram, Instrument, Labels, Series
from guard.telemetry.cardinality import CardinalityLimiter
from guard.telemetry.predictions import Classes, Numbers, Presence, Tally, Undeclared, Vectors, Window, buckets

DIRECTIONS: Final = ("input", "output")
DECLARED: Final = (of.PREDICTIONS, of.PREDICTION_VALUE, of.PREDICTION_CONFIDENCE)
"""Instruments whose series depend on an output's declaration: its classes and bounds."""

UNDECLARED: Final = Undeclared()

Tallies: TypeAlias = tuple[Tally, ...]
"""One for each Measure of a route, in order."""
Answers: TypeAlias = list[list[object]]
"""The values that each of the Tallies counts."""


class Kind:
    """The series of exchanges that went the same way."""

    __slots__ = ("duration", "instances", "overhead", "requests", "route")

    def __init__(
        self, route: "_Route", requests: Counter, duration: Histogram, overhead: Histogram, instances: Counter
    ) -> None:
        self.route = route
        self.requests, self.duration, self.overhead, self.instances = requests, duration, overhead, instances


class Batch:
    """Exchanges of one Kind that are read and not counted yet. The calls and answers are those of the exchange before."""

    __slots__ = (
        "answers", "calls", "durations", "failed", "overheads", "rows", "source", "status", "target", "valid", "version"
    )  # fmt: skip

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.durations: list[float] = []
        self.overheads: list[float] = []
        self.target: Target | None = None
        self.status, self.failed = 0, ""
        self.calls: list[float] = []
        self.source, self.version, self.valid = "", "", True
        self.answers: Answers = []


class _Route:
    """The series that are bound to one route."""

    def __init__(self, method: str, template: str, measures: tuple[Measure, ...]) -> None:
        self.labels = (method, template)
        self.measures = measures
        self.kinds: dict[tuple[object, ...], Kind] = {}
        self.calls: dict[tuple[object, ...], Histogram] = {}
        self.tallies: dict[tuple[str, str], Tallies] = {}


class Meters:
    """A Sink. `exemplars`: remember a trace for each bucket of durations."""

    def __init__(self, *, exemplars: bool = True) -> None:
        self._exemplars = exemplars
        self._counters = {
            item.name: Series(item, Counter)
            for item in (
                of.REQUESTS, of.FALLBACKS, of.RULE_ERRORS, of.VIOLATIONS, of.REDACTIONS, of.INSTANCES, of.FEATURES,
                of.PREDICTIONS,
            )
        }  # fmt: skip
        self._histograms = {
            item.name: Series(item, Histogram)
            for item in (
                of.SERVER_DURATION, of.CLIENT_DURATION, of.OVERHEAD_DURATION, of.FEATURE_AGE, of.PREDICTION_VALUE,
                of.PREDICTION_CONFIDENCE,
            )
        }  # fmt: skip
        self._routes: dict[str, _Route] = {}
        self._declared: dict[str, Route] = {}
        self._windows: dict[Labels, Window] = {}
        self._version, self._status = CardinalityLimiter(), CardinalityLimiter()
        self.offset = 0.0  # what to add to the records' clock for seconds since the epoch
        self._batches: dict[Kind, Batch] = {}
        self._calls: dict[Histogram, list[float]] = {}
        self._answers: dict[tuple[Tallies, bool], Answers] = {}

    # ── counting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, records: Iterator[Record]) -> None:
        """See BatchSink. What was read before a record that makes this crash is counted all the same."""
        try:
            self._read(records)
        finally:
            self._count_gathered()

    def _read(self, records: Iterator[Record]) -> None:
        """Gather what each record is one of; what most have none of is counted at once."""
        key: object = None
        for record in records:
            matched, ended = record.matched, record.ended_at
            went = (
                matched, record.source, record.version, record.status, record.method, record.reason, record.code,
                record.scheme, record.protocol, record.error, record.departure,
            )  # fmt: skip
            if went != key:
                kind, key = self._kind(matched, went, record), went
                batch = self._batches.setdefault(kind, Batch())
                batch.target, batch.source = None, ""  # what they stand for may be another policy's
            batch.rows.append(record.rows or 0)
            batch.durations.append(ended - record.begun_at)
            waited = self._called(batch, kind.route, record)
            if record.read_at:
                batch.overheads.append(ended - record.read_at - waited)
            self._count_predictions(batch, kind.route, record)
            if (
                record.descents or record.violations or record.answer_violations or record.facts is not None
                or (record.trace is not None and record.trace.sampled) or record.failed_rules
            ):  # fmt: skip
                self._odd(kind, matched, record)

    def _called(self, batch: Batch, route: _Route, record: Record) -> float:
        """Gather how long its calls took; seconds that were spent on them, waiting for a connection included."""
        waited = 0.0
        for attempt in record.attempts:
            until = attempt.ended_at or record.ended_at
            waited += until - attempt.asked_at
            failed = attempt.failed or ""
            if attempt.target is not batch.target or attempt.status != batch.status or failed != batch.failed:
                batch.target, batch.status, batch.failed = attempt.target, attempt.status, failed
                batch.calls = self._calls.setdefault(self._call(route, record.method, attempt), [])
            batch.calls.append(until - attempt.begun_at)
        return waited

    def _count_predictions(self, batch: Batch, route: _Route, record: Record) -> None:
        """Gather what was predicted."""
        for prediction in record.predictions:
            if prediction.source != batch.source or prediction.version != batch.version or prediction.valid != batch.valid:
                batch.source, batch.version, batch.valid = prediction.source, prediction.version, prediction.valid
                tallies, valid = self._tallies(route, prediction.source, prediction.version), prediction.valid
                if record.matched is not None and not same(record.matched.measures, route.measures):
                    tallies, valid = in_force(route.measures, tallies, record.matched.measures), False
                batch.answers = self._answers.setdefault((tallies, valid), [[] for _ in tallies])
            if len(prediction.values) != len(batch.answers):
                raise ValueError(len(prediction.values))
            for number, values in enumerate(prediction.values):
                if len(values) == 1:
                    batch.answers[number].append(values[0])
                else:
                    batch.answers[number].extend(values)

    def _count_gathered(self) -> None:
        """Taken out before it is counted: never twice, whatever happens."""
        while self._batches:
            kind, batch = self._batches.popitem()
            kind.requests.value += len(batch.rows)
            kind.instances.value += sum(batch.rows)
            kind.duration.record_all(batch.durations)
            kind.overhead.record_all(batch.overheads)
        while self._calls:
            histogram, durations = self._calls.popitem()
            histogram.record_all(durations)
        while self._answers:
            (tallies, valid), answers = self._answers.popitem()
            for tally, values in zip(tallies, answers, strict=True):
                tally.add(values, valid=valid)

    def _odd(self, kind: Kind, matched: Route | None, record: Record) -> None:
        """Count the properties that most exchanges do not have."""
        route, trace = kind.route, record.trace
        if trace is not None and trace.sampled and trace.propagated and self._exemplars:
            took, wall = record.ended_at - record.begun_at, record.ended_at + self.offset
            kind.duration.exemplify(Exemplar(took, wall, int(trace.trace_id, 16), int(trace.span_id, 16)))
        for source, reason in record.descents:
            self._count(of.FALLBACKS, (*route.labels, source, reason))
        for number in record.failed_rules:
            self._count(of.RULE_ERRORS, (*route.labels, str(number)))
        if matched is not None and (record.violations or record.answer_violations or record.discarded):
            self._violated(route, matched, record)
        if record.facts is not None:
            self._noticed(route, record)

    def _open(self, matched: Route | None) -> _Route:
        if matched is None:
            route = self._routes[""] = _Route("", "", ())
        else:
            measures = self._declared.get(matched.key, matched).measures
            route = self._routes[matched.key] = _Route(matched.method, matched.template, measures)
        return route

    def _kind(self, matched: Route | None, key: tuple[object, ...], record: Record) -> Kind:
        route = self._routes.get(matched.key if matched is not None else "") or self._open(matched)
        kind = route.kinds.get(key[1:])
        if kind is None:
            kind = self._bound(route, record)
            if len(route.kinds) < 1000:
                route.kinds[key[1:]] = kind
        return kind

    def _bound(self, route: _Route, record: Record) -> Kind:
        """The series of a kind that was not met before."""
        method, template = record.method, route.labels[1]
        status = self._status(str(record.status)) if record.status else ""
        source = record.source or ("gone" if record.departure else "none")
        error = record.error or (status if record.status >= 500 else "")
        http = (method, template, status, record.scheme, record.protocol, error)
        requests = (method, template, source, record.code or record.reason or "", self._version(record.version))
        return Kind(
            route,
            self._counters[of.REQUESTS.name].bind(requests),
            self._histograms[of.SERVER_DURATION.name].bind(http),
            self._histograms[of.OVERHEAD_DURATION.name].bind((method, template)),
            self._counters[of.INSTANCES.name].bind(route.labels),
        )

    def _call(self, route: _Route, method: str, attempt: Attempt) -> Histogram:
        target = attempt.target
        key = (method, target.url, target.source, attempt.status, attempt.failed)
        call = route.calls.get(key)
        if call is None:
            status = self._status(str(attempt.status)) if attempt.status else ""
            error = attempt.failed or (status if attempt.status >= 400 else "")
            host, port, scheme = origin(target.url)
            labels = (method, host, port, scheme, status, error, target.source)
            call = self._histograms[of.CLIENT_DURATION.name].bind(labels)
            if len(route.calls) < 1000:
                route.calls[key] = call
        return call

    def _count(self, instrument: Instrument, labels: Labels, times: float = 1) -> None:
        self._counters[instrument.name].bind(labels).value += times

    def _tallies(self, route: _Route, source: str, version: str) -> Tallies:
        tallies = route.tallies.get((source, version))
        if tallies is None:
            label = self._version(version)
            tallies = tuple(self._tally(route, measure, source, label) for measure in route.measures)
            if len(route.tallies) < 1000:
                route.tallies[source, version] = tallies
        return tallies

    def _tally(self, route: _Route, measure: Measure, source: str, version: str) -> Tally:
        labels = (*route.labels, measure.name, source, version)

        def count(name: str) -> Counter:
            return self._counters[of.PREDICTIONS.name].bind((*route.labels, measure.name, name, source, version))

        tally: Tally
        match measure.kind:
            case "class":
                tally = Classes(measure, count)
            case "number":
                tally = Numbers(measure, count, self._histograms[of.PREDICTION_VALUE.name].bind(labels, buckets(measure)))
            case "vector":
                tally = Vectors(count, self._histograms[of.PREDICTION_CONFIDENCE.name].bind(labels))
            case "presence":
                return Presence(count)
        if source in (MODEL, PREVIOUS) and labels not in self._windows and len(self._windows) < MOST_SERIES:
            self._windows[labels] = Window(tally)
        return tally

    def _violated(self, route: _Route, matched: Route, record: Record) -> None:
        for direction, violations in zip(
            DIRECTIONS, (record.violations, [*record.answer_violations, *record.discarded]), strict=True
        ):
            for violation in violations:
                field = violation.field or matched.field_of(violation.pointer, direction == "output")
                self._count(of.VIOLATIONS, (*route.labels, direction, field, violation.code))

    def _noticed(self, route: _Route, record: Record) -> None:
        assert record.facts is not None
        for field, state, times in record.facts.features:
            self._count(of.FEATURES, (*route.labels, field, state), times)
        for field, detector, times in record.facts.redactions:
            self._count(of.REDACTIONS, (*route.labels, field, detector), times)
        for field, ages in record.facts.ages:
            self._histograms[of.FEATURE_AGE.name].bind((*route.labels, field)).record_all(ages)

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────

    def series(self) -> Iterator[Series[Counter] | Series[Histogram]]:
        """Everything that was counted."""
        yield from self._counters.values()
        yield from self._histograms.values()

    def top_shares(self, now: float) -> Iterator[tuple[Labels, float | None]]:
        """The points of guard.prediction.top_share; None where nothing was predicted lately."""
        for labels, window in list(self._windows.items()):
            yield labels, window.top_share(now)

    def declare(self, routes: Iterable[Route], at: float, durations: tuple[float, ...] = of.SECONDS) -> None:
        """Count by the declarations of these routes. `at`: seconds since the epoch. `durations`: bounds, in seconds.

        Series of routes that are gone end, and those of outputs that are declared otherwise.
        """
        for name in (of.SERVER_DURATION.name, of.CLIENT_DURATION.name):
            if self._histograms[name].rebucket(durations, at):
                for bound in self._routes.values():
                    bound.kinds, bound.calls = {}, {}
        self._declared = declared = {route.key: route for route in routes}
        served = frozenset((route.method, route.template) for route in declared.values())
        otherwise = self._redeclare(declared)

        def is_gone(labels: Labels) -> bool:
            method, template = labels[0], labels[1]
            if not template or (method, template) in served:
                return False
            return method != "HEAD" or ("GET", template) not in served  # HEAD is answered by the route of GET

        def ended(labels: Labels) -> bool:
            return labels[:3] in otherwise or is_gone(labels)

        for series in self.series():
            if series.instrument in DECLARED:
                series.drop(ended, at)
            elif series.instrument is not of.CLIENT_DURATION:
                series.drop(is_gone, at)
        self._windows = {labels: window for labels, window in self._windows.items() if not ended(labels)}

    def _redeclare(self, declared: Mapping[str, Route]) -> set[tuple[str, ...]]:
        """Tally by these declarations. Returns method, template and output of what is declared otherwise."""
        otherwise: set[tuple[str, ...]] = set()
        for key, route in list(self._routes.items()):
            if key and key not in declared:
                del self._routes[key]
            elif key:
                measures = declared[key].measures
                if not same(measures, route.measures):
                    otherwise.update((*route.labels, name) for name in changed(route.measures, measures))
                    route.tallies = {}
                route.measures = measures
        return otherwise


def same(measures: tuple[Measure, ...], other: tuple[Measure, ...]) -> bool:
    """Whether outputs are declared the same."""
    return measures is other or (len(measures) == len(other) and all(map(alike, measures, other)))


def alike(measure: Measure, other: Measure) -> bool:
    """Whether an output is declared the same. Python takes 1, 1.0 and True for equal, which are three classes."""
    return measure == other and [type(value) for value in measure.classes] == [type(value) for value in other.classes]


def changed(before: tuple[Measure, ...], after: tuple[Measure, ...]) -> set[str]:
    """Names of outputs that are declared otherwise, or only once."""
    old, new = ({measure.name: measure for measure in measures} for measures in (before, after))
    unchanged = {name for name in old.keys() & new.keys() if alike(old[name], new[name])}
    return (old.keys() | new.keys()) - unchanged


def in_force(measures: tuple[Measure, ...], tallies: Tallies, measured: tuple[Measure, ...]) -> Tallies:
    """Tallies of this declaration for outputs that were `measured` under another; an output may have none any more."""
    by_name = {measure.name: tally for measure, tally in zip(measures, tallies, strict=True)}
    return tuple([by_name.get(measure.name, UNDECLARED) for measure in measured])


@lru_cache(1000)
def origin(url: str) -> tuple[str, str, str]:
    """server.address, server.port and url.scheme of a target."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path, "", "http"
    return parts.hostname or "", str(parts.port or (443 if parts.scheme == "https" else 80)), parts.scheme
