from fractions import Fraction
from itertools import product
from math import exp, isclose, log, pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.monitoring.detector import (
    CAP,
    STAKES,
    STEPS,
    Band,
    Detector,
    SignalEvidence,
    log_bet,
    share_of,
    theta,
)

shares = st.floats(0.001, 0.999)


def armed(low: float, high: float, *, weight: float = 1.0, name: str = "s", **options) -> SignalEvidence:
    signal = SignalEvidence(name, weight, ["c"], **options)
    signal.arm([Band(theta(low), theta(high))], 1.0)
    return signal


def test_a_bet_is_fair_at_its_bound_in_exact_arithmetic():
    for b, q in product((Fraction(1, 10), Fraction(1, 3), Fraction(1, 2)), (Fraction(2, 3), Fraction(9, 10))):
        assert b * (q / b) + (1 - b) * ((1 - q) / (1 - b)) == 1
        hit, miss = log_bet(float(b), float(q))
        assert isclose(exp(hit), float(q / b))
        assert isclose(exp(miss), float((1 - q) / (1 - b)))


@given(shares, shares, shares, st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_bet_on_fractions_is_never_bolder_than_on_the_rows_they_stand_for(b, q, mean, xs):
    hit, miss = log_bet(b, q)
    for x in xs:
        assert exp(x * hit + (1 - x) * miss) <= x * exp(hit) + (1 - x) * exp(miss) + 1e-9


@given(st.floats(0.05, 0.6), st.floats(0.0, 0.3))
def test_in_the_null_the_expected_gain_of_every_bet_is_at_most_one(low, width):
    high = min(0.95, low + width)
    signal = armed(low, high)
    for p in (low, (low + high) / 2, high):
        gained = [0.0] * signal.bets
        for x, chance in ((1.0, p), (0.0, 1 - p)):
            signal.reset()
            signal.tick([x], 1.0, 0)
            for i in range(signal.bets):
                gained[i] += chance * signal.growth[i]
        assert max(gained) <= 1.0 + 1e-12


def test_evidence_is_the_sum_of_all_products_of_gains_from_every_start():
    # R_n = Σ_k Π_{i≥k} L_i, in fractions
    signal = armed(0.25, 0.5)
    bound, bet = share_of(theta(0.5)), share_of(theta(0.5) + STEPS[1])
    ratio, other = Fraction(bet) / Fraction(bound), (1 - Fraction(bet)) / (1 - Fraction(bound))
    r = Fraction(0)
    for at, x in enumerate([1, 0, 1, 1, 0, 1, 1]):
        signal.tick([float(x)], 1.0, at)
        r = (ratio if x else other) * (r + 1)
    assert isclose(signal.growth[1], float(r), rel_tol=1e-5)
    assert signal.growth[1] <= float(r)  # rounded down, never up


def test_the_mixture_is_the_stakes_weighted_sum_of_both_directions():
    signal = armed(0.4, 0.6)
    signal.tick([30.0], 50.0, 0)
    assert isclose(signal.mixture, sum(STAKES[i % 5] * r for i, r in enumerate(signal.growth)) / 2)
    assert isclose(sum(STAKES), 1.0)


def test_the_evidence_of_a_route_never_promises_more_than_ticks_when_nothing_speaks_for_a_shift():
    # all bets lose at the centre of the band, so R falls towards exp(l)(R + 1) < 1 each
    detector = Detector([armed(0.3, 0.7, weight=0.5), armed(0.3, 0.7, weight=0.5, name="t")], 10.0)
    for at in range(1000):
        assert not detector.tick([[25.0], [25.0]], [50.0, 50.0], at)
    assert detector.evidence < 1.0


def test_weights_above_one_are_refused():
    with pytest.raises(ValueError, match="more than 1"):
        Detector([armed(0.3, 0.7), armed(0.3, 0.7, name="t")], 10.0)


def test_a_tick_without_trials_changes_nothing():
    signal = armed(0.4, 0.6)
    signal.tick([40.0], 50.0, 0)
    before = signal.state()
    signal.tick([0.0], 0.0, 1)
    assert signal.state() == before


def test_upwards_only_cells_may_vanish():
    signal = armed(0.4, 0.6, upwards_only=True)
    for at in range(100):
        signal.tick([0.0], 50.0, at)
    assert signal.mixture < 1.0
    assert signal.bets == 5


def test_nothing_overflows_and_ties_at_the_cap_are_ranked_by_the_cusum():
    strong, weak = armed(0.0001, 0.001, weight=0.5, name="strong"), armed(0.4, 0.6, weight=0.5, name="weak")
    detector = Detector([weak, strong], 1e6)
    for at in range(200):
        assert detector.tick([[200.0], [200.0]], [200.0, 200.0], at)
    assert detector.evidence <= CAP
    assert [suspect.signal for suspect in detector.suspects()] == ["strong", "weak"]


def test_the_onset_is_the_last_tick_before_the_shift_and_the_effect_is_of_the_rows_since():
    signal = armed(0.25, 0.35)
    for at in range(100):
        signal.tick([15.0], 50.0, at)
    for at in range(100, 120):
        signal.tick([35.0], 50.0, at)
    suspect = signal.winner()
    assert (suspect.onset, suspect.hits, suspect.trials, suspect.upwards) == (99, 700.0, 1000.0, True)


def test_blame_names_the_signals_that_bear_it_alone_and_always_the_first():
    signals = [armed(0.4, 0.6, weight=0.25, name=str(i)) for i in range(4)]
    detector = Detector(signals, 100.0)
    for at in range(20):
        detector.tick([[50.0], [45.0], [25.0], [25.0]], [50.0] * 4, at)
    assert [suspect.signal for suspect in detector.suspects()] == ["0", "1"]
    detector = Detector([armed(0.4, 0.6, weight=0.25, name=str(i)) for i in range(4)], 1e300)
    detector.tick([[26.0]] * 4, [50.0] * 4, 0)
    assert len(detector.suspects()) == 1


def test_too_much_dispersion_arms_nothing():
    signal = armed(0.4, 0.6)
    signal.arm([Band(1.0, 1.2)], 51.0)
    assert not signal.armed
    assert signal.tick([50.0], 50.0, 0) == 0.0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 29))
def test_a_restored_detector_goes_on_exactly(counts, cut):
    def fresh() -> Detector:
        return Detector([armed(0.4, 0.6, weight=0.5), armed(0.1, 0.2, weight=0.4, name="t", upwards_only=True)], 1e9)

    whole, before = fresh(), fresh()
    for at, x in enumerate(counts):
        whole.tick([[float(x)], [x / 3]], [50.0, 50.0], at)
        if at < cut:
            before.tick([[float(x)], [x / 3]], [50.0, 50.0], at)
    after = fresh()
    after.load(before.state())
    for at, x in enumerate(counts):
        if at >= cut:
            after.tick([[float(x)], [x / 3]], [50.0, 50.0], at)
    assert after.state() == whole.state()
    assert after.evidence == whole.evidence


def test_a_state_of_other_signals_or_cut_short_is_refused():
    state = Detector([armed(0.4, 0.6)], 1e9).state()
    with pytest.raises(ValueError, match="other signals"):
        Detector([armed(0.4, 0.6, name="t")], 1e9).load(state)
    with pytest.raises(ValueError, match="cut short"):
        Detector([armed(0.4, 0.6)], 1e9).load(state[:-1])


@given(st.floats(0, 1))
def test_an_angle_goes_back_to_its_share(p):
    assert isclose(share_of(theta(p)), min(max(p, 1e-6), 1 - 1e-6), rel_tol=1e-9)
    assert share_of(-1.0) == 1e-6
    assert share_of(pi + 1.0) == 1 - 1e-6
    assert isclose(sin(theta(p) / 2) ** 2, p, abs_tol=1e-12)
    assert log(2) > 0
