"""Sums and buckets: exact, bounded, and the same however values come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.telemetry import accumulators
from guard.telemetry.accumulators import Counter, Exemplar, Histogram, Instrument, Series

BOUNDS = (0.0, 1.0, 2.5)
ONE = Instrument("x", "counter", "{x}", "", ("a", "b"))
FINITE = st.floats(-10, 10)


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    histogram = Histogram(BOUNDS)
    for value in (-1.0, 0.0, 0.5, 1.0, 2.5, 2.6):
        histogram.record(value)
    assert histogram.counts == [2, 2, 1, 1]
    assert histogram.sum == 5.6


@given(st.lists(FINITE | st.sampled_from(BOUNDS), max_size=60))
def test_many_at_once_are_as_many_one_by_one(values: list[float]) -> None:
    together, alone = Histogram(BOUNDS), Histogram(BOUNDS)
    together.record_all(values)
    for value in values:
        alone.record(value)
    assert together.counts == alone.counts
    assert sum(together.counts) == len(values)
    assert abs(together.sum - alone.sum) < 1e-9


def test_integers_whose_sum_no_double_holds() -> None:
    histogram = Histogram(BOUNDS)
    histogram.record_all([10**308, 10**308])
    histogram.record_all([])
    assert (histogram.counts, histogram.sum) == ([0, 0, 0, 2], float("inf"))


def test_the_latest_exemplar_of_a_bucket_stays() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.5, 0.7, 9.0):
        histogram.exemplify(Exemplar(value, 1.0, 2, 3))
    assert {index: exemplar.value for index, exemplar in (histogram.exemplars or {}).items()} == {1: 0.7, 3: 9.0}


def test_the_same_labels_are_the_same_series() -> None:
    series = Series(ONE, Counter)
    series.bind(("1", "2")).value += 1
    series.bind(("1", "2")).value += 1
    assert [(labels, counter.value) for labels, counter in series] == [(("1", "2"), 2)]


@pytest.mark.source
def test_what_comes_too_late_shares_one_series(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(accumulators, "MOST_SERIES", 3)
    series = Series(ONE, Counter)
    for number in range(10):
        series.bind((str(number), "")).value += 1
    assert {labels: counter.value for labels, counter in series} == {("0", ""): 1, ("1", ""): 1, ("2", ""): 1, None: 7}
    assert (len(series), series.overflowed) == (3, 7)
    series.bind(("0", "")).value += 1  # who was there first still is


def test_dropping_makes_room() -> None:
    series = Series(ONE, Counter)
    for name in ("a", "b", "c"):
        series.bind((name, "x"))
    series.drop(lambda labels: labels[0] != "a", 0.0)
    assert [labels for labels, _ in series] == [("a", "x")]
