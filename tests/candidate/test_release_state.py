"""The file of releases: it is read whole or not at all, so roles never mix."""

import json

import pytest

from guard.candidate.release_state import Damaged, ReleaseState, Roles, Served, decode, encode

OLD, NEW = Served("1", "sha256:a", "http://h:1"), Served("2", "sha256:b", "http://h:2")
STATE = ReleaseState(4, Roles(OLD, NEW, OLD), "sha256:b", "promoted", 0, 1.7e9, {"sha256:c": "bad"})


def test_it_is_read_as_it_was_written() -> None:
    assert decode(encode(STATE)) == STATE
    assert decode(encode(ReleaseState())) == ReleaseState()


def test_a_file_cut_at_any_byte_is_refused() -> None:
    raw = encode(STATE)
    for end in range(len(raw)):
        with pytest.raises(Damaged):
            decode(raw[:end])


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"stage": "x"},
        {"epoch": "4"},
        {"more": 1},
        {"aborted": []},
        {"roles": {"base": {}}},
        {"digest": 3},
    ],
)
def test_damage_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Damaged):
        decode(json.dumps({**json.loads(encode(STATE)), **change}).encode())


def test_another_word_of_the_policy_wins_over_a_promotion() -> None:
    assert STATE.in_force(OLD) == STATE.roles
    assert STATE.in_force(NEW) is None


def test_the_aborted_are_bounded_and_the_newest_stay() -> None:
    state = ReleaseState()
    for number in range(300):
        state = ReleaseState(aborted=state.aborting(str(number), "w"))
    assert len(state.aborted) == 100
    assert list(state.aborted)[-1] == "299"
