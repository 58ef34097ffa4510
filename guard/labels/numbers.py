"""Figures of predicted numbers: mean absolute error, root of the mean square error, and mean error (bias)."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import TypeAlias

from guard.labels.intervals import Figure, normal
from guard.labels.strata import Place, Strata

Sums: TypeAlias = Sequence[float]
"""n, Σe, Σe², Σ|e|, Σe⁴ of errors e = prediction - label."""


class Errors:
    """Sums of errors by place, with their groups."""

    def __init__(self, issued: Mapping[Place, float], sums: Mapping[Place, Sums]) -> None:
        self.strata = Strata(issued, {place: round(own[0]) for place, own in sums.items()})
        self._sums = [[0.0] * 5 for _ in self.strata.groups]
        for place, own in sums.items():
            group = self._sums[self.strata.of[place]]
            for index, value in enumerate(own):
                group[index] += value

    def mean(self, first: int, second: int) -> tuple[float, float]:
        """The post-stratified mean of what sum `first` adds up, and its variance; `second` is the sum of its squares."""
        pairs = [(own[first], own[second]) for own in self._sums]
        estimate = sum(weight * pair[0] for weight, pair in zip(self.strata.weights, pairs, strict=True))
        return estimate, self.strata.variance(pairs)


def figures(errors: Errors) -> dict[str, Figure | None]:
    """MAE, RMSE and bias."""
    if not errors.strata.labelled:
        return {"mae": None, "rmse": None, "bias": None}
    square, spread = errors.mean(2, 4)
    return {"mae": normal(*errors.mean(3, 2), 0.0), "rmse": _root(square, spread), "bias": normal(*errors.mean(1, 2))}


def _root(square: float, variance: float) -> Figure | None:
    """The interval of the mean square, and the roots of its ends."""
    whole = normal(square, variance, 0.0)
    if whole is None:
        return None
    root: Callable[[float], float] = lambda value: sqrt(max(0.0, value))  # noqa: E731
    return Figure(root(whole.low), root(whole.estimate), root(whole.high))
