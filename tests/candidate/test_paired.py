"""Pairs by route and metric: what they count, what they prove, and how they are kept."""

import pytest

from guard.candidate.paired import Gate, PairCounts, judge

FAILED = Gate("POST /p", "failed", 0.01)
LABEL = Gate("POST /p", "label", 0.02)


def counted(gate: Gate, bad: int, good: int) -> PairCounts:
    counts = PairCounts()
    for index in range(bad + good):
        counts.note(gate.route, gate.metric, index < bad, False)
    return counts


def test_a_pair_is_worse_same_or_better() -> None:
    counts = PairCounts()
    for candidate, model in ((True, False), (False, False), (True, True), (False, True)):
        counts.note("POST /p", "failed", candidate, model)
    assert counts.pairs("POST /p", "failed") == (1, 2, 1)
    assert counts.pairs("POST /q", "failed") == (0, 0, 0)


@pytest.mark.parametrize(
    ("gate", "bad", "good", "state"),
    [
        (FAILED, 0, 400, "pass"), (FAILED, 0, 100, "open"), (FAILED, 30, 0, "fail"), (LABEL, 0, 200, "pass"),
        (LABEL, 40, 160, "fail"), (LABEL, 4, 196, "open"), (Gate("POST /p", "label", 0.0), 3, 97, "fail"),
    ],
)  # fmt: skip
def test_pairs_prove_safety_or_harm_or_nothing(gate: Gate, bad: int, good: int, state: str) -> None:
    assert judge(counted(gate, bad, good), gate, 5, 0.01, 0.05).state == state


def test_a_tolerance_below_the_noise_of_the_model_never_passes() -> None:
    counts = counted(LABEL, 0, 1000)
    assert judge(counts, LABEL, 1, 0.01, 0.05).floor is None
    for index in range(1000):
        counts.note("POST /p", "label", index % 20 == 0, False, noise=True)
    judged = judge(counts, LABEL, 1, 0.01, 0.05)
    assert judged.state == "open"
    assert judged.floor is not None
    assert judged.floor > 0.05
    assert "floor" in judged.told()


def test_counts_are_kept_and_read_again() -> None:
    counts = counted(FAILED, 2, 5)
    counts.chosen, counts.compared = 8, 7
    counts.note("POST /p", "label", True, False, noise=True)
    again = PairCounts.read(counts.document())
    assert again.document() == counts.document()
    assert again.pairs("POST /p", "failed") == (2, 5, 0)
    assert again.thin
    again.chosen = 7
    assert not again.thin


@pytest.mark.parametrize(
    "document",
    [
        {}, {"counts": [["a", "b", -1, 0, 0]], "noise": [], "chosen": 0, "compared": 0},
        {"counts": [["a", "b", 1]], "noise": [], "chosen": 0, "compared": 0},
        {"counts": [], "noise": [], "chosen": "1", "compared": 0},
    ],
)  # fmt: skip
def test_what_nobody_wrote_is_refused(document: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        PairCounts.read(document)
