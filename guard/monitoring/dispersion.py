"""D: how much more a signal's shares vary from block to block than independent trials would.

Positive dependence between requests lets the conditional mean wander, and the run length falls exponentially; ℓ/D
restores it to first order, with D = long-run variance ÷ binomial variance (Böhm, Hackl 1996). It is approximate, so it
is exported.

Blocks are of 1 second, 1 minute and 10 minutes. A season moves the share too, but slowly, and must not count as
dependence: so the variance is taken of second differences, from which a level and a linear trend are gone. With p₀, p₁,
p₂ the shares of a cell in three blocks of n₀, n₁, n₂ trials, N their sum, and p̄ the share in all three,

    D̂ = Σ Σ_c (p₀ − 2p₁ + p₂)²/(1/n₀ + 4/n₁ + 1/n₂) ÷ Σ Σ_c p̄(1 − p̄)·N/(N − 1),

summed over blocks and pooled over the signal's cells. It is 1 for independent trials. p̄ is local, so that a share
which moves for good, which is what is looked for, raises two terms and not all that follow. (The χ² of blocks around
the mean of their hour is 13 for independent rows at 200/s under a daily wave of ±6 points; this is 1.0.) The standard
error is D̂·√(3.9/terms): second differences of independent blocks have autocorrelations −2/3 and 1/6.

The shortest scale with 20 trials a block is the main one and counts as estimated; longer ones count by their lower limit of
two standard errors, since the largest of three noisy estimates is too large. D changes only between ticks, so it is known
before each bet: see `detector`.
"""

from array import array
from collections.abc import Sequence
from math import sqrt
from typing import Final

SECONDS: Final = (1, 60, 600)
FULL: Final = 20.0
"""Trials a block must hold in the mean for its scale to be the main one."""
FEWEST: Final = 10
"""Terms without which a scale is not asked."""
NOISE: Final = 3.9
SMALLEST: Final = 1.5
"""Trials that three blocks must hold for a variance to show."""


class Dispersion:
    """D of one signal with this many cells.

    `_blocks` holds, for each scale, a stretch of hits of each cell and trials of the block under way, then the cells'
    shares in the two blocks before and their trials. `_terms` holds, for each scale, the number of terms, the sums
    above and below, the blocks, their trials, and the number of the block under way.
    """

    __slots__ = ("_blocks", "_cells", "_terms", "value")

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._blocks = array("f", bytes(4 * len(SECONDS) * (3 * cells + 3)))
        self._terms = array("d", [0.0, 0.0, 0.0, 0.0, 0.0, -1.0] * len(SECONDS))
        self.value = 1.0
        """D in force, at least 1."""

    def add(self, hits: Sequence[float], trials: float, second: int) -> None:
        """Count one tick; `second` is a clock's that never goes back."""
        if trials <= 0.0:
            return
        blocks, cells = self._blocks, self._cells
        for scale, seconds in enumerate(SECONDS):
            number = float(second // seconds)
            start = scale * (3 * cells + 3)
            if number != self._terms[6 * scale + 5]:
                self._close(scale)
                self._terms[6 * scale + 5] = number
            blocks[start + cells] += trials
            for cell, x in enumerate(hits):
                if x:
                    blocks[start + cell] += x

    @property
    def known(self) -> bool:
        """Whether the main scale has terms enough."""
        return self._terms[6 * self._main()] >= FEWEST

    def estimate(self) -> float:
        """D̂ of the scales together, at least 1; see the module."""
        main = self._main()
        largest = 1.0
        for scale in range(len(SECONDS)):
            terms, above, below = self._terms[6 * scale : 6 * scale + 3]
            if terms >= FEWEST and below > 0.0:
                ratio = above / below
                largest = max(largest, ratio if scale == main else ratio * (1.0 - 2.0 * sqrt(NOISE / terms)))
        return largest

    def state(self) -> bytes:
        """Terms and sums; the blocks under way are not part of it."""
        return array("d", [*self._terms, self.value]).tobytes()

    def load(self, state: bytes) -> None:
        """Take up what `state` returned. ValueError where it does not fit."""
        figures = array("d", state)
        if len(figures) != len(self._terms) + 1:
            raise ValueError("the dispersion is of other scales")
        self._terms, self.value = figures[:-1], figures[-1]
        for scale in range(len(SECONDS)):
            self._terms[6 * scale + 5] = -1.0

    def _main(self) -> int:
        for scale in range(len(SECONDS)):
            blocks, trials = self._terms[6 * scale + 3], self._terms[6 * scale + 4]
            if blocks and trials >= FULL * blocks:
                return scale
        return len(SECONDS) - 1

    def _close(self, scale: int) -> None:
        """End the block under way: one more term, where two blocks went before it."""
        cells, blocks = self._cells, self._blocks
        start = scale * (3 * cells + 3)
        recent = start + cells + 1
        older = recent + cells
        sizes = older + cells
        n0, n1, n2 = blocks[start + cells], blocks[sizes], blocks[sizes + 1]
        if n0 <= 0.0:
            return
        total = n0 + n1 + n2
        compare = n1 > 0.0 and n2 > 0.0 and total > SMALLEST
        above = below = 0.0
        for cell in range(cells):
            p0, p1, p2 = blocks[start + cell] / n0, blocks[recent + cell], blocks[older + cell]
            if compare:
                above += (p0 - 2.0 * p1 + p2) ** 2
                mean = (n0 * p0 + n1 * p1 + n2 * p2) / total
                below += mean * (1.0 - mean)
            blocks[older + cell] = p1
            blocks[recent + cell] = p0
            blocks[start + cell] = 0.0
        terms, place = self._terms, 6 * scale
        if compare:
            terms[place] += 1.0
            terms[place + 1] += above / (1.0 / n0 + 4.0 / n1 + 1.0 / n2)
            terms[place + 2] += below * total / (total - 1.0)
        terms[place + 3] += 1.0
        terms[place + 4] += n0
        blocks[sizes], blocks[sizes + 1] = n0, n1
        blocks[start + cells] = 0.0
        self.value = self.estimate()
