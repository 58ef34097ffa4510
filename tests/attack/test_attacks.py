"""A small form of each attack: one number of connections, a few seconds, a real process.

Nobody is refused, stopped or out of memory. How late anybody may be is measured by `make attack`, on a quiet machine.
"""

import pytest

from tests.attack.base import Attack
from tests.attack.registry import ATTACKS
from tests.attack.trial import BOUNDS, MACHINE, STALL, Outcome, attempt

SECONDS = 1.5
CALM = dict.fromkeys(BOUNDS, 0.001) | {MACHINE: 0.001}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_bystanders_do_not_notice(attack: Attack) -> None:
    outcome = attempt(attack, attack.small, SECONDS)
    if outcome.complaints(STALL):  # a machine that others use too may have had other work just then
        outcome = attempt(attack, attack.small, 2 * SECONDS)
    assert outcome.complaints(STALL) == []


def test_names_are_unique() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize(
    ("outcome", "complaints"),
    [
        (Outcome("a", 1, CALM, {}, 100.0), 0),
        (Outcome("a", 1, CALM | {"livez": 0.15}, {}, 100.0), 1),
        (Outcome("a", 1, CALM | {"livez": 0.15, MACHINE: 0.1}, {}, 100.0), 0),
        (Outcome("a", 1, CALM | {"kill answered": float("inf")}, {"kill answered": ["refused"]}, 100.0), 2),
        (Outcome("a", 1, CALM, {}, 321.0), 1),
    ],
)
def test_a_trial_complains_of_what_is_not_held(outcome: Outcome, complaints: int) -> None:
    assert len(outcome.complaints()) == complaints


@pytest.mark.parametrize(("seconds", "complaints"), [(0.9, 0), (1.1, 1), (float("inf"), 1)])
def test_a_test_complains_of_who_is_stopped_and_not_of_who_is_late(seconds: float, complaints: int) -> None:
    assert len(Outcome("a", 1, CALM | {"livez": seconds}, {}, 100.0).complaints(STALL)) == complaints
