"""Intervals hold the truth as often as they say, in simulated cohorts; and figures agree with another maker's."""

from collections import Counter

import numpy as np
import pytest
from sklearn import metrics

from guard.labels.classes import Sample, accuracy, ratios
from guard.labels.intervals import share
from guard.labels.scores import auc, brier, calibration_error
from tests.labels.cohorts import World, cohort, numeric_cohort

ROUNDS = 60
"""Cohorts a world; several hundred have been run by hand."""
LEAST = 0.86
"""Lowest coverage that these rounds may show: of 95 %, three standard errors less."""
WORLDS = {
    "broad": World(2, 2, 1.5, 0.3, 4),
    "rare": World(0.6, 8, 1, 0, 10),
    "perfect": World(0.05, 0.05, 6, 0, 3),
}


@pytest.mark.parametrize("name", WORLDS)
def test_intervals_of_classes_hold_the_truth(name: str) -> None:
    random, hits = np.random.default_rng(1), Counter[str]()
    for _ in range(ROUNDS):
        figures, truth = cohort(random, WORLDS[name])
        for figure, found in figures.items():
            hits[figure] += found is not None and found.low - 1e-9 <= truth[figure] <= found.high + 1e-9
    assert {figure: count for figure, count in hits.items() if count < LEAST * ROUNDS} == {}
    assert len(hits) == 8


def test_intervals_of_numbers_hold_the_truth() -> None:
    random, hits = np.random.default_rng(1), Counter[str]()
    for _ in range(ROUNDS):
        figures, truth = numeric_cohort(random, 4)
        for figure, found in figures.items():
            hits[figure] += found is not None and found.low <= truth[figure] <= found.high
    assert {figure: count for figure, count in hits.items() if count < LEAST * ROUNDS} == {}


def test_figures_of_full_labels_are_scikit_learns() -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, 256, 3000)
    truth = (random.random(3000) < scores / 255).astype(int)
    predicted = (scores > 127).astype(int)
    labelled: dict[tuple[int, int], dict[int, int]] = {}
    for class_, score, label in zip(predicted.tolist(), scores.tolist(), truth.tolist(), strict=True):
        own = labelled.setdefault((class_, score), {})
        own[label] = own.get(label, 0) + 1
    sample = Sample({place: float(sum(counts.values())) for place, counts in labelled.items()}, labelled)
    found = ratios(sample, (1,))
    pairs = (
        (accuracy(sample), metrics.accuracy_score(truth, predicted)),
        (found.precision, metrics.precision_score(truth, predicted)),
        (found.recall, metrics.recall_score(truth, predicted)),
        (found.f1, metrics.f1_score(truth, predicted)),
        (brier(sample, 1), metrics.brier_score_loss(truth, scores / 255)),
        (auc(sample, 1), metrics.roc_auc_score(truth, scores)),
    )
    for figure, expected in pairs:
        assert figure is not None
        assert figure.estimate == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("wrong", "least"), [(0, 0.97), (1, 0.95), (3, 0.9)])
def test_the_interval_of_a_nearly_perfect_auc_is_narrow(wrong: int, least: float) -> None:
    """Perfect separation, and with a few labels on the other side."""
    labelled = {(0, 10): {0: 500 - wrong, 1: wrong}, (1, 250): {1: 500 - wrong, 0: wrong}}
    figure = auc(Sample({(0, 10): 5000.0, (1, 250): 5000.0}, labelled), 1)
    assert figure is not None
    assert least < figure.low <= figure.estimate <= figure.high <= 1.0


@pytest.mark.parametrize("labels", [{}, {(1, 255): {1: 1}}, {(1, 255): {1: 5}}, {(0, 0): {0: 1}, (1, 255): {1: 1}}])
def test_few_labels_give_wide_intervals_or_none(labels: dict[tuple[int, int], dict[int, int]]) -> None:
    issued = {(0, 0): 1000.0, (1, 255): 1000.0}
    sample = Sample(issued, labels)
    for figure in (accuracy(sample), auc(sample, 1), brier(sample, 1), *ratios(sample, (1,))):
        assert figure is None or (0.0 <= figure.low <= figure.estimate <= figure.high <= 1.0 and figure.low < 0.9)
    error = calibration_error(sample, issued, 1)
    assert error is None or 0.0 <= error.low <= error.estimate <= error.high


def test_tiny_and_huge_variances_raise_nothing() -> None:
    for variance in (0.0, 5e-324, 1e-300, 1e300, float("inf")):
        for estimate in (0.0, 1e-300, 0.5, 1 - 1e-16, 1.0):
            figure = share(estimate, variance, 1e12, 5)
            assert figure is None or 0.0 <= figure.low <= figure.estimate <= figure.high <= 1.0
