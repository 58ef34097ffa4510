"""Live arms: what counts as one event, what is proven, and that a candidate at the edge of what is tolerated is left alone."""

import random
from fractions import Fraction
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.candidate.arms import BUCKETS, TOLERATED, Arms, crooked, harmful, log_harm
from guard.candidate.evidence import BETS


def test_a_bucket_counts_once_however_often_it_fails() -> None:
    arms = Arms(500)
    assert arms.note(3, candidate=True, bad=True)
    assert not arms.note(3, candidate=True, bad=True)
    assert not arms.note(3, candidate=True, bad=False)
    assert not arms.note(9_000, candidate=False, bad=True)
    assert (arms.seen, arms.bad, arms.requests) == ([1, 1], [1, 1], 3)


def test_what_two_replicas_saw_is_added_once() -> None:
    one, two = Arms(500), Arms(500)
    one.note(1, candidate=True, bad=True)
    two.note(1, candidate=True, bad=False)
    two.note(2, candidate=True, bad=True)
    both = one.merge(two)
    assert (both.seen, both.bad) == ([2, 0], [2, 0])
    assert both.merge(two).flags == both.flags == two.merge(one).flags


@given(st.lists(st.tuples(st.integers(0, BUCKETS - 1), st.booleans(), st.booleans()), max_size=30))
def test_they_survive_being_written(seen: list[tuple[int, bool, bool]]) -> None:
    arms = Arms(500)
    for bucket, candidate, bad in seen:
        arms.note(bucket, candidate=candidate, bad=bad)
    again = Arms.read(arms.document())
    assert (again.flags, again.seen, again.bad, again.buckets) == (arms.flags, arms.seen, arms.bad, 500)


@pytest.mark.parametrize("damage", [{"buckets": 0}, {"buckets": "5"}, {"flags": "AAAA"}, {"flags": "!"}])
def test_damage_is_not_read(damage: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Arms.read({**Arms(500).document(), **damage})


def test_the_logarithm_is_that_of_the_exact_fraction() -> None:
    arms = Arms(1_000)
    for bucket in range(7):
        arms.note(bucket, candidate=True, bad=True)
    for bucket in range(5):
        arms.note(5_000 + bucket, candidate=False, bad=True)
    share = Fraction(1, 10)
    part = share * 2 / (share + 1)
    weights = [Fraction(1, 2**k) for k in range(BETS)]
    bets = [part + (1 - part) * Fraction(1, 2 ** (k + 1)) for k in range(BETS)]
    exact = sum(w * (bet / part) ** 7 * ((1 - bet) / (1 - part)) ** 5 for w, bet in zip(weights, bets, strict=True))
    assert TOLERATED == 1.0
    assert exp(log_harm([arms])) == pytest.approx(float(exact / sum(weights)), rel=1e-9)


def test_a_candidate_at_the_edge_is_rarely_aborted_and_a_broken_one_soon() -> None:
    """At most 1 % are promised; of 400 runs of 400 bad keys, three standard errors more are allowed."""
    draw = random.Random(30)
    share = 0.05
    part, aborted = share * 2 / (share + 1), 0
    for _ in range(400):
        arms, bad = Arms(500), [0, 0]
        for _ in range(400):
            arm = 0 if draw.random() < part else 1
            arms.bad[arm] += 1
            bad[arm] += 1
            if arm == 0 and harmful([arms]):
                aborted += 1
                break
    assert aborted / 400 <= 0.01 + 3 * (0.01 * 0.99 / 400) ** 0.5
    broken = Arms(500)
    needed = next(bucket for bucket in range(500) if broken.note(bucket, candidate=True, bad=True) and harmful([broken]))
    assert needed < 5


def test_a_share_that_is_not_the_ordered_one_is_seen() -> None:
    fair, skewed = Arms(500), Arms(500)
    for bucket in range(0, BUCKETS, 20):
        fair.note(bucket, candidate=bucket < 500, bad=False)
        skewed.note(bucket, candidate=bucket < 500, bad=False)
    for bucket in range(500):
        skewed.note(bucket, candidate=True, bad=False)
    assert not crooked([fair])
    assert crooked([skewed])
