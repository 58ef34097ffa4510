"""A metric belongs to its declaration: laws over random reloads, exchanges, scrapes and exports."""

from bisect import bisect_left
from collections import Counter as Multiset
from collections import deque
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.proxy.values import Facts, Measure, Route, Usage, Violation
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Histogram
from guard.telemetry.cost import Cost, Price
from guard.telemetry.family import counted
from guard.telemetry.generative import Generative
from guard.telemetry.meters import Meters
from guard.telemetry.points import Points
from guard.telemetry.predictions import buckets
from guard.telemetry.prometheus import OPENMETRICS, TEXT, Exposition
from tests.telemetry import exposition
from tests.telemetry.records import attempt, prediction, record, route

BEGAN = 1_700_000_000.0
TEMPLATES = ("/p", "/q", "/r")
BOUNDS = ((0.0, 1.0), (0.0, 100.0), (-5.0, 5.0), (0.0, None), (None, None), (3.0, 3.0), (1e16, 1e16 + 4))
CLASSES = (("yes", "no"), ("no", "yes", "maybe"), (1, 0), (True, False), tuple("abcdefghij"))
VALUES = (0.0, 0.3, 0.99, 1.0, 3.0, 40.0, -4.0, 250, 1e16 + 2, None, "x", "yes", "no", "maybe", 1, True, "c", [0.5, 0.2])
OUTPUTS = ("label", "score", "other")


class Process:
    """What counts and exports in a guard, with an account of everything that was counted."""

    def __init__(self, seed: int) -> None:
        self.random, self.wall = Random(seed), BEGAN
        self.meters, self.generative = Meters(), Generative()
        self.cost = Cost()
        self.generative.on = True
        self.series: list[Any] = [*self.meters.series(), self.cost.spent, *self.generative.series()]
        self.ever: dict[str, list[Any]] = {}  # all series that ever were
        for series in self.series:
            series.ended = deque()
            series._make = partial(self.made, series.instrument.name, series._make)
        self.exposition = Exposition({}, self.crashed)
        scope = InstrumentationScope("guard", "1")
        self.cumulative, self.deltas = (
            Points(Resource({}), scope, round(BEGAN * 1e9), delta=delta, crashed=self.crashed) for delta in (False, True)
        )
        self.requests = 0
        self.plans: list[list[Route]] = [[]]
        self.declared: dict[str, tuple[Measure, ...]] = {}
        self.values: dict[tuple[str, str], list[tuple[str, float]]] = {}  # by template and output: version and value
        self.shown: dict[Any, float] = {}  # the last page
        self.reloaded = False
        self.totals: dict[Any, Any] = {}
        self.sums: Multiset[Any] = Multiset()
        self.until: dict[Any, int] = {}

    def made(self, name: str, make: Any, bounds: Any) -> Any:
        self.ever.setdefault(name, []).append(series := make(bounds))
        return series

    def crashed(self, error: Exception) -> None:
        raise AssertionError("a family could not be written") from error

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────

    def reload(self) -> None:
        draw, plan = self.random, []
        for template in draw.sample(TEMPLATES, draw.randint(0, 3)):
            outputs = draw.sample(OUTPUTS, draw.randint(1, 3))
            plan.append(route(template=template, measures=tuple(self.measure(output) for output in outputs)))
        self.plans = [*self.plans[-1:], plan]
        self.meters.declare(plan, self.wall)
        price = Price(0.5, draw.choice(("EUR", "USD"))) if draw.random() < 0.8 else None
        self.cost.declare(price, frozenset((item.method, item.template) for item in plan), self.wall)
        before, self.declared = self.declared, {item.template: item.measures for item in plan}
        for template, output in list(self.values):
            if declaration(before, template, output) != declaration(self.declared, template, output):
                del self.values[template, output]
        self.reloaded = True

    def measure(self, output: str) -> Measure:
        kind = self.random.choice(("class", "number", "number", "vector", "presence"))
        low, high = self.random.choice(BOUNDS) if kind == "number" else (None, None)
        return Measure(output, kind, self.random.choice(CLASSES) if kind == "class" else (), low, high)

    def exchange(self) -> None:
        """One of the plan in force, or one that began under the plan before."""
        plan, draw = self.random.choice(self.plans), self.random
        if not plan:
            return
        matched = draw.choice(plan)
        rows = draw.randint(1, 3)
        values = [[draw.choice(VALUES) for _ in range(rows)] for _ in matched.measures]
        version = draw.choice(("7", "8"))
        self.declared.setdefault(matched.template, matched.measures)  # a route that is gone is counted as it was
        for measure, answers in zip(matched.measures, values, strict=True):
            for value in answers:
                self.counts(matched.template, measure.name, version, value)
        self.requests += 1
        self.meters.take(
            iter([made := record(
                matched=matched, rows=rows, version=version, predictions=[prediction(*values, version=version, valid=False)],
                descents=draw.choice(([], [("model", "timeout")])), violations=draw.choice(([], [Violation("/age", "min")])),
                facts=draw.choice((None, Facts([("age", "at_min", 2)], [("at", [3.0, 1e7])], [("note", "email", 1)]))),
                usage=Usage("chat", input_tokens=7), attempts=[attempt(version=version)],
            )])
        )  # fmt: skip
        self.cost.take(iter([made]))
        self.generative.take(iter([made]))

    def counts(self, template: str, output: str, version: str, value: Any) -> None:
        """The oracle of histograms: numbers within the bounds in force."""
        for measure in self.declared[template]:
            if measure.name == output and measure.kind == "number" and type(value) in (int, float):
                low, high = measure.low, measure.high
                if (low is None or value >= low) and (high is None or value <= high):
                    self.values.setdefault((template, output), []).append((version, value))

    # ── what is exported ──────────────────────────────────────────────────────────────────────────────────────────

    def scrape(self) -> None:
        """The page can be read, its buckets are those of the declaration, and nothing decreases without a reload."""
        page = b"".join(self.exposition.pieces(counted(self.series), self.random.choice((TEXT, OPENMETRICS))))
        families = exposition.parse(page)
        shown = {
            sample[:2]: sample.value
            for name, samples in families.items()
            for sample in samples
            if not sample.name.endswith("_sum")
        }
        if not self.reloaded:
            assert not [key for key, value in self.shown.items() if shown[key] < value]
        self.shown, self.reloaded = shown, False
        for labels, pairs in exposition.buckets(families.get("guard_prediction_value", [])).items():
            told = dict(labels)
            template, output, version = (told[name] for name in ("http_route", "guard_output", "guard_model_version"))
            (measure,) = (field for field in self.declared[template] if field.name == output)
            values = [value for seen, value in self.values.get((template, output), ()) if seen == version]
            assert pairs == cumulative(values, buckets(measure)), labels

    def export(self, points: Points) -> None:
        self.wall += self.random.choice((0.0, 1.0, 60.0, -30.0))  # it may be set back
        at = round(self.wall * 1e9)
        for data in points.batches(counted(self.series), at, self.random.choice((3, 1000))):
            for metric in data.resource_metrics[0].scope_metrics[0].metrics:
                for point in metric.data.data_points:
                    key = (metric.name, tuple(sorted(point.attributes.items())))
                    numbers = point.bucket_counts if hasattr(point, "bucket_counts") else [point.value]
                    assert BEGAN * 1e9 <= point.start_time_unix_nano <= point.time_unix_nano
                    if points is self.deltas:
                        self.delta(key, point, numbers)
                    else:
                        self.total(key, point, numbers)

    def delta(self, key: Any, point: Any, numbers: list[Any]) -> None:
        """Never negative, and never of a time that was told before."""
        assert min(numbers) >= 0, key
        assert point.start_time_unix_nano >= self.until.get(key, 0), key
        self.until[key] = point.time_unix_nano
        self.sums[key[0]] += sum(numbers)

    def total(self, key: Any, point: Any, numbers: list[Any]) -> None:
        """Never decreases within one identity and start time, and no start time comes back."""
        start, before = self.totals.get(key, (0, []))
        assert point.start_time_unix_nano >= start, key
        if point.start_time_unix_nano == start and before:
            assert len(numbers) == len(before), key
            assert not [1 for now, then in zip(numbers, before, strict=True) if now < then], key
        self.totals[key] = (point.start_time_unix_nano, list(numbers))

    def finish(self) -> None:
        """All deltas add up to everything that was counted."""
        self.wall += 1.0
        self.export(self.deltas)
        for name, ever in self.ever.items():
            total = sum(sum(item.counts) if isinstance(item, Histogram) else item.value for item in ever)
            assert abs(self.sums[name] - total) < 1e-6, name
        assert self.sums[of.REQUESTS.name] == self.requests


def declaration(declared: dict[str, tuple[Measure, ...]], template: str, output: str) -> str:
    return repr([measure for measure in declared.get(template, ()) if measure.name == output])


def cumulative(values: list[float], bounds: tuple[float, ...]) -> list[tuple[float, float]]:
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return list(zip((*bounds, float("inf")), accumulate(counts), strict=True))


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_no_reload_can_mislabel_a_bucket_or_send_a_negative_delta_or_break_the_page(seed: int, steps: int) -> None:
    process = Process(seed)
    process.reload()
    for _ in range(steps):
        process.random.choices(
            (process.exchange, process.reload, process.scrape, lambda: process.export(process.cumulative),
             lambda: process.export(process.deltas)),
            (5, 2, 2, 1, 1),
        )[0]()  # fmt: skip
    process.scrape()
    process.finish()


def test_a_route_that_returns_with_other_bounds_begins_anew() -> None:
    """40.0 stood under le="0.4"; then the page could not be made; then a monotonic counter was sent as -4."""
    narrow, wide = (route(measures=(Measure("score", "number", (), 0.0, high),)) for high in (8.0, 100.0))
    process = Process(0)
    process.meters.declare([narrow], process.wall)
    for _ in range(5):
        process.meters.take(iter([record(matched=narrow, predictions=[prediction([0.3])])]))
    exposition.parse(b"".join(process.exposition.pieces(counted(process.series))))
    process.export(process.deltas)
    process.wall += 5
    process.meters.declare([], process.wall)
    process.meters.declare([wide], process.wall)
    process.meters.take(iter([record(matched=wide, predictions=[prediction([40.0])])]))
    families = exposition.parse(b"".join(process.exposition.pieces(counted(process.series))))
    ((_, pairs),) = exposition.buckets(families["guard_prediction_value"]).items()
    assert pairs == cumulative([40.0], buckets(wide.measures[0]))
    process.export(process.deltas)
    assert process.sums[of.PREDICTION_VALUE.name] == process.sums[of.PREDICTIONS.name] == 6


def test_one_broken_family_costs_no_other() -> None:
    crashed: list[Exception] = []
    process = Process(0)
    process.meters.take(iter([record()]))
    families = list(counted(process.series))
    broken = families[1]._replace(points=[(("few",), 1)])
    page = b"".join(Exposition({}, crashed.append).pieces([families[0], broken, *families[2:]]))
    names = [family.instrument.name.replace(".", "_") for family in families]
    parsed = exposition.parse(page)
    assert len(parsed) == len(families)  # target_info is one too
    assert not [name for name in parsed if name.startswith(names[1])]
    points = Points(Resource({}), InstrumentationScope("guard", "1"), 0, delta=False, crashed=crashed.append)
    (data,) = points.batches([families[0], broken, *families[2:]], 1)
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    assert [metric.name for metric in metrics] == [
        family.instrument.name for family in families if family.instrument is not broken.instrument
    ]
    assert [type(error) for error in crashed] == [ValueError, ValueError]


def test_a_series_that_ends_between_exports_is_still_owed() -> None:
    process = Process(0)
    process.meters.take(iter([record()]))
    process.meters.declare([], process.wall)
    process.requests = 1
    process.finish()
