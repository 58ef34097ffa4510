"""Families → OpenTelemetry's public data points, cumulative or as deltas since the last time.

A series that begins anew has a start time of its own, and what its predecessor still owed is a delta that ends when it did.
So no sum decreases within one identity and start time, and deltas add up to everything that was counted.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.telemetry import accumulators
from guard.telemetry.accumulators import Counter, Instrument, Labels
from guard.telemetry.family import Family, attributes

INTEGERS: Final = frozenset(("http.response.status_code", "server.port"))
"""Attributes that the conventions give as numbers."""
MOST_POINTS: Final = 1000
"""Points of one request to a collector. Each is encoded in one piece, which holds the interpreter for some milliseconds."""


class Reading(NamedTuple):
    """The value of a series when it was read."""

    series: Counter | accumulators.Histogram | None
    """The series itself, since one of the same labels may be another; None for a plain number."""
    counts: list[Any]
    """Counts by bucket; a counter has one number."""
    total: float = 0.0
    """A histogram's sum."""
    start: int = 0
    """Nanoseconds since the epoch at which it was zero."""

    def follows(self, before: "Reading | None") -> bool:
        """Whether this is the series that was read `before`, and did not begin anew."""
        return before is not None and before.series is self.series and self.counts[0] >= before.counts[0]

    def since(self, before: "Reading | None") -> "Reading":
        """The difference to an earlier reading."""
        if before is None or not self.follows(before):
            return self
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        return self._replace(counts=counts, total=self.total - before.total)


def read(value: float | Counter | accumulators.Histogram) -> Reading:
    """Read a point once: another thread may be counting."""
    if isinstance(value, accumulators.Histogram):
        return Reading(value, list(value.counts), value.sum)
    if isinstance(value, Counter):
        return Reading(value, [value.value])
    return Reading(None, [value])


class Points:
    """Makes the data of one stream. `began`: nanoseconds since the epoch at which the sums were zero."""

    def __init__(
        self,
        resource: Resource,
        scope: InstrumentationScope,
        began: int,
        *,
        delta: bool,
        crashed: Callable[[Exception], object] = lambda _error: None,
    ) -> None:
        """`crashed` is told why an instrument could not be exported; the others are."""
        self._resource, self._scope, self._crashed = resource, scope, crashed
        self._began = self._since = began
        self._delta = delta
        self._temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
        self._before: dict[str, dict[Labels | None, Reading]] = {}

    def batches(self, families: Iterable[Family | None], at: int, most: int = MOST_POINTS) -> Iterator[MetricsData]:
        """All points at `at` nanoseconds since the epoch, at most `most` at once. A clock set back is not followed."""
        at = max(at, self._since + 1)
        metrics: list[Metric] = []
        size = 0
        for family in families:
            if family is None:  # a pause for whoever shares the loop
                continue
            points = self._read(family, at)
            for begin in range(0, len(points), most):
                some = points[begin : begin + most]
                if metrics and size + len(some) > most:
                    yield self._data(metrics)
                    metrics, size = [], 0
                metrics.append(self._metric(family.instrument, some))
                size += len(some)
        self._since = at
        if metrics:
            yield self._data(metrics)

    def _data(self, metrics: list[Metric]) -> MetricsData:
        return MetricsData([ResourceMetrics(self._resource, [ScopeMetrics(self._scope, metrics, "")], "")])

    def _metric(self, instrument: Instrument, points: list[Any]) -> Metric:
        data: Gauge | Sum | Histogram
        match instrument.kind:
            case "gauge":
                data = Gauge(points)
            case "updowncounter":
                data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=False)
            case "counter":
                data = Sum(points, self._temporality, is_monotonic=True)
            case "histogram":
                data = Histogram(points, self._temporality)
        return Metric(instrument.name, instrument.description, instrument.unit, data)

    def _read(self, family: Family, at: int) -> list[Any]:
        instrument = family.instrument
        try:
            if instrument.kind in ("counter", "histogram"):
                return self._sums(family, at)
            start = self._began if instrument.kind == "updowncounter" else 0
            return [_point(instrument, labels, Reading(None, [value]), start, at) for labels, value in family.points]
        except Exception as error:  # noqa: BLE001 — a bug in one instrument does not cost the others
            self._crashed(error)
            return []

    def _sums(self, family: Family, at: int) -> list[Any]:
        instrument = family.instrument
        before = self._before.get(instrument.name, {})
        after: dict[Labels | None, Reading] = {}
        points: list[Any] = []
        began: dict[Labels | None, int] = {}  # of series that took another's place since the last time
        for ended, series, wall in self._ended(family):
            start = began.get(ended, self._since)
            began[ended] = until = min(max(round(wall * 1e9), start), at)
            owed = read(series).since(before.get(ended))
            if any(owed.counts):
                points.append(_point(instrument, ended, owed, start, until))
        for labels, value in family.points:
            now, then = read(value), before.get(labels)
            start = then.start if then is not None and now.follows(then) else began.get(labels, self._since)
            after[labels] = now._replace(start=start)
            if self._delta:
                points.append(_point(instrument, labels, now.since(then), began.get(labels, self._since), at))
            else:
                points.append(_point(instrument, labels, now, start, at))
        self._before[instrument.name] = after
        return points

    def _ended(self, family: Family) -> Iterator[tuple[Labels, Counter | accumulators.Histogram, float]]:
        """Series that ended since the last export. A cumulative stream exports nothing more for them."""
        while self._delta and family.ended:
            yield family.ended.popleft()


def _point(instrument: Instrument, labels: Labels | None, read: Reading, start: int, at: int) -> Any:
    if instrument.kind != "histogram":
        return NumberDataPoint(_typed(instrument, labels), start, at, read.counts[0], [])
    assert isinstance(read.series, accumulators.Histogram)
    return HistogramDataPoint(
        attributes=_typed(instrument, labels),
        start_time_unix_nano=start,
        time_unix_nano=at,
        count=sum(read.counts),
        sum=read.total,
        bucket_counts=read.counts,
        explicit_bounds=read.series.bounds,
        min=None,  # type: ignore[arg-type]  # optional on the wire, and unknown
        max=None,  # type: ignore[arg-type]
        exemplars=[_exemplar(seen) for seen in list((read.series.exemplars or {}).values())],
    )


def _exemplar(seen: accumulators.Exemplar) -> Exemplar:
    return Exemplar({}, seen.value, round(seen.wall * 1e9), seen.span_id, seen.trace_id)


def _typed(instrument: Instrument, labels: Labels | None) -> dict[str, Any]:
    shown: dict[str, Any] = attributes(instrument, labels)
    for name in INTEGERS:
        if name in shown and shown[name].isascii() and shown[name].isdigit():
            shown[name] = int(shown[name])
    return shown
