"""Rings against an oracle: exact sums over a log of all exchanges, with restarts, gaps and steps of the clock."""

import random
from bisect import bisect_left, bisect_right
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.targets.burn import WINDOWS, Rules
from guard.targets.rings import BUCKET, DAYS_30, HALF_HOUR, MINUTE, MOST, Counts, Ring, Series

WIDTHS = {"5m": 1, "30m": 1, "1h": 1, "2h": MINUTE, "6h": MINUTE, "1d": HALF_HOUR, "3d": HALF_HOUR, "30d": HALF_HOUR}
EVERY = (*WINDOWS, ("30d", DAYS_30))


class Oracle:
    """A log of all exchanges: (bucket, bad, total), in order of time."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.bad: list[int] = []
        self.total: list[int] = []

    def add(self, bucket: int, bad: int, total: int) -> None:
        self.at.append(bucket)
        self.bad.append(bad)
        self.total.append(total)

    def close(self) -> None:
        self._bad, self._total = [0, *accumulate(self.bad)], [0, *accumulate(self.total)]

    def window(self, bucket: int, name: str, seconds: float) -> Counts:
        """A window holds the bucket of now, and as many before it as fill it; of the width that its ring has."""
        width = WIDTHS[name]
        first = (bucket // width - round(seconds / BUCKET / width) + 1) * width
        low, high = bisect_left(self.at, first), bisect_right(self.at, bucket)
        return Counts(self._bad[high] - self._bad[low], self._total[high] - self._total[low])


def service(seed: int, samples: int) -> int:
    """One simulated service of some weeks; returns how many windows were compared."""
    random_ = random.Random(seed)
    oracle, time = Oracle(), random_.randrange(10**8, 2 * 10**8)
    series, log, compared = Series(time), [], 0
    busy = random_.choice((1, 3, 30, 300, 3000))
    for _ in range(samples):
        event = random_.random()
        if event < 0.02:  # a restart, with a gap that counts as nothing; a clock that went back makes it zero
            raw, before = series.dump(), time
            time += max(0, random_.choice((0, -500, 1, 6, 180, 40_000, 300_000)))
            series = Series(0)
            series.load(before, raw)
            series.advance(time)
        elif event < 0.1:  # an edge of a window
            edge = random_.choice((MINUTE, HALF_HOUR, 30, 360, 2160))
            time = (time // edge + 1) * edge - random_.choice((0, 1))
            series.advance(time)
        else:
            time += random_.randrange(busy)
        total = random_.randrange(50)
        bad = random_.randrange(total + 1) if random_.random() < 0.3 else 0
        series.add(time, bad, total)
        oracle.add(time, bad, total)
        log.append((time, [series.window(seconds) for _, seconds in EVERY]))
    oracle.close()
    last = dict(log)
    for time, counts in last.items():
        assert counts == [oracle.window(time, name, seconds) for name, seconds in EVERY]
        compared += len(counts)
    return compared


@pytest.mark.parametrize("block", range(8))
def test_every_window_is_what_the_log_of_all_exchanges_says(block: int) -> None:
    assert sum(service(block * 1000 + number, 60) for number in range(25)) > 5_000


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 9), st.integers(0, 9)), max_size=60),
    st.integers(0, 10**9),
    st.integers(0, 5000),
)
def test_since_leaves_out_what_is_older(steps: list[tuple[int, int, int]], begin: int, cut: int) -> None:
    series, log, time = Series(begin), [], begin
    for step, bad, good in steps:
        time += step
        series.add(time, bad, bad + good)
        log.append((time, bad, bad + good))
    first = max(begin + cut, time - 360 + 1)
    assert series.since(begin + cut, 3600) == Counts(
        sum(bad for at, bad, _ in log if at >= first), sum(total for at, _, total in log if at >= first)
    )


def test_time_that_goes_back_counts_now() -> None:
    series = Series(1000)
    series.add(900, 1, 2)
    assert series.window(300) == Counts(1, 2)


def test_a_full_bucket_counts_no_more_and_never_overflows() -> None:
    ring = Ring(1, (2,))
    ring.add(MOST, MOST)
    ring.add(5, 5)
    assert ring.window(2) == Counts(MOST, MOST)


def test_a_budget_of_another_period_has_the_same_events() -> None:
    series = Series(0)
    for time in range(0, 200_000, 50):
        series.add(time, 1, 3)
    week = series.over(7 * 86400.0, time)
    assert week.window(7 * 86400) == series.window(7 * 86400)
    assert week.dump() == series.dump()


@pytest.mark.parametrize("raw", [b"", b"x" * 10, Series(0).dump() + b"x"])
def test_buckets_that_are_none_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"\d+"):
        Series(0).load(0, raw)


def test_a_rate_is_the_share_of_bad_events_over_what_is_allowed() -> None:
    assert Rules(0.01, DAYS_30).burn(Counts(2, 100)) == pytest.approx(2)
    assert Rules(0.01, DAYS_30).burn(Counts(0, 0)) == 0
