"""Metrics of labelled rows against their definitions, and intervals that stay sensible at the ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kit.candidate.metrics import auc, brier, calibration_error, wilson

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(ROWS)
def test_the_auc_is_the_share_of_pairs_in_order(rows: list[tuple[float, bool]]) -> None:
    scores, truths = [score for score, _ in rows], [truth for _, truth in rows]
    positives = [score for score, truth in rows if truth]
    negatives = [score for score, truth in rows if not truth]
    found = auc(scores, truths)
    if not positives or not negatives:
        assert found is None
        return
    assert found is not None
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert found.value == pytest.approx(wins / len(positives) / len(negatives))
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


def test_the_interval_of_a_perfect_auc_is_narrow() -> None:
    found = auc([0.1] * 200 + [0.9] * 200, [False] * 200 + [True] * 200)
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.9 < found.low < 1


@given(ROWS)
def test_errors_are_within_their_intervals(rows: list[tuple[float, bool]]) -> None:
    scores, truths = [score for score, _ in rows], [truth for _, truth in rows]
    for found in (brier(scores, truths), calibration_error(scores, truths)):
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_known_values() -> None:
    assert brier([0.0, 1.0], [True, True]) == pytest.approx((0.5, 0.0, 1.0))
    found = calibration_error([0.75] * 100, [True] * 50 + [False] * 50)
    assert found is not None
    assert found.value == pytest.approx(0.25)
    assert brier([], []) is None
    assert calibration_error([], []) is None


@given(st.integers(1, 1000), st.data())
def test_a_share_is_within_its_interval(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    found = wilson(hits, total)
    assert 0 <= found.low <= found.value <= found.high <= 1
