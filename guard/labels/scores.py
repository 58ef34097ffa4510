"""Figures of scores: Brier score, calibration error, area under the ROC curve, and the accuracy that scores promise."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final

from guard.labels.classes import Labelled, Sample
from guard.labels.intervals import Figure, Z, share
from guard.labels.layout import SCORES
from guard.labels.strata import Place

BINS: Final = 15
"""Bins of the calibration error, of equal mass."""
TOO_SMALL: Final = 1.12
"""The variance of the area is a little too small where positives are rare: in simulations 95 % were 92.8 %."""
MANY: Final = 1e12
"""No bound of the effective number of labels: squares vary less than what is right or wrong."""


def outcome(each: Labelled, positive: int) -> float:
    """Whether the label is `positive`; if that is -1, whether the predicted class is right. A score is its probability."""
    return float(each.label == (positive if positive >= 0 else each.class_))


def probability(score: int) -> float:
    """The probability that a score stands for."""
    return score / (SCORES - 1)


def brier(sample: Sample, positive: int) -> Figure | None:
    """Mean of (score - outcome)², from 0 to 1."""
    squares = sample.values(lambda each: (probability(each.score) - outcome(each, positive)) ** 2)
    estimate = sample.mean(squares)
    return share(estimate, sample.variance([value - estimate for value in squares]), MANY, sample.effective())


def auc(sample: Sample, positive: int) -> Figure | None:
    """Probability that a positive scores above a negative, ties counted half; by the variance of DeLong, on 256 levels."""
    levels = [[0.0, 0.0] for _ in range(SCORES)]
    for each, weight in zip(sample.cells, sample.weights, strict=True):
        levels[each.score][int(outcome(each, positive))] += weight
    negatives, positives = sum(level[0] for level in levels), sum(level[1] for level in levels)
    if negatives <= 0 or positives <= 0:
        return None
    placed: list[
        tuple[float, float]
    ] = []  # share of the other kind that a level ranks right: (of a negative, of a positive)
    below = below_positive = 0.0
    for negative, positive_ in levels:
        placed.append((1 - (below_positive + positive_ / 2) / positives, (below + negative / 2) / negatives))
        below += negative
        below_positive += positive_
    estimate = sum(level[1] * place[1] for level, place in zip(levels, placed, strict=True)) / positives

    def influence(each: Labelled) -> float:
        kind = int(outcome(each, positive))
        return (placed[each.score][kind] - estimate) / (positives if kind else negatives)

    of_positives = sample.effective(lambda each: outcome(each, positive))
    of_negatives = sample.effective(lambda each: 1 - outcome(each, positive))
    variance = TOO_SMALL * sample.variance(sample.values(influence))
    return share(estimate, variance, of_positives + of_negatives, min(of_positives, of_negatives))


def calibration_error(sample: Sample, issued: Mapping[Place, float], positive: int) -> Figure | None:
    """Root of the mean square of (frequency - score) over bins of equal mass, without the bias of few labels (Kumar 2019).

    A bin's squared difference is too large by the variance of its frequency, which is subtracted.
    """
    if not sample.cells:
        return None
    bin_of = _bins(issued)
    total = variance = 0.0
    for number in range(BINS):
        inside = [float(bin_of[each.score] == number) for each in sample.cells]
        weight = sample.mean(inside)
        if weight <= 0:
            continue
        gaps = sample.values(lambda each: outcome(each, positive) - probability(each.score))
        gap = sample.mean([part * value for part, value in zip(inside, gaps, strict=True)]) / weight
        own = sample.variance([part * (value - gap) / weight for part, value in zip(inside, gaps, strict=True)])
        labels = sum(each.times for each, part in zip(sample.cells, inside, strict=True) if part)
        if own <= 0:  # every label of the bin agrees: as uncertain as one more label of the other kind makes it
            mean = (labels * (gap * gap) ** 0.5 + 1) / (labels + 2)
            own = mean * (1 - mean) / (labels + 2) if 0 < mean < 1 else 1 / (labels + 2) ** 2
        square = gap * gap
        total += weight * (square - own)
        variance += weight * weight * max(4 * own * square - 2 * own * own, 2 * own * own)
    half = Z * sqrt(variance)
    return Figure(sqrt(max(0.0, total - half)), sqrt(max(0.0, total)), sqrt(max(0.0, total + half)))


def reliability(sample: Sample, issued: Mapping[Place, float], positive: int) -> list[dict[str, float | int]]:
    """A row for each bin: the mean score, the frequency of the outcome, and the number of labels."""
    bin_of = _bins(issued)
    table: list[dict[str, float | int]] = []
    for number in range(BINS):
        members = [pair for pair in zip(sample.cells, sample.weights, strict=True) if bin_of[pair[0].score] == number]
        weight = sum(own for _, own in members)
        if weight > 0:
            table.append({
                "score": round(sum(own * probability(each.score) for each, own in members) / weight, 4),
                "frequency": round(sum(own * outcome(each, positive) for each, own in members) / weight, 4),
                "labels": sum(each.times for each, _ in members),
            })  # fmt: skip
    return table


def _bins(issued: Mapping[Place, float]) -> Sequence[int]:
    """The bin of each score: fifteen with about as many issued predictions each."""
    levels = [0.0] * SCORES
    for (_, score), count in issued.items():
        levels[score] += count
    whole, before, bins = sum(levels) or 1.0, 0.0, []
    for level in levels:
        bins.append(min(BINS - 1, int((before + level / 2) / whole * BINS)))
        before += level
    return bins


def expected_accuracy(issued: Mapping[Place, float], positive: int) -> Figure | None:
    """The accuracy that the scores promise, without any label (CBPE): the mean probability of the predicted class."""
    total = sum(issued.values())
    if total <= 0:
        return None
    mean = spread = 0.0
    for (class_, score), count in issued.items():
        own = probability(score)
        if 0 <= positive != class_:
            own = 1 - own
        mean += count * own
        spread += count * own * (1 - own)
    half = Z * sqrt(spread) / total
    mean /= total
    return Figure(max(0.0, mean - half), mean, min(1.0, mean + half))
