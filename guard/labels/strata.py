"""Post-stratified means: labels stand for the predictions that are like them, however the labels were chosen.

Which predictions get labels often depends on their score (whoever is refused a loan never defaults). So predictions are
grouped by class and score, a group is weighted by what was issued and not by what was labelled, and

    mean       Σ W·m            W: share of the group among issued predictions, m: mean over its labels
    variance   Σ W²·s²/n + Σ W·(m - mean)²/N      s²: variance in the group, n its labels, N all issued predictions

(double sampling for stratification, Cochran, Sampling Techniques, §12.2). A figure that is no mean is linearised: its
influence values take the place of the values.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

LEAST: Final = 20
"""Labels of a group. Fewer would make its variance a guess."""
FINEST: Final = 100
"""Groups of all labels at most: a group has at least this part of them."""
TENTHS: Final = 10
NOTABLE: Final = 0.05
FEW: Final = 10
"""A tenth of a class's scores is `biased` with more than this share of predictions and fewer than so many labels."""

Place = tuple[int, int]
"""(class, score)."""


class Stratum(NamedTuple):
    """A group of alike predictions: how many were issued, and how many of them have a label."""

    issued: float
    labelled: int


class Strata:
    """The groups of one sample."""

    def __init__(self, issued: Mapping[Place, float], labelled: Mapping[Place, int]) -> None:
        """Both by (class, score); a place with labels counts as issued at least as often."""
        places = sorted({*issued, *labelled})
        counts = [
            (place, max(float(issued.get(place, 0)), float(labelled.get(place, 0))), labelled.get(place, 0))
            for place in places
        ]
        least = max(LEAST, sum(count for _, _, count in counts) // FINEST)
        self.of: dict[Place, int] = {}
        self.groups: list[Stratum] = []
        groups = _merged(counts, least)
        for number, members in enumerate(groups):
            for place, _, _ in members:
                self.of[place] = number
            self.groups.append(Stratum(sum(each[1] for each in members), sum(each[2] for each in members)))
        self.issued = sum(group.issued for group in self.groups if group.labelled) or 1.0
        self.labelled = sum(group.labelled for group in self.groups)
        self.weights = [group.issued / self.issued / group.labelled if group.labelled else 0.0 for group in self.groups]
        """The weight of one label of each group; over all labels their sum is 1."""

    def variance(self, sums: Sequence[tuple[float, float]]) -> float:
        """The variance of Σ weight·z. `sums`: for each group, Σz and Σz² over its labels."""
        total = sum(weight * first for weight, (first, _) in zip(self.weights, sums, strict=True))
        within = between = 0.0
        for group, (first, second) in zip(self.groups, sums, strict=True):
            if not group.labelled:
                continue
            share, mean = group.issued / self.issued, first / group.labelled
            spread = max(0.0, second / group.labelled - mean * mean)
            within += share * share * spread / max(1, group.labelled - 1)
            between += share * (mean - total) ** 2
        return within + between / self.issued


def _merged(counts: Iterable[tuple[Place, float, int]], least: int) -> list[list[tuple[Place, float, int]]]:
    """Neighbouring scores of one class together, until each group has its labels; small classes are one group."""
    groups: list[list[tuple[Place, float, int]]] = []
    small: list[tuple[Place, float, int]] = []
    by_class: dict[int, list[tuple[Place, float, int]]] = {}
    for each in counts:
        by_class.setdefault(each[0][0], []).append(each)
    for members in by_class.values():
        if sum(each[2] for each in members) < least:
            small += members
            continue
        own: list[list[tuple[Place, float, int]]] = [[]]
        have = 0
        for each in members:
            own[-1].append(each)
            have += each[2]
            if have >= least:
                own.append([])
                have = 0
        rest = own.pop()
        own[-1] += rest
        groups += own
    return groups + ([small] if small else [])


def tenth(score: int) -> int:
    """The tenth of a score, from 0."""
    return score * TENTHS >> 8


def biased(issued: Mapping[Place, float], labelled: Mapping[Place, int]) -> list[tuple[int, int, float, int]]:
    """(class, tenth, share, labels) of each tenth of scores with many predictions and few labels."""
    total = sum(issued.values())
    shares: dict[Place, float] = {}
    labels: dict[Place, int] = {}
    for (class_, score), count in issued.items():
        shares[class_, tenth(score)] = shares.get((class_, tenth(score)), 0.0) + count / total
    for (class_, score), count in labelled.items():
        labels[class_, tenth(score)] = labels.get((class_, tenth(score)), 0) + count
    return [
        (*place, share, labels.get(place, 0))
        for place, share in sorted(shares.items())
        if share > NOTABLE and labels.get(place, 0) < FEW
    ]
