"""Evidence of pairs: the log form is the exact formula, sums are all that counts, and promises of error hold."""

from fractions import Fraction
from math import exp, isclose, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.candidate.evidence import BETS, Pairs, e_bh, interval, log_harm, log_live, log_safe
from guard.candidate.expected import pairs_to_abort, pairs_to_pass

COUNTS = st.integers(0, 60)
DELTAS = st.sampled_from((Fraction(0), Fraction(1, 1000), Fraction(1, 100), Fraction(1, 10), Fraction(-1, 20)))


def weights() -> list[Fraction]:
    halves = [Fraction(1, 2**k) for k in range(BETS)]
    return [half / sum(halves) for half in halves]


def exact_harm(a: int, z: int, b: int, d: Fraction, *, signed: bool) -> Fraction:
    total = Fraction(0)
    for k, weight in enumerate(weights()):
        size = Fraction(98, 100) / 2**k / (1 + d if signed else d)
        total += weight * (1 + size * (1 - d)) ** a * (1 - size * d) ** z * ((1 - size * (1 + d)) ** b if signed else 1)
    return total


def exact_safe(a: int, z: int, b: int, d: Fraction) -> Fraction:
    total = Fraction(0)
    for k, weight in enumerate(weights()):
        size = Fraction(98, 100) / 2**k / (1 - d)
        total += weight * (1 - size * (1 - d)) ** a * (1 + size * d) ** z * (1 + size * (1 + d)) ** b
    return total


@given(COUNTS, COUNTS, COUNTS, DELTAS)
def test_the_logarithms_are_those_of_the_exact_formulas(a: int, z: int, b: int, d: Fraction) -> None:
    pairs = Pairs(a, z, b)
    assert isclose(exp(log_harm(pairs, float(d))), exact_harm(a, z, b, d, signed=True), rel_tol=1e-9)
    assert isclose(exp(log_safe(pairs, float(d))), exact_safe(a, z, b, d), rel_tol=1e-9)
    if d > 0:
        exact = exact_harm(a, z, 0, d, signed=False)
        assert isclose(exp(log_harm(Pairs(a, z), float(d), signed=False)), exact, rel_tol=1e-9)


@given(st.fractions(0, 1), st.fractions(0, 1), DELTAS)
def test_each_bet_has_at_most_its_stake_back_under_its_null(p: Fraction, q: Fraction, d: Fraction) -> None:
    worse, better = p, (1 - p) * q
    mean = worse - better
    shares = ((1, 0, 0, worse), (0, 1, 0, 1 - worse - better), (0, 0, 1, better))
    harm = sum((share * exact_harm(a, z, b, d, signed=True) for a, z, b, share in shares), Fraction(0))
    safe = sum((share * exact_safe(a, z, b, d) for a, z, b, share in shares), Fraction(0))
    assert harm <= 1 or mean > d
    assert safe <= 1 or mean < d


def test_counts_of_replicas_are_added() -> None:
    assert Pairs(1, 2, 3).plus(Pairs(10, 20, 30)) == Pairs(11, 22, 33)


def _ever(random: Random, worse: float, better: float, looks: int, delta: float) -> tuple[bool, bool]:
    counts, aborted, passed = [0, 0, 0], False, False
    for look in range(1, looks + 1):
        draw = random.random()
        counts[0 if draw < worse else 2 if draw < worse + better else 1] += 1
        if look % 20 == 0:
            pairs = Pairs(*counts)
            aborted = aborted or log_harm(pairs, delta) >= log(1 / 0.01)
            passed = passed or log_safe(pairs, delta) >= log(1 / 0.05)
    return aborted, passed


def test_false_verdicts_at_the_edge_of_the_null_are_as_rare_as_promised() -> None:
    random, runs = Random(30), 300
    ended = [_ever(random, 0.03, 0.02, 1500, 0.01) for _ in range(runs)]
    alarms, passes = (sum(column) / runs for column in zip(*ended, strict=True))
    assert alarms <= 0.01 + 3 * (0.01 * 0.99 / runs) ** 0.5
    assert passes <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.booleans())
@settings(max_examples=40)
def test_an_interval_has_the_mean_in_it(a: int, z: int, b: int, signed: bool) -> None:
    pairs = Pairs(a, z, b if signed else 0)
    low, high = interval(pairs, signed=signed)
    assert low <= pairs.mean <= high


def test_an_interval_narrows() -> None:
    widths = [high - low for low, high in (interval(Pairs(n, 98 * n, n)) for n in (1, 10, 100))]
    assert widths == sorted(widths, reverse=True)
    assert interval(Pairs()) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("delta", "pairs"),
    [(0.001, 3655), (0.005, 730)],
)
def test_a_candidate_without_a_difference_passes_after_the_published_number_of_pairs(delta: float, pairs: int) -> None:
    assert pairs_to_pass(delta) == pairs
    assert log_safe(Pairs(0, pairs), delta) >= log(20) > log_safe(Pairs(0, pairs - 1), delta)


def test_expected_numbers_of_pairs() -> None:
    assert pairs_to_abort(0.001, worse=0.05, tests=5) == pytest.approx(212, rel=0.1)
    assert pairs_to_abort(0.02, worse=0.10, tests=5, signed=False) == pytest.approx(108, rel=0.1)
    assert pairs_to_pass(0.02, worse=0.005) == pytest.approx(633, rel=0.1)
    assert pairs_to_pass(0.001, worse=0.01) is None  # it is worse: it never passes


def test_the_live_arm_bets_against_its_own_part_of_the_bad_events() -> None:
    assert log_live([], 0.5) == 0.0
    assert log_live([(50, 50, 0.05)], 0.0) > log(500)  # all of fifty bad events at a share of 5 %
    assert log_live([(5, 100, 0.05)], 0.0) < 0  # just its part
    steps = [(3, 10, 0.01), (9, 40, 0.05)]
    assert log_live(steps, 0.0) == pytest.approx(sum(log_live([step], 0.0) for step in steps))
    worse, tolerated = log_live([(12, 100, 0.05)], 0.0), log_live([(12, 100, 0.05)], 1.0)
    assert worse > tolerated


def test_segments_are_reported_by_e_bh() -> None:
    assert e_bh([], 0.05) == frozenset()
    assert e_bh([log(100.0), log(50.0), 0.0, 0.0], 0.05) == {0, 1}  # 4 / (2 * 0.05) = 40
    assert e_bh([log(79.0), 0.0, 0.0, 0.0], 0.05) == frozenset()
