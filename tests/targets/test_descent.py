"""A route that is lowered because it burns: dwell, probes, three a day, a person."""

from guard.targets.burn import Rules
from guard.targets.descent import Descent, Terms
from guard.targets.rings import BUCKET, DAYS_30, Series

TERMS = Terms("rules", 3, 1800.0, 10)
RULES = (Rules(0.05, DAYS_30),)
T0 = 1_000_000.0


def probes(now: float, bad: int, total: int) -> Series:
    series = Series(int(T0 / BUCKET))
    series.add(int(now / BUCKET), bad, total)
    return series


def lowered() -> Descent:
    descent = Descent()
    assert descent.may_begin(T0)
    descent.begin(T0, TERMS, "latency_p95")
    return descent


def test_probes_that_keep_the_objective_raise_the_route_after_the_dwell() -> None:
    descent = lowered()
    assert descent.due(T0 + 599, TERMS, probes(T0 + 599, 0, 50), RULES) is None
    assert descent.due(T0 + 600, TERMS, probes(T0 + 600, 0, 50), RULES) == "healed"


def test_too_few_probes_are_no_evidence_and_the_time_ends_it() -> None:
    descent = lowered()
    assert descent.due(T0 + 1799, TERMS, probes(T0 + 1799, 0, 9), RULES) is None
    assert descent.due(T0 + 1800, TERMS, probes(T0 + 1800, 0, 9), RULES) == "time"


def test_probes_that_fail_prolong_it_without_a_new_descent() -> None:
    descent = lowered()
    assert descent.due(T0 + 1800, TERMS, probes(T0 + 1800, 20, 20), RULES) is None
    assert descent.until == T0 + 3600
    assert len(descent.begun) == 1


def test_the_third_descent_of_a_day_stays_until_a_person_raises_it() -> None:
    descent, now = Descent(), T0
    for number in range(3):
        assert descent.may_begin(now)
        descent.begin(now, TERMS, "error_rate")
        assert descent.held is (number == 2)
        if number < 2:
            assert descent.due(now + 700, TERMS, probes(now + 700, 0, 50), RULES) == "healed"
            descent.end(now + 700)
        now += 3600
    assert descent.due(now + 50_000, TERMS, probes(now + 50_000, 0, 500), RULES) is None
    descent.end(now)
    assert not descent.may_begin(now)
    assert descent.may_begin(T0 + 86_400 + 1)


def test_its_state_survives() -> None:
    descent, other = lowered(), Descent()
    other.recall(descent.state())
    assert vars(other) == vars(descent)
