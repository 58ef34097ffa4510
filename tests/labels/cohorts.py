"""Simulated cohorts of predictions, of which some have labels, chosen by their score; and the true figures of their world."""

from typing import Any, NamedTuple

import numpy as np

from guard.labels.classes import Sample, accuracy, ratios
from guard.labels.intervals import Figure
from guard.labels.numbers import Errors, figures
from guard.labels.scores import BINS, _bins, auc, brier, calibration_error, expected_accuracy

PREDICTIONS = 20_000
LABELS = 0.1


class World(NamedTuple):
    """Beta-distributed scores, whose outcome has the probability `logit⁻¹(slope·logit(score) + shift)`."""

    a: float
    b: float
    slope: float
    shift: float
    towards: float
    """How much likelier a prediction of score 1 gets a label than one of score 0."""


def cohort(random: Any, world: World) -> tuple[dict[str, Figure | None], dict[str, float]]:
    """The figures of one cohort, and the truth."""
    scores = np.round(random.beta(world.a, world.b, PREDICTIONS) * 255).astype(int)
    s = np.clip(scores / 255, 1e-3, 1 - 1e-3)
    p = 1 / (1 + np.exp(-(world.slope * np.log(s / (1 - s)) + world.shift)))
    predicted = (scores >= 128).astype(int)
    outcome = (random.random(PREDICTIONS) < p).astype(int)
    chance = 1 + (world.towards - 1) * scores / 255
    chosen = random.random(PREDICTIONS) < chance * LABELS / chance.mean()
    issued = _count(predicted, scores)
    labelled: dict[tuple[int, int], dict[int, int]] = {}
    keys, counts = np.unique(np.stack([predicted, scores, outcome])[:, chosen], axis=1, return_counts=True)
    for (class_, score, label), count in zip(keys.T.tolist(), counts.tolist(), strict=True):
        labelled.setdefault((class_, score), {})[label] = count
    sample = Sample(issued, labelled)
    found = ratios(sample, (1,))
    return (
        {
            "accuracy": accuracy(sample), "precision": found.precision, "recall": found.recall, "f1": found.f1,
            "brier": brier(sample, 1), "auc": auc(sample, 1), "calibration_error": calibration_error(sample, issued, 1),
            "expected_accuracy": expected_accuracy(issued, 1),
        },
        _truth(scores, p, predicted, issued),
    )  # fmt: skip


def _count(predicted: Any, scores: Any) -> dict[tuple[int, int], float]:
    keys, counts = np.unique(np.stack([predicted, scores]), axis=1, return_counts=True)
    return {(class_, score): float(count) for (class_, score), count in zip(keys.T.tolist(), counts.tolist(), strict=True)}


def _truth(scores: Any, p: Any, predicted: Any, issued: dict[tuple[int, int], float]) -> dict[str, float]:
    """The expected figures of this cohort's predictions."""
    right = np.where(predicted == 1, p, 1 - p)
    hit, both = (predicted * p).sum(), predicted.sum() + p.sum()
    levels = np.stack([np.bincount(scores, 1 - p, 256), np.bincount(scores, p, 256)])
    below = np.cumsum(levels[0]) - levels[0] / 2
    bins = np.asarray(_bins(issued))[scores]
    gaps = [(bins == number) for number in range(BINS)]
    squared = sum(own.mean() * (p[own] - scores[own] / 255).mean() ** 2 for own in gaps if own.any())
    return {
        "accuracy": right.mean(), "precision": hit / max(1, predicted.sum()), "recall": hit / p.sum(), "f1": 2 * hit / both,
        "brier": (p * (scores / 255 - 1) ** 2 + (1 - p) * (scores / 255) ** 2).mean(),
        "auc": (levels[1] * below).sum() / levels[0].sum() / levels[1].sum(),
        "calibration_error": squared ** 0.5,
        "expected_accuracy": np.where(predicted == 1, scores / 255, 1 - scores / 255).mean(),
    }  # fmt: skip


def numeric_cohort(random: Any, towards: float) -> tuple[dict[str, Figure | None], dict[str, float]]:
    """Errors of a numeric output that grow with the prediction."""
    place = random.integers(0, 256, PREDICTIONS)
    spread = 1 + place / 64
    error = random.normal(0.3, 1, PREDICTIONS) * spread
    chance = 1 + (towards - 1) * place / 255
    chosen = random.random(PREDICTIONS) < chance * LABELS / chance.mean()
    issued = {(0, level): float(count) for level, count in enumerate(np.bincount(place, minlength=256).tolist()) if count}
    sums = {}
    for level in range(256):
        own = error[(place == level) & chosen]
        if len(own):
            sums[0, level] = [len(own), own.sum(), (own**2).sum(), abs(own).sum(), (own**4).sum()]
    half_normal = 0.3 * _erf(0.3) + 2 * np.exp(-0.045) / (2 * np.pi) ** 0.5
    square = (spread**2).mean() * 1.09
    truth = {"mae": spread.mean() * half_normal, "rmse": square**0.5, "bias": 0.3 * spread.mean()}
    return figures(Errors(issued, sums)), truth


def _erf(value: float) -> float:
    from math import erf

    return erf(value / 2**0.5)
