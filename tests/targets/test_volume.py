"""Silence and surge."""

import pytest

from guard.targets.volume import judge, silence


@pytest.mark.parametrize(("rate", "seconds"), [(50.0, 600.0), (0.01, 2000.0)])
def test_silence_takes_ten_minutes_or_twenty_usual_requests(rate: float, seconds: float) -> None:
    assert silence(rate) == seconds
    assert judge(rate, seconds - 1, 0) == "ok"
    assert judge(rate, seconds, 0) == "silence"


def test_a_surge_is_three_times_as_many_and_a_hundred() -> None:
    assert judge(1.0, 0, 899) == "ok"
    assert judge(1.0, 0, 900) == "surge"
    assert judge(0.001, 0, 99) == "ok"
