"""A small form of each attack: one number of connections, a few seconds, a real process."""

import pytest

from tests.attack.base import Attack
from tests.attack.registry import ATTACKS
from tests.attack.trial import BOUNDS, MACHINE, Outcome, attempt

SECONDS = 1.5
CALM = dict.fromkeys(BOUNDS, 0.001) | {MACHINE: 0.001}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_bystanders_do_not_notice(attack: Attack) -> None:
    outcome = attempt(attack, attack.small, SECONDS)
    if outcome.complaints():  # a machine that others use too may have had other work just then
        outcome = attempt(attack, attack.small, 2 * SECONDS)
    assert outcome.complaints() == []


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
