"""The Shiryaev–Roberts e-detector: evidence that a cell's share has left its band, with a run length that is a number.

Shares live on the scale θ(p) = 2·asin √p, where a distance |θ₁ − θ₀| is Cohen's h (0.2 small, 0.5 medium, 0.8 large;
Cohen 1988, §6.2) and equal distances cost equal delay: KL ≈ h²/2. S(θ) = sin²(clamp(θ, 0, π)/2) goes back.

- **Null**: the conditional mean of a cell's indicator, given the past, stays within [b−, b+]. A band holds the reference,
  what the operator tolerates and what the reference does not know: b± = S(θ(p̂) ± u), clipped to [10⁻⁶, 1 − 10⁻⁶].
- **Bet**: q = S(θ(b) ± hₖ), hₖ in `STEPS`. For x hits in n trials, both of which may be fractions,
      ℓ = (x·ln(q/b) + (n − x)·ln((1 − q)/(1 − b))) / D.
  eˡ is convex in x, so E[eˡ | past] ≤ E[x]·q/b + (1 − E[x])·(1 − q)/(1 − b) ≤ 1 while E[x | past] ≤ b (upwards; downwards
  the mirror image), for every variable in [0, 1], not only for indicators. D ≥ 1, known before the tick, tempers a bet
  whose trials depend on each other; by Jensen's inequality a tempered bet stays a bet.
- **Tick**: R ← eˡ·(R + 1), R₀ = 0 (Shiryaev–Roberts). R − (number of ticks) is a supermartingale, whatever the dependence.
- **Evidence** of a route: E = Σ wᵢ·Rᵢ over all bets of all signals, Σ wᵢ ≤ 1, fixed beforehand. A mixture needs no
  independence. At the alarm, E ≥ A, optional stopping gives A ≤ E[E_T] ≤ E[T]: the mean number of ticks to a false alarm is
  at least A, in finite samples (Shin, Ramdas, Rinaldo 2024, "E-detectors", arXiv 2203.03532).
- **Blame**: signals ranked by their own mixture M; named are the first k* = max{k : M₍ₖ₎ ≥ A·S/k} of S (e-d-BH, arXiv
  2501.04130), at least the first.
- **Onset**: the last tick at which the winning bet's CUSUM, S ← max(S, 0) + ℓ, was not above 0 (Page 1954).

R is held in the linear domain: one exponential a bet and tick. Products are capped at `CAP`, far above any threshold; a cap
only lowers R, which keeps the law. Where bets meet the cap together, the CUSUM, which is in the log domain, ranks them.
"""

import hashlib
import sys
from array import array
from collections.abc import Sequence
from math import asin, exp, log, pi, sin, sqrt
from typing import Final, NamedTuple

STEPS: Final[tuple[float, ...]] = (0.075, 0.16, 0.32, 0.64, 1.28)
"""Distances, in Cohen's h beyond the band, of the shifts that are bet on. A factor 2 keeps at least 83 % of the best
growth. Measured against 0.1 … 1.6: a shift of 10 points is seen up to 3 % sooner, one of 5 points 16 % sooner, a
collapse as soon.
"""
STAKES: Final[tuple[float, ...]] = (0.2, 0.4, 0.2, 0.1, 0.1)
"""The share of a cell's weight that each step gets. A nat costs 1/KL rows, so weight goes to where rows are dear."""
SIZES: Final = 5
"""Number of steps."""
EDGE: Final = 1e-6
"""Shares are clipped to [EDGE, 1 − EDGE]."""
CAP: Final = 1e250
ROUNDING: Final = 1.2e-7
"""More than the relative error of single precision, 6·10⁻⁸."""
STEEP: Final = 575.0
"""The largest ℓ of one tick that is told apart: its exponential is near CAP."""
DISPERSION_LIMIT: Final = 50.0
"""Above this, a signal's trials depend on each other so strongly that nothing can be promised: it is not armed."""


def theta(share: float) -> float:
    """2·asin √p: the angle of a share, 0 to π. Differences of angles are Cohen's h."""
    return 2.0 * asin(sqrt(min(max(share, 0.0), 1.0)))


def share_of(angle: float) -> float:
    """sin²(θ/2): the share of an angle, clipped to [EDGE, 1 − EDGE]."""
    share = sin(min(max(angle, 0.0), pi) / 2.0) ** 2
    return min(max(share, EDGE), 1.0 - EDGE)


def log_bet(bound: float, bet: float) -> tuple[float, float]:
    """ln(q/b) for a hit and ln((1 − q)/(1 − b)) for a miss, of a bet on `bet` against `bound`."""
    return log(bet / bound), log((1.0 - bet) / (1.0 - bound))


class Band(NamedTuple):
    """The angles between which a cell's share is as it should be."""

    low: float
    high: float


class Suspect(NamedTuple):
    """A signal named by an alarm, with its winning bet. Trials and hits are those since the onset."""

    signal: str
    cell: str
    mixture: float
    """The signal's own evidence, its weight set to 1."""
    upwards: bool
    onset: int
    """The last tick at which nothing spoke for the shift."""
    hits: float
    trials: float


class SignalEvidence:
    """The bets of one signal. `cells` names each cell; with `upwards_only` their shares may fall without alarm.

    The weight is split evenly among the cells' directions, and there by `STAKES`. Disarmed until `arm` is called. Bet i is
    on step i mod 5; five bets are a direction; upwards comes first. 32 bytes a bet: `growth` (R), `_onset`, and in
    `_narrow`, one stretch after the other, ln(q/b), ln((1 − q)/(1 − b)), the CUSUM, and hits and trials since the onset.
    The logarithms are rounded down to single precision, so a bet is never bolder than its formula.
    """

    __slots__ = (
        "_directions", "_narrow", "_onset", "armed", "bets", "cells", "dispersion", "growth", "mixture", "name", "weight",
    )  # fmt: skip

    def __init__(self, name: str, weight: float, cells: Sequence[str], *, upwards_only: bool = False) -> None:
        self.name = name
        self.weight = weight
        self.cells = tuple(cells)
        self.dispersion = 1.0
        self.mixture = 0.0
        self._directions = 1 if upwards_only else 2
        self.bets = len(self.cells) * self._directions * SIZES
        self.armed = False
        """Whether any bet is on. A bet is off where its first logarithm is 0."""
        self.growth = array("d", bytes(8 * self.bets))
        self._narrow = array("f", bytes(4 * 5 * self.bets))
        self._onset = array("I", bytes(4 * self.bets))

    def arm(self, bands: Sequence[Band | None], dispersion: float) -> None:
        """Bet against these bands, one for each cell (None: the cell is not armed), from the next tick on.

        Bets that were on keep their evidence: a null may move, as long as it is known before the tick. A bet without room
        between its bound and the end of the scale is off and its evidence is dropped.
        """
        self.dispersion = max(1.0, dispersion)
        self.armed = False
        for i in range(self.bets):
            band = None if dispersion > DISPERSION_LIMIT else bands[self._place(i)]
            if band is not None:
                up = self._upwards(i)
                step = STEPS[i % SIZES]
                bound = share_of(band.high if up else band.low)
                bet = share_of(band.high + step if up else band.low - step)
                if (bet > bound) if up else (bet < bound):
                    hit, miss = log_bet(bound, bet)
                    self._narrow[i] = hit - ROUNDING * abs(hit)
                    self._narrow[self.bets + i] = miss - ROUNDING * abs(miss)
                    self.armed = True
                    continue
            self._narrow[i] = 0.0
            self._clear(i)
        self._mix()

    def disarm(self) -> None:
        """Turn every bet off and drop its evidence."""
        self.arm([None] * len(self.cells), self.dispersion)

    def reset(self) -> None:
        """Drop the evidence of every bet; they stay on."""
        for i in range(self.bets):
            self._clear(i)
        self.mixture = 0.0

    def tick(self, hits: Sequence[float], trials: float, at: int) -> float:
        """Count one tick: `hits` of each cell in `trials`. Without trials it is skipped. Returns the mixture.

        `at` is the tick's number, 0 to 2³² − 1, and never falls.
        """
        if trials <= 0.0 or not self.armed:
            return self.mixture
        tempering = 1.0 / self.dispersion
        growth, narrow, bets, width = self.growth, self._narrow, self.bets, self._directions * SIZES
        total = 0.0
        for i in range(bets):
            hit = narrow[i]
            if hit == 0.0:
                continue
            x = hits[i // width]
            gain = x * hit + (trials - x) * narrow[bets + i]
            tempered = gain * tempering
            value = CAP if tempered > STEEP else exp(tempered) * (growth[i] + 1.0)
            if value > CAP:  # noqa: PLR1730 — a call of min costs a tenth of a tick
                value = CAP
            growth[i] = value
            total += STAKES[i % SIZES] * value
            at_cusum = 2 * bets + i
            before = narrow[at_cusum]
            if before > 0.0:
                gain += before
                narrow[at_cusum + bets] += x
                narrow[at_cusum + 2 * bets] += trials
            elif gain > 0.0:
                narrow[at_cusum + bets] = x
                narrow[at_cusum + 2 * bets] = trials
            if gain <= 0.0:
                gain = 0.0
                self._onset[i] = at
            narrow[at_cusum] = gain
        self.mixture = total * SIZES / bets
        return self.mixture

    def winner(self) -> Suspect:
        """The signal with its strongest bet."""
        bets, narrow = self.bets, self._narrow
        i = max(range(bets), key=lambda i: (self.growth[i], narrow[2 * bets + i]))
        hits, trials = narrow[3 * bets + i], narrow[4 * bets + i]
        return Suspect(self.name, self.cells[self._place(i)], self.mixture, self._upwards(i), self._onset[i], hits, trials)

    def cell_evidence(self) -> list[float]:
        """The largest R of each cell's bets: which cells moved."""
        best = [0.0] * len(self.cells)
        for i in range(self.bets):
            place = self._place(i)
            best[place] = max(best[place], self.growth[i])
        return best

    def strength(self) -> tuple[float, float]:
        """The rank of a signal: its mixture; among signals at the cap, the largest CUSUM."""
        largest = max(self._narrow[2 * self.bets : 3 * self.bets], default=0.0)
        return min(self.mixture, CAP * 1e-10), largest / self.dispersion

    def state(self) -> bytes:
        """Evidence and onsets, exactly. `load` of a signal of the same shape reads it."""
        return self.growth.tobytes() + self._onset.tobytes() + self._narrow[2 * self.bets :].tobytes()

    def load(self, state: bytes) -> None:
        """Take up what `state` returned; bets that are off get none. ValueError where its length is wrong."""
        bets = self.bets
        if len(state) != 24 * bets:
            raise ValueError(f"evidence of {self.name}: {len(state)} bytes do not fit {bets} bets")
        self.growth = array("d", state[: 8 * bets])
        self._onset = array("I", state[8 * bets : 12 * bets])
        self._narrow = self._narrow[: 2 * bets] + array("f", state[12 * bets :])
        for i in range(bets):
            if self._narrow[i] == 0.0:
                self._clear(i)
        self._mix()

    def shape(self) -> str:
        """The properties that must be equal for a state to fit: names, weight, and the order of the bets."""
        return repr((self.name, self.weight, self.cells, self._directions, STEPS, STAKES, sys.byteorder))

    def _place(self, i: int) -> int:
        return i // (self._directions * SIZES)

    def _upwards(self, i: int) -> bool:
        return self._directions == 1 or i // SIZES % 2 == 0

    def _mix(self) -> None:
        total = sum(STAKES[i % SIZES] * growth for i, growth in enumerate(self.growth))
        self.mixture = total * SIZES / self.bets if self.bets else 0.0

    def _clear(self, i: int) -> None:
        self.growth[i] = 0.0
        self._onset[i] = 0
        for stretch in (2, 3, 4):
            self._narrow[stretch * self.bets + i] = 0.0


class Detector:
    """The evidence of a route. `threshold` is A: ticks per allowed false alarm, times routes, times replicas.

    ValueError where the signals' weights add up to more than 1.
    """

    __slots__ = ("evidence", "signals", "threshold")

    def __init__(self, signals: Sequence[SignalEvidence], threshold: float) -> None:
        if sum(signal.weight for signal in signals) > 1.0 + 1e-9:
            raise ValueError("the weights of a route's signals add up to more than 1")
        self.signals = tuple(signals)
        self.threshold = threshold
        self.evidence = 0.0

    def tick(self, hits: Sequence[Sequence[float]], trials: Sequence[float], at: int) -> bool:
        """Count one tick of every signal, in their order. Returns whether the evidence reaches the threshold."""
        evidence = 0.0
        for place, signal in enumerate(self.signals):
            evidence += signal.weight * signal.tick(hits[place], trials[place], at)
        self.evidence = evidence
        return evidence >= self.threshold

    def suspects(self) -> list[Suspect]:
        """The signals that e-d-BH names, strongest first; the first is the headline. Empty where nothing is armed."""
        ranked = sorted((signal for signal in self.signals if signal.armed), key=SignalEvidence.strength, reverse=True)
        named = 1
        for k, signal in enumerate(ranked, 1):
            if signal.mixture >= self.threshold * len(ranked) / k:
                named = k
        return [signal.winner() for signal in ranked[:named]]

    def reset(self) -> None:
        """Drop all evidence. R ← 0 keeps the law: R only falls."""
        for signal in self.signals:
            signal.reset()
        self.evidence = 0.0

    def state(self) -> bytes:
        """The evidence of all signals, exactly, headed by a digest of their shape."""
        return self._digest() + b"".join(signal.state() for signal in self.signals)

    def load(self, state: bytes) -> None:
        """Take up what `state` returned. ValueError where it is of other signals, weights or length."""
        digest = self._digest()
        if state[: len(digest)] != digest:
            raise ValueError("the evidence is of other signals: it starts again at 0")
        sizes = [len(signal.state()) for signal in self.signals]
        if len(state) != len(digest) + sum(sizes):
            raise ValueError("the evidence is cut short")
        start = len(digest)
        for signal, size in zip(self.signals, sizes, strict=True):
            signal.load(state[start : start + size])
            start += size
        self.sum_up()

    def sum_up(self) -> None:
        """Set E by the signals' mixtures, after their evidence was loaded."""
        self.evidence = sum(signal.weight * signal.mixture for signal in self.signals)

    def _digest(self) -> bytes:
        return hashlib.sha256("\n".join(signal.shape() for signal in self.signals).encode()).digest()
