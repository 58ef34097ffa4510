"""A figure with its 95 % interval."""

from math import inf, isfinite, sqrt
from typing import Final, NamedTuple

Z: Final = 1.959964
"""The normal quantile of 95 %, two-sided."""


class Figure(NamedTuple):
    """An estimate between the ends of its interval."""

    low: float
    estimate: float
    high: float

    def document(self) -> dict[str, float]:
        """The figure as JSON."""
        return {"low": _rounded(self.low), "estimate": _rounded(self.estimate), "high": _rounded(self.high)}


def share(estimate: float, variance: float, most: float, none: float | None = None) -> Figure | None:
    """A figure from 0 to 1, by Wilson's interval with an effective number of labels; None without labels.

    `most`: the highest effective number of labels. It is `none` where no label tells how the figure varies, as with a
    perfect one: then the interval is that of so many labels which all agree.
    """
    if most <= 0 or not isfinite(estimate):
        return None
    p = min(1.0, max(0.0, estimate))
    spread = p * (1 - p)
    certain = most if none is None else none
    n = min(most, spread / variance) if variance > 0 and spread > 0 else certain
    n = max(n, 1e-6)
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(spread / n + Z * Z / (4 * n * n))
    return Figure(max(0.0, min(p, centre - half)), p, min(1.0, max(p, centre + half)))


def normal(estimate: float, variance: float, least: float = -inf) -> Figure | None:
    """A figure by its normal interval, not below `least`; None where it cannot be told."""
    if not (isfinite(estimate) and isfinite(variance)):
        return None
    half = Z * sqrt(max(0.0, variance))
    return Figure(max(least, estimate - half), estimate, estimate + half)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
