"""The input of an exporter: an instrument with its current points."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from guard.telemetry.accumulators import Counter, Histogram, Instrument, Labels, Series

Point: TypeAlias = tuple[Labels | None, float | Counter | Histogram]
"""Labels None: the overflow of an instrument with too many series. A number is a level, or a sum since the process began.
"""


class Family(NamedTuple):
    """One instrument and its points."""

    instrument: Instrument
    points: list[Point]
    ended: deque[tuple[Labels, Counter, float]] | deque[tuple[Labels, Histogram, float]] | None = None
    """See `Series.ended`. Whoever exports deltas takes out of it."""


def counted(series: Iterable[Series[Counter] | Series[Histogram]]) -> Iterator[Family]:
    """The accumulated series as families; those without a point are left out."""
    for sample in series:
        points: list[Point] = list(sample)
        if points or sample.ended:
            yield Family(sample.instrument, points, sample.ended)


def attributes(instrument: Instrument, labels: Labels | None) -> dict[str, str]:
    """A point's attributes; those without a value are left out."""
    if labels is None:
        return {"otel.metric.overflow": "true"}
    return {name: value for name, value in zip(instrument.attributes, labels, strict=True) if value}
