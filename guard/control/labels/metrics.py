"""Metrics of labels: their outcomes and delay, and the figures of each version and segment with their bounds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Histogram, Instrument
from guard.telemetry.family import Family, Point

FIGURES: Final[Mapping[str, Instrument]] = {
    "accuracy": of.QUALITY_ACCURACY,
    "brier": of.QUALITY_BRIER,
    "calibration_error": of.QUALITY_CALIBRATION,
    "auc": of.QUALITY_AUC,
    "mae": of.QUALITY_MAE,
    "expected_accuracy": of.EXPECTED_ACCURACY,
}
BOUNDS: Final = ("low", "estimate", "high")


def families(
    outcomes: Mapping[tuple[str, str, str, str], int], delays: Mapping[str, Histogram], figures: Sequence[Mapping[str, Any]]
) -> Iterator[Family]:
    """The families that have a point. `outcomes` by (route, version, source, outcome), `delays` by route."""
    yield from _family(of.LABELS, [(key, float(count)) for key, count in dict(outcomes).items()])
    yield from _family(of.LABEL_DELAY, [((route,), histogram) for route, histogram in dict(delays).items()])
    judged = [version for version in figures if version["mature"] is not None]
    coverage: list[Point] = [
        ((_path(each["route"]), each["version"]), each["mature"]["coverage"])
        for each in judged
        if each["mature"]["coverage"] is not None
    ]
    yield from _family(of.LABEL_COVERAGE, coverage)
    for name, instrument in FIGURES.items():
        yield from _family(instrument, list(_points(judged, name)))


def _family(instrument: Instrument, points: list[Point]) -> Iterator[Family]:
    if points:
        yield Family(instrument, points)


def _points(versions: Sequence[Mapping[str, Any]], name: str) -> Iterator[Point]:
    for version in versions:
        for part in (version["mature"], *version["segments"]):
            figure, segment = part["figures"][name], part["segment"]
            label = f"{segment['field']}={segment['value']}" if segment else ""
            if figure is not None:
                for bound in BOUNDS:
                    yield (_path(version["route"]), version["version"], label, bound), figure[bound]


def _path(route: str) -> str:
    """The template of a route's key, as `http.route` has it."""
    return route.partition(" ")[2]
