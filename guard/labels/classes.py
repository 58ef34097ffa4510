"""Figures of predicted classes: confusion, accuracy, precision, recall and F1."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from guard.labels.intervals import Figure, share
from guard.labels.strata import Place, Strata


class Labelled(NamedTuple):
    """Labels of one cell: `times` predictions of this class and score whose label is `label`."""

    stratum: int
    class_: int
    score: int
    label: int
    times: int


class Sample:
    """Labelled cells with their weights."""

    def __init__(self, issued: Mapping[Place, float], labelled: Mapping[Place, Mapping[int, int]]) -> None:
        self.strata = Strata(issued, {place: sum(counts.values()) for place, counts in labelled.items()})
        self.cells = [
            Labelled(self.strata.of[place], *place, label, count)
            for place, counts in sorted(labelled.items())
            for label, count in sorted(counts.items())
            if count > 0
        ]
        self.weights = [self.strata.weights[each.stratum] * each.times for each in self.cells]
        """The share of all predictions that a cell stands for."""

    def mean(self, values: Sequence[float]) -> float:
        """The post-stratified mean of a value of each cell."""
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def variance(self, values: Sequence[float]) -> float:
        """The variance of that mean."""
        sums = [(0.0, 0.0)] * len(self.strata.groups)
        for each, value in zip(self.cells, values, strict=True):
            first, second = sums[each.stratum]
            sums[each.stratum] = (first + each.times * value, second + each.times * value * value)
        return self.strata.variance(sums)

    def effective(self, counted: Callable[[Labelled], float] = lambda _cell: 1.0) -> float:
        """Kish's effective number of labels, of the cells for which `counted` is 1."""
        total = squares = 0.0
        for each, weight in zip(self.cells, self.weights, strict=True):
            part = counted(each)
            total += weight * part
            squares += weight * weight / each.times * part
        return total * total / squares if squares > 0 else 0.0

    def values(self, of: Callable[[Labelled], float]) -> list[float]:
        """A value of each cell."""
        return [of(each) for each in self.cells]


def accuracy(sample: Sample) -> Figure | None:
    """Share of right predictions."""
    right = sample.values(lambda each: float(each.class_ == each.label))
    estimate = sample.mean(right)
    return share(estimate, sample.variance([value - estimate for value in right]), sample.effective())


def confusion(sample: Sample, classes: int) -> list[list[int]]:
    """Counts of labels: a row for each predicted class, a column for each label."""
    table = [[0] * classes for _ in range(classes)]
    for each in sample.cells:
        if each.class_ < classes and each.label < classes:
            table[each.class_][each.label] += each.times
    return table


class Ratios(NamedTuple):
    """Precision, recall and F1 of a class, or their means over all classes; None where nothing tells them."""

    precision: Figure | None
    recall: Figure | None
    f1: Figure | None


def ratios(sample: Sample, wanted: Sequence[int]) -> Ratios:
    """Precision, recall and F1 of one class; of several, their unweighted (macro) means."""
    return Ratios(
        _mean_ratio(sample, wanted, lambda each, k: float(each.class_ == k)),
        _mean_ratio(sample, wanted, lambda each, k: float(each.label == k)),
        _mean_ratio(sample, wanted, lambda each, k: ((each.class_ == k) + (each.label == k)) / 2, spared=2),
    )


def _mean_ratio(
    sample: Sample, wanted: Sequence[int], whole: Callable[[Labelled, int], float], spared: int = 1
) -> Figure | None:
    """Mean over classes of (right predictions of it) ÷ (`whole` of it), by the delta method.

    `spared`: how many labels one label is worth at most; F1 varies about half as much as a share.
    """
    influence = [0.0] * len(sample.cells)
    estimates: list[float] = []
    for k in wanted:
        bottoms = sample.values(lambda each, k=k: whole(each, k))  # type: ignore[misc]
        bottom = sample.mean(bottoms)
        if bottom <= 0:
            continue
        tops = sample.values(lambda each, k=k: float(each.class_ == k == each.label))  # type: ignore[misc]
        estimate = sample.mean(tops) / bottom
        estimates.append(estimate)
        for index, (top, part) in enumerate(zip(tops, bottoms, strict=True)):
            influence[index] += (top - estimate * part) / bottom
    if not estimates:
        return None
    known = len(estimates)
    most = sample.effective(lambda each: float(any(whole(each, k) > 0 for k in wanted)))
    return share(sum(estimates) / known, sample.variance([value / known for value in influence]), most * spared, most)
