import statistics
from math import pi, sin

import pytest

from benchmarks.monitoring import streams
from guard.monitoring.cells import FieldSpec
from guard.monitoring.dispersion import Dispersion
from guard.monitoring.promise import expected_delay, promises
from guard.monitoring.season import Season
from guard.monitoring.window import stability_index, total_variation, wilson

A = 400.0


def mean_run(lengths, ticks):
    alarms = sum(length <= ticks for length in lengths)
    return sum(min(length, ticks) for length in lengths) / max(1, alarms)


@pytest.mark.parametrize(
    "null",
    [
        lambda seed: streams.edge(seed, 1_000, A),
        lambda seed: streams.independent(seed, 1_000, A, 500),
        lambda seed: streams.markov(seed, 1_000, A),
    ],
    ids=["edge", "reference of 500", "markov"],
)
def test_the_run_length_between_false_alarms_is_at_least_what_was_promised(null):
    assert mean_run([null(seed) for seed in range(20)], 1_000) >= A


def test_batches_of_equal_rows_are_one_bet():
    assert mean_run([streams.batches(seed, 400, 200.0) for seed in range(4)], 400) >= 200.0


def test_without_tempering_dependence_would_break_the_promise():
    assert mean_run([streams.markov(seed, 1_000, A, tempered=False) for seed in range(20)], 1_000) < A / 4


@pytest.mark.parametrize(
    ("before", "after", "bound"), [(0.5, 0.6, 1_400), (0.3, 0.4, 1_300), (0.1, 0.2, 680), (0.05, 0.15, 440)]
)
def test_a_shift_is_seen_within_its_rows_and_as_late_as_is_promised(before, after, bound):
    rows = statistics.mean(streams.delay(seed, before, after, 10**6, 1 / 50, 2_592_000.0) for seed in range(60))
    assert rows <= 1.1 * bound
    promised = expected_delay(before, after, 0.033, weight=1 / 100, threshold=2_592_000.0, rows_per_tick=50)
    assert promised == pytest.approx(rows, rel=0.15)


def test_a_shift_within_the_band_is_promised_never():
    assert expected_delay(0.5, 0.51, 0.03, weight=1.0, threshold=1e6, rows_per_tick=50) is None
    listed = promises(
        [FieldSpec("y", "output", "class", ("a", "b"))], threshold=1e6, rate=50, rows=2000, tolerate=0.03, fixed=False
    )
    values = [entry.requests for entry in listed if entry.signal == "output:y:values"]
    assert values == [None, None, None]
    fixed = promises(
        [FieldSpec("y", "output", "class", ("a", "b"))], threshold=1e6, rate=50, rows=10**6, tolerate=0.03, fixed=True
    )
    five, ten, twenty = [item.minutes for item in fixed if item.signal == "output:y:values"]
    assert five > ten > twenty > 0


def test_dispersion_is_one_for_independent_rows_even_where_the_share_wanders_slowly():
    import numpy as np

    rng = np.random.default_rng(3)
    steady, wave = Dispersion(1), Dispersion(1)
    for at in range(40_000):
        steady.add([float(rng.binomial(200, 0.3))], 200.0, at)
        wave.add([float(rng.binomial(200, 0.3 + 0.06 * sin(2 * pi * at / 86_400)))], 200.0, at)
    assert steady.known
    assert steady.value == pytest.approx(1.0, abs=0.1)
    assert wave.value == pytest.approx(1.0, abs=0.1)


def test_a_rare_cell_that_appears_for_good_does_not_raise_its_own_dispersion():
    dispersion = Dispersion(1)
    for at in range(1_000):
        dispersion.add([0.0 if at < 900 else float(at % 2)], 50.0, at)
    assert dispersion.value < 3.0


def test_the_envelope_holds_every_hour_and_a_slot_holds_its_own():
    season = Season(1)
    for week in range(3):
        for hour in range(168):
            share = 0.3 + 0.06 * sin(2 * pi * hour / 24)
            season.add([share * 10_000], 10_000.0, week * 168 + hour, 1.0)
    season.add([0.0], 0.0, 3 * 168, 1.0)
    (envelope,), (slot,) = season.envelope(0.03, 3.0, 1.0), season.slot(6, 0.03, 3.0, 1.0)
    from guard.monitoring.detector import theta

    assert envelope.low < theta(0.24) - 0.03
    assert envelope.high > theta(0.36) + 0.03
    assert slot.low < theta(0.36) < slot.high
    assert slot.high - slot.low < 0.15
    again = Season(1)
    again.load(season.state())
    assert again.state() == season.state()
    with pytest.raises(ValueError, match="other cells"):
        Season(2).load(season.state())


def test_intervals_and_distances_are_those_of_the_books():
    low, high = wilson(10, 100)
    assert (low, high) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert total_variation([50, 50], [100, 0]) == 0.5
    assert total_variation([], []) == 0.0
    assert stability_index([900_000, 100_000], [800_000, 200_000]) == pytest.approx(0.0811, abs=1e-3)
