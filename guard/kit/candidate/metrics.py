"""Metrics of one model over labelled rows, each with a 95 % interval.

Shares have Wilson's interval. AUC has Newcombe's (Statistics in Medicine 25, 2006, method 5), which stays sensible near 1.
The Brier score is a mean, with the normal interval. The calibration error is the mean distance between score and observed
frequency over ten bins of equal width; its interval adds Wilson's half width of each bin, and is wide on purpose.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
BINS: Final = 10


class Metric(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, total: int) -> Metric:
    """A share and its interval; `total` above 0."""
    share, square = hits / total, Z * Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return Metric(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def auc(scores: Sequence[float], positive: Sequence[bool]) -> Metric | None:
    """The probability that a positive row has the higher score; None where a class has no row."""
    m = sum(positive)
    n = len(positive) - m
    if not m or not n:
        return None
    area = (_rank_sum(scores, positive) - m * (m + 1) / 2) / (m * n)
    spread = (m + n) / 2 - 1

    def variance(value: float) -> float:
        return value * (1 - value) * (1 + spread * (1 - value) / (2 - value) + spread * value / (1 + value)) / (m * n)

    def outside(value: float) -> bool:
        return (value - area) ** 2 > Z * Z * variance(value)

    return Metric(area, _edge(0.0, area, outside), _edge(1.0, area, outside))


def brier(scores: Sequence[float], positive: Sequence[bool]) -> Metric | None:
    """The mean squared distance between score and truth; None without rows."""
    if not scores:
        return None
    errors = [(score - truth) ** 2 for score, truth in zip(scores, positive, strict=True)]
    mean = sum(errors) / len(errors)
    half = Z * sqrt(sum((error - mean) ** 2 for error in errors)) / len(errors)
    return Metric(mean, max(0.0, mean - half), min(1.0, mean + half))


def calibration_error(scores: Sequence[float], positive: Sequence[bool]) -> Metric | None:
    """The expected calibration error; None without rows."""
    if not scores:
        return None
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for score, truth in zip(scores, positive, strict=True):
        bins[min(BINS - 1, max(0, int(score * BINS)))].append((score, truth))
    error = half = 0.0
    for rows in filter(None, bins):
        weight = len(rows) / len(scores)
        observed = wilson(sum(truth for _, truth in rows), len(rows))
        error += weight * abs(sum(score for score, _ in rows) / len(rows) - observed.value)
        half += weight * (observed.high - observed.low) / 2
    return Metric(error, max(0.0, error - half), min(1.0, error + half))


def _rank_sum(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The sum of the ranks of the positive rows; equal scores share their mean rank."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    total, begin = 0.0, 0
    while begin < len(order):
        end = begin
        while end < len(order) and scores[order[end]] == scores[order[begin]]:
            end += 1
        total += (begin + end + 1) / 2 * sum(positive[index] for index in order[begin:end])
        begin = end
    return total


def _edge(far: float, near: float, outside: Callable[[float], bool]) -> float:
    for _ in range(60):
        middle = (far + near) / 2
        far, near = (middle, near) if outside(middle) else (far, middle)
    return near
