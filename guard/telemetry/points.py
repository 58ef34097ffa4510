"""Families → OpenTelemetry's public data points, cumulative or as deltas since the last time."""

from collections.abc import Iterable
from typing import Any, Final

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
from guard.telemetry.accumulators import Instrument, Labels
from guard.telemetry.family import Family, attributes

INTEGERS: Final = frozenset(("http.response.status_code", "server.port"))
"""Attributes that the conventions give as numbers."""


class Points:
    """Makes the data of one stream. `began`: nanoseconds since the epoch at which the sums were zero."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, began: int, *, delta: bool) -> None:
        self._resource, self._scope = resource, scope
        self._began = self._since = began
        self._delta = delta
        self._before: dict[tuple[str, Labels | None], Any] = {}

    def data(self, families: Iterable[Family], at: int) -> MetricsData:
        """All of it, at `at` nanoseconds since the epoch."""
        metrics = [self._metric(family, at) for family in families]
        self._since = at
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _metric(self, family: Family, at: int) -> Metric:
        instrument = family.instrument
        data: Gauge | Sum | Histogram
        match instrument.kind:
            case "gauge":
                data = Gauge([self._number(instrument, *point, 0, at) for point in family.points])
            case "updowncounter":
                points = [self._number(instrument, *point, self._began, at) for point in family.points]
                data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=False)
            case "counter":
                points = [self._number(instrument, *point, self._start, at) for point in family.points]
                data = Sum(points, self._temporality, is_monotonic=True)
            case "histogram":
                made = [self._histogram(instrument, *point, at) for point in family.points]
                data = Histogram(made, self._temporality)
        return Metric(instrument.name, instrument.description, instrument.unit, data)

    @property
    def _start(self) -> int:
        return self._since if self._delta else self._began

    @property
    def _temporality(self) -> AggregationTemporality:
        return AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE

    def _number(self, instrument: Instrument, labels: Labels | None, value: Any, start: int, at: int) -> NumberDataPoint:
        if self._delta and instrument.kind == "counter":
            key = (instrument.name, labels)
            before = self._before.get(key, 0)
            self._before[key] = value
            value -= before
        return NumberDataPoint(_typed(instrument, labels), start, at, value, [])

    def _histogram(self, instrument: Instrument, labels: Labels | None, value: Any, at: int) -> HistogramDataPoint:
        counts, total = list(value.counts), value.sum
        if self._delta:
            key = (instrument.name, labels)
            before, sum_before = self._before.get(key, ([0] * len(counts), 0.0))
            self._before[key] = (list(counts), total)
            counts, total = [now - then for now, then in zip(counts, before, strict=True)], total - sum_before
        return HistogramDataPoint(
            attributes=_typed(instrument, labels),
            start_time_unix_nano=self._start,
            time_unix_nano=at,
            count=sum(counts),
            sum=total,
            bucket_counts=counts,
            explicit_bounds=value.bounds,
            min=None,  # type: ignore[arg-type]  # optional on the wire, and unknown
            max=None,  # type: ignore[arg-type]
            exemplars=[_exemplar(one) for one in list((value.exemplars or {}).values())],
        )


def _exemplar(seen: accumulators.Exemplar) -> Exemplar:
    return Exemplar({}, seen.value, round(seen.wall * 1e9), seen.span_id, seen.trace_id)


def _typed(instrument: Instrument, labels: Labels | None) -> dict[str, Any]:
    shown: dict[str, Any] = attributes(instrument, labels)
    for name in INTEGERS:
        if name in shown and shown[name].isdigit():
            shown[name] = int(shown[name])
    return shown
