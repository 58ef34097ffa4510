"""Every promise of a policy is a bound of its histograms, so that each can be measured exactly."""

from pathlib import Path

import pytest

from guard.control.duration_bounds import duration_bounds
from guard.policy.loading import load
from guard.telemetry import instruments as of
from guard.telemetry.instruments import SECONDS
from guard.telemetry.meters import Meters

HEAD = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:8080\nroutes:\n"


@pytest.mark.parametrize("target", ["7ms", "300ms", "1s", "30s", "2m", "15m"])
@pytest.mark.parametrize("timeouts", [(20.0,), (60.0, 900.0), (3_000.0,), tuple(range(20, 60))])
def test_targets_and_timeouts_are_bounds(tmp_path: Path, target: str, timeouts: tuple[float, ...]) -> None:
    routes = "".join(
        f"  POST /p{number}: {{timeout: {{attempt: 1s, request: {timeout}s}}}}\n" for number, timeout in enumerate(timeouts)
    )
    (tmp_path / "policy.yaml").write_text(HEAD + routes + f"targets: {{latency_p95: {target}}}\n")
    policy = load(tmp_path / "policy.yaml", environ={}).policy
    bounds = duration_bounds(policy)
    assert policy.targets.latency_p95 in bounds
    assert set(SECONDS) <= set(bounds)
    assert bounds == tuple(sorted(set(bounds)))
    assert bounds[-1] >= max(*timeouts, policy.targets.latency_p95 or 0)
    assert len(timeouts) > 8 or set(timeouts) <= set(bounds)
    assert len(bounds) < 50
    over = [bound for bound in bounds if bound > 10.0]
    assert all(after / before <= 2.5 for before, after in zip([10.0, *over], over, strict=False))


def test_series_of_other_bounds_end_and_new_ones_begin_at_zero() -> None:
    meters = Meters()
    series = next(sample for sample in meters.series() if sample.instrument is of.SERVER_DURATION)
    before = series.bind(("GET", ""))
    before.record(20.0)
    meters.declare([], 1.0)
    assert series.bind(("GET", "")) is before
    meters.declare([], 2.0, (*SECONDS, 30.0))
    after = series.bind(("GET", ""))
    assert after is not before
    after.record(20.0)
    assert list(after.counts) == [0] * len(SECONDS) + [1, 0]
