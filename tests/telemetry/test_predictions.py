"""What a model predicts, counted: each value once, and none of it under a wrong name."""

import math
from collections import Counter as Multiset
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.proxy.values import Measure
from guard.telemetry.accumulators import Counter, Histogram
from guard.telemetry.predictions import FEW, MISSING, UNSEEN, Classes, Numbers, Presence, Tally, Vectors, Window, buckets

LABEL = Measure("label", "class", ("yes", "no"))
LEVEL = Measure("level", "class", (0, 1, 2))
FLAG = Measure("flag", "class", (False, True))
SCORE = Measure("score", "number", (), 0.0, 1.0)
AMOUNT = Measure("amount", "number", (), 0.0, None)
ODD: list[Any] = [None, "yes", "else", 0, 1, True, 0.5, 1.5, -1, 10**400, math.nan, math.inf, [], {}, [0.1, 0.9], ["x"]]


class Counts:
    """The series of one tally."""

    def __init__(self) -> None:
        self.made: defaultdict[str, Counter] = defaultdict(Counter)

    def __call__(self, name: str) -> Counter:
        return self.made[name]

    @property
    def told(self) -> dict[str, float]:
        return {name: counter.value for name, counter in self.made.items() if counter.value}


def tallied(measure: Measure, values: list[Any], *, valid: bool = True) -> tuple[dict[str, float], Histogram]:
    counts, histogram = Counts(), Histogram(buckets(measure))
    tally: Tally
    match measure.kind:
        case "class":
            tally = Classes(measure, counts)
        case "number":
            tally = Numbers(measure, counts, histogram)
        case "vector":
            tally = Vectors(counts, histogram)
        case "presence":
            tally = Presence(counts)
    tally.add(values, valid=valid)
    return counts.told, histogram


@pytest.mark.parametrize(
    ("measure", "values", "valid", "told"),
    [
        (LABEL, ["yes"], True, {"yes": 1}),
        (LABEL, ["yes", "no", "yes", None], True, {"yes": 2, "no": 1, "<missing>": 1}),
        (LABEL, ["maybe", 7, ["yes"], None], False, {"<unseen>": 1, "<invalid>": 2, "<missing>": 1}),
        (LEVEL, [1, 2, 1], True, {"1": 2, "2": 1}),
        (LEVEL, [True, 1, 9, "1"], False, {"1": 1, "<invalid>": 2, "<unseen>": 1}),
        (FLAG, [True, False], True, {"true": 1, "false": 1}),
        (FLAG, [1, True], False, {"true": 1, "<invalid>": 1}),
        (SCORE, [0.25], True, {"<value>": 1}),
        (SCORE, [0.25, None, 1.0], True, {"<value>": 2, "<missing>": 1}),
        (SCORE, [2.0, -1, math.nan, math.inf, "x", True, None, 0.5], False,
         {"<out_of_range>": 2, "<not_finite>": 2, "<invalid>": 2, "<missing>": 1, "<value>": 1}),
        (AMOUNT, [10**400, 5], True, {"<not_finite>": 1, "<value>": 1}),
        (Measure("v", "vector"), [[0.1, 0.9], [], None, ["a"], [math.nan]], False,
         {"<value>": 1, "<missing>": 2, "<invalid>": 2}),
        (Measure("p", "presence"), ["text", None, {}], True, {"<value>": 2, "<missing>": 1}),
    ],
)  # fmt: skip
def test_each_value_is_counted_as_what_it_is(
    measure: Measure, values: list[Any], valid: bool, told: dict[str, int]
) -> None:
    assert tallied(measure, values, valid=valid)[0] == told


@given(
    st.sampled_from([LABEL, LEVEL, FLAG, SCORE, AMOUNT, Measure("v", "vector"), Measure("p", "presence")]),
    st.lists(st.sampled_from(ODD)),
)
def test_nothing_is_lost_and_nothing_twice(measure: Measure, values: list[Any]) -> None:
    assert sum(tallied(measure, values, valid=False)[0].values()) == len(values)


@given(st.lists(st.sampled_from(["yes", "no", None])), st.lists(st.floats(0, 1) | st.none()))
def test_a_batch_is_as_its_rows(labels: list[Any], scores: list[Any]) -> None:
    for measure, values in ((LABEL, labels), (SCORE, scores)):
        whole, histogram = tallied(measure, values)
        counts, rows = Counts(), Histogram(buckets(measure))
        tally = Classes(measure, counts) if measure is LABEL else Numbers(measure, counts, rows)
        for value in values:
            tally.add([value], valid=True)
        assert (whole, histogram.counts) == (counts.told, rows.counts)


@given(st.sampled_from([2, FEW, FEW + 1, 30]), st.lists(st.integers(0, 40) | st.none(), max_size=200))
def test_a_few_classes_are_counted_as_many_are(classes: int, drawn: list[int | None]) -> None:
    values = [f"c{item}" if item is not None else None for item in drawn]
    told, _ = tallied(Measure("label", "class", tuple(f"c{item}" for item in range(classes))), values)
    known = [item if item is None or item < classes else -1 for item in drawn]
    named = {None: MISSING, -1: UNSEEN}
    assert told == Multiset(named.get(path, f"c{path}") for path in known)


def test_the_largest_of_a_vector_is_its_confidence() -> None:
    _, histogram = tallied(Measure("v", "vector"), [[0.1, 0.9], [0.5, 0.2]])
    assert histogram.sum == pytest.approx(1.4)


def test_buckets_are_the_contracts_bounds() -> None:
    assert buckets(SCORE)[0] == 0.0
    assert buckets(SCORE)[-1] == 1.0
    assert len(buckets(SCORE)) == 21
    assert buckets(AMOUNT)[0] == 0.0
    free = buckets(Measure("x", "number"))
    assert free[0] == -free[-1]
    for bounds in (buckets(SCORE), buckets(AMOUNT), free):
        assert list(bounds) == sorted(set(bounds))


def test_a_model_that_collapses_shows_within_five_minutes_and_is_forgotten_later() -> None:
    tally = Classes(LABEL, Counts())
    window = Window(tally)
    assert window.top_share(0.0) is None
    tally.add(["yes", "no"] * 500, valid=True)
    assert window.top_share(30.0) == 0.5
    tally.add(["yes"] * 1000, valid=True)
    for now in range(60, 331, 30):
        window.top_share(float(now))
    assert window.top_share(340.0) == 1.0  # the even half has left the window
    tally.add(["no"] * 3000, valid=True)
    assert window.top_share(341.0) == pytest.approx(0.75)
    for now in range(360, 900, 30):
        window.top_share(float(now))
    assert window.top_share(900.0) is None
