"""Figures, targets, collapse and growth: pure, so that each is told by numbers that are written here."""

import random

import pytest

from guard.kit.rehearse.figures import Kind, Phase, collapsed, held, ms, phase, quantile
from guard.kit.rehearse.load_client import Timed
from guard.kit.rehearse.memory import Sample, growth, resident_of
from guard.policy.models import Targets


def timed(seconds: float, status: int = 200, source: str = "model", reason: str = "", at: float = 0.0) -> Timed:
    return Timed(at, seconds, status, source, reason)


def step(clients: int, rate: float, requests: int = 100, kind: Kind = "steady") -> Phase:
    results = [timed(0.01) for _ in range(requests)]
    return phase(kind, clients, requests / rate, results, 0.1)


def test_quantiles_are_by_nearest_rank() -> None:
    ordered = [float(item) for item in range(1, 101)]
    assert [quantile(ordered, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([], 0.5) is None


def test_a_phase_counts_what_clients_met() -> None:
    several = [
        *[timed(0.1)] * 6, timed(0.2, 200, "rules", "timeout"), timed(0.3, 503, "disabled", "overloaded"),
        timed(0.0, 422, ""), timed(0.0, 0, "reset"),
    ]  # fmt: skip
    found = phase("steady", 4, 2.0, several, 0.5)
    assert (found.requests, found.rate) == (10, 5.0)
    assert (found.error_rate, found.availability, found.model_share) == (pytest.approx(0.3), 0.8, 0.6)
    assert found.answers == {"model": 6, "rules": 1, "disabled": 1, "422": 1, "reset": 1}
    assert found.reasons == {"timeout": 1, "overloaded": 1}
    assert phase("soak", 1, 1.0, [], 0.0).p95 is None


def test_an_open_loop_that_falls_behind_answers_less_than_was_due() -> None:
    due = [index / 10 for index in range(100)]
    assert phase("rate", 0, 10.0, [timed(0.05, at=at) for at in due], 0.1).rate == 10.0
    behind = [timed(at, at=at) for at in due]  # each waits as long as the load has lasted
    assert phase("rate", 0, 10.0, behind, 0.1).rate == pytest.approx(5.3)


@pytest.mark.parametrize(
    ("rates", "fell"),
    [
        ([100, 190, 350, 600, 800], False), ([100, 100, 100, 100], False), ([100, 180, 170, 160, 120], False),
        ([100, 200, 400, 80], True), ([100, 200, 30, 400], True), ([100], False), ([], False),
    ],
)  # fmt: skip
def test_a_collapse_is_less_than_half_of_the_best_before(rates: list[int], fell: bool) -> None:
    found = collapsed([step(1 << index, rate) for index, rate in enumerate(rates)])
    assert (found is not None) == fell


def test_a_handful_of_answers_is_no_collapse() -> None:
    assert collapsed([step(1, 100, requests=5), step(2, 10, requests=5)]) is None


def test_targets_that_are_kept_and_missed() -> None:
    targets = Targets.model_construct(
        latency_p95=0.1, error_rate=0.05, availability=0.9, model_share=0.8, expected_rate=10.0
    )
    good = phase("rate", 0, 10.0, [timed(0.05, at=index / 10) for index in range(100)], 0.1)
    assert [check.result for check in held(targets, good)] == ["pass"] * 5
    bad = [
        timed(0.5, 200, "rules", at=index / 10) if index % 2 else timed(0.0, 500, "", at=index / 10) for index in range(60)
    ]
    found = held(targets, phase("rate", 0, 10.0, bad, 0.1))
    assert {check.name: check.result for check in found} == dict.fromkeys(
        (
            "targets.availability",
            "targets.error_rate",
            "targets.model_share",
            "targets.latency_p95",
            "targets.expected_rate",
        ),
        "fail",
    )
    assert all(check.todo and check.expected and check.got for check in found)
    few = held(targets, phase("steady", 1, 1.0, [timed(0.01)] * 3, 0.1))
    assert next(item for item in few if item.name == "targets.latency_p95").got == "3 answers are too few to decide"
    assert held(Targets.model_construct(), good) == []


def test_times_have_the_digits_that_mean_something() -> None:
    assert [ms(item) for item in (0.000123, 0.0123, 0.5, 2.5)] == ["0.123 ms", "12.3 ms", "500 ms", "2.5 s"]


MIB = 1 << 20


def samples(grow: "list[float]", noise: float = 0.0) -> list[Sample]:
    draw = random.Random(7)
    return [
        Sample(index * 50, int(100 * MIB + item * MIB + draw.random() * noise * MIB)) for index, item in enumerate(grow)
    ]


@pytest.mark.parametrize(
    ("what", "grow", "leaks"),
    [
        ("flat", [0.0] * 60, False),
        ("noise alone", [0.0] * 60, False),
        ("a leak", [index * 0.2 for index in range(60)], True),
        ("a leak by arenas of a MiB", [float(index // 5) for index in range(60)], True),
        ("warming up, then flat", [min(index, 25) * 0.5 for index in range(60)], False),
        ("warming up, slower and slower", [20 * (1 - 0.9**index) for index in range(60)], False),
        ("one step", [0.0] * 40 + [8.0] * 20, False),
        ("up and down", [float(index % 10) for index in range(60)], False),
        ("less and less", [-index * 0.2 for index in range(60)], False),
        ("too little to tell from noise", [index * 0.02 for index in range(60)], False),
    ],
)
def test_a_leak_is_told_from_warming_up(what: str, grow: list[float], leaks: bool) -> None:
    found = growth(samples(grow, noise=0.5 if what != "flat" else 0.0))
    assert found is not None
    assert found.leaks == leaks, (what, found)


def test_the_growth_of_each_request_is_measured() -> None:
    found = growth(samples([index * 0.2 for index in range(60)]))
    assert found is not None
    assert found.per_request == pytest.approx(0.2 * MIB / 50, rel=0.02)
    assert found.seen < found.per_request


def test_too_few_samples_say_nothing() -> None:
    assert growth([]) is None
    assert growth(samples([0.0] * 10)) is None
    assert growth([Sample(7, MIB)] * 100) is None, "no requests meanwhile"


def test_the_memory_of_a_process_that_is_not_there() -> None:
    import os

    own = resident_of(os.getpid())
    assert own is not None
    assert own > MIB
    assert resident_of(2**22 - 1) is None
