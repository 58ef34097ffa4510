r"""Evidence of pairs: whether a candidate is worse than the model that answers, judged after every pair.

A pair is one request that both answered. Its outcome X is +1 (the candidate is worse), 0 or -1 (it is better), and three
counts are kept: `worse` = a, `same` = z, `better` = b. An unsigned metric (the answers disagree) has no better one.

Two bets are made, each a mixture of K = 10 sizes with weights w_k proportional to 2^-(k+1):

    harm, against E[X | past] <= d:  sum w_k (1 + l_k (1-d))^a (1 - l_k d)^z (1 - l_k (1+d))^b
        l_k = 0.98 2^-k / (1+d), and 0.98 2^-k / d where the metric is unsigned
    safe, against E[X | past] >= d:  sum w_k (1 - m_k (1-d))^a (1 + m_k d)^z (1 + m_k (1+d))^b
        m_k = 0.98 2^-k / (1-d)

Each factor is non-negative and has a conditional mean of at most 1 under its null. So the product is a non-negative
supermartingale that begins at 1, and by Ville's inequality it ever reaches 1/alpha with probability alpha at most: looking
after each pair costs nothing (Ramdas and others, arXiv 2210.01948; Waudby-Smith and Ramdas, arXiv 2010.09686). It depends
on three sums, so order does not matter, a restart loses nothing, and sums of several replicas are added.

Arms of live traffic are not paired. Of all bad events at a share p, the candidate's part is at most
p0 = p(1+r) / (p(1+r) + 1-p) while it is at most r worse (Lindon and Malek, arXiv 2011.03567): `log_live`.
Segments to show are chosen by e-BH (Wang and Ramdas, arXiv 2009.02824) on the values of the moment.
"""

from collections.abc import Callable, Iterable, Sequence
from math import exp, log, log1p
from typing import Final, NamedTuple

BETS: Final = 10
BOLDEST: Final = 0.98
"""Largest bet as a part of what may be bet: a bet of all is lost at the first opposite outcome."""
FALSE_ALARM: Final = 0.01
FALSE_PASS: Final = 0.05
COVERAGE: Final = 0.05
"""One minus the coverage of intervals."""
_STEPS: Final = 60
_HALVES: Final = tuple(2.0**-k for k in range(BETS))
_LOG_WEIGHTS: Final = tuple(log(half / sum(_HALVES)) for half in _HALVES)


class Pairs(NamedTuple):
    """Counts of paired outcomes. They may be expectations, and then are not whole."""

    worse: float = 0
    same: float = 0
    better: float = 0

    @property
    def total(self) -> float:
        """The number of pairs."""
        return self.worse + self.same + self.better

    @property
    def mean(self) -> float:
        """The excess of worse pairs over better ones, as a share of all pairs."""
        return (self.worse - self.better) / self.total if self.total else 0.0

    def plus(self, other: "Pairs") -> "Pairs":
        """The counts of both."""
        return Pairs(self.worse + other.worse, self.same + other.same, self.better + other.better)


def log_harm(pairs: Pairs, delta: float, *, signed: bool = True) -> float:
    """The logarithm of the evidence that the candidate is worse by more than `delta`. Unsigned: `delta` above 0."""
    sizes = [BOLDEST * half / (1 + delta if signed else delta) for half in _HALVES]
    return _mixture(
        pairs.worse * log1p(size * (1 - delta))
        + pairs.same * log1p(-size * delta)
        + (pairs.better * log1p(-size * (1 + delta)) if signed else 0.0)
        for size in sizes
    )


def log_safe(pairs: Pairs, delta: float) -> float:
    """The logarithm of the evidence that the candidate is worse by less than `delta`."""
    sizes = [BOLDEST * half / (1 - delta) for half in _HALVES]
    return _mixture(
        pairs.worse * log1p(-size * (1 - delta))
        + pairs.same * log1p(size * delta)
        + pairs.better * log1p(size * (1 + delta))
        for size in sizes
    )


def log_live(steps: Iterable[tuple[int, int, float]], ratio: float) -> float:
    """The logarithm of the evidence that the candidate's arm has more than its part of the bad events.

    Each step: bad events of the candidate, of both arms, and the share at that time. `ratio`: the tolerated r.
    """
    return sum(_log_step(candidate, both, share * (1 + ratio) / (share * ratio + 1)) for candidate, both, share in steps)


def _log_step(candidate: int, both: int, part: float) -> float:
    rest = 1 - part
    return _mixture(
        candidate * log((part + rest * half / 2) / part) + (both - candidate) * log1p(-half / 2) for half in _HALVES
    )


def interval(pairs: Pairs, *, signed: bool = True, alpha: float = COVERAGE) -> tuple[float, float]:
    """A confidence interval of the mean outcome, valid at every moment at once."""
    wall = log(2 / alpha)
    least, mean = -1.0 if signed else 0.0, pairs.mean
    low = _edge(least, mean, lambda delta: log_harm(pairs, delta, signed=signed) >= wall)
    high = _edge(1.0, mean, lambda delta: log_safe(pairs, delta) >= wall)
    return low, high


def e_bh(logs: Sequence[float], alpha: float) -> frozenset[int]:
    """The places of the values that e-BH reports, with a false discovery rate of at most `alpha`."""
    order = sorted(range(len(logs)), key=lambda index: -logs[index])
    last = max((k for k, index in enumerate(order, 1) if logs[index] >= log(len(logs) / (k * alpha))), default=0)
    return frozenset(order[:last])


def _edge(outside: float, inside: float, refuted: Callable[[float], bool]) -> float:
    """The last refuted value on the way from `outside`, which is never tried itself, to `inside`."""
    for _ in range(_STEPS):
        middle = (outside + inside) / 2
        if middle in {outside, inside}:
            break
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _mixture(logs: Iterable[float]) -> float:
    terms = [weight + term for weight, term in zip(_LOG_WEIGHTS, logs, strict=True)]
    top = max(terms)
    return top + log(sum(exp(term - top) for term in terms))
