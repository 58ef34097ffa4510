"""What an exporter is given: an instrument with its points of this moment."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from guard.telemetry.accumulators import Counter, Histogram, Instrument, Labels, Series

Point: TypeAlias = tuple[Labels | None, float | Histogram]
"""Labels None: the overflow of an instrument with too many series."""


class Family(NamedTuple):
    """One instrument and its points."""

    instrument: Instrument
    points: list[Point]


def counted(series: Iterable[Series[Counter] | Series[Histogram]]) -> Iterator[Family]:
    """What was accumulated, as families; those without a point are left out."""
    for one in series:
        points: list[Point] = [(labels, made if isinstance(made, Histogram) else made.value) for labels, made in one]
        if points:
            yield Family(one.instrument, points)


def attributes(instrument: Instrument, labels: Labels | None) -> dict[str, str]:
    """A point's attributes; those without a value are left out."""
    if labels is None:
        return {"otel.metric.overflow": "true"}
    return {name: value for name, value in zip(instrument.attributes, labels, strict=True) if value}
