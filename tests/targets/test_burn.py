"""The table of states: the SRE Workbook's windows, evidence, low traffic, a budget that is spent."""

import pytest

from guard.targets.burn import PAIRS, Reading, Rules, exceeded, read, worst
from guard.targets.rings import BUCKET, DAYS_30, Series

RULES = Rules(0.001, DAYS_30)
A_DAY = 8640


def healthy(days: int = 3) -> Series:
    """Ten requests a second, one bucket after the other, all good."""
    series = Series(0)
    for time in range(days * A_DAY):
        series.add(time, 0, 100)
    return series


def seconds_until(series: Series, share: float, pair_index: int, rules: Rules) -> float:
    """Seconds from the first bad request until a pair of windows is exceeded."""
    time = begin = series._hour.number + 1
    while not exceeded(series, rules, PAIRS[pair_index]):
        assert time - begin < 60 * A_DAY
        series.add(time, round(share * 10_000), 10_000)
        time += 1
    return (time - begin) * BUCKET


@pytest.mark.parametrize(
    ("share", "pair", "expected"),
    [  # SRE Workbook, table 5-8 and figure 5-6: detection = factor × long window × budget ÷ share of errors
        (1.0, 0, 14.4 * 3600 * 0.001 / 1.0),
        (0.1, 0, 14.4 * 3600 * 0.001 / 0.1),
        (0.0144, 0, 3600),
        (1.0, 1, 6 * 21600 * 0.001 / 1.0),
        (0.1, 1, 6 * 21600 * 0.001 / 0.1),
        (0.1, 2, 3 * 86400 * 0.001 / 0.1),
        (0.01, 3, 1 * 259200 * 0.001 / 0.01),
    ],
)
def test_detection_takes_as_long_as_the_workbook_says(share: float, pair: int, expected: float) -> None:
    series = Series(0)
    for time in range(3 * A_DAY):
        series.add(time, 0, 10_000)
    took = seconds_until(series, share, pair, RULES)
    width = BUCKET * (1 if pair == 0 else 6 if pair == 1 else 180)
    assert expected - width <= took <= expected + width + BUCKET


@pytest.mark.parametrize(("pair", "short"), [(0, 300), (1, 1800), (2, 7200), (3, 21600)])
def test_an_alert_ends_within_its_short_window(pair: int, short: int) -> None:
    series = Series(0)
    for time in range(3 * A_DAY):
        series.add(time, 1000 if time > 2 * A_DAY else 0, 1000)
    assert exceeded(series, RULES, PAIRS[pair])
    time = begin = series._hour.number
    while exceeded(series, RULES, PAIRS[pair]):
        time += 1
        series.add(time, 0, 1000)
    assert (time - begin) * BUCKET <= short + 60


def test_a_factor_is_one_that_a_rate_can_reach() -> None:
    assert Rules(0.001, DAYS_30).factor(PAIRS[0]) == 14.4
    assert Rules(0.2, DAYS_30).factor(PAIRS[0]) == pytest.approx(4)
    assert Rules(0.2, DAYS_30).factor(PAIRS[2]) == 3
    series = Series(0)
    series.add(0, 100, 100)
    assert read(series, Rules(0.2, DAYS_30, expected=1.0)).state == "fast"


def test_nine_bad_requests_are_no_evidence() -> None:
    series = Series(0)
    series.add(0, 9, 9)
    assert read(series, RULES) == Reading("ok", False, pytest.approx(-999))
    series.add(0, 1, 1)
    assert read(series, RULES).state == "fast"


def test_few_requests_that_fail_for_days_are_slow_or_worse() -> None:
    """vonrobak/fedora-homelab-containers#165: 90 % failed for 8 days, and no alert."""
    series = Series(0)
    for time in range(0, 8 * A_DAY, A_DAY // 2):
        series.add(time, 9, 10)
    series.advance(8 * A_DAY + 2000)
    assert read(series, Rules(0.01, DAYS_30)).state == "spent"
    expected = Rules(0.01, DAYS_30, expected=200 / 0.01 / DAYS_30)
    assert read(series, expected).state == "slow"


def test_a_spent_budget_is_free_again_above_a_tenth() -> None:
    series = Series(0)
    rules = Rules(0.01, DAYS_30, expected=1000 / DAYS_30 / 0.01)
    series.add(0, 1000, 1000)
    reading = read(series, rules)
    assert reading.spent
    assert reading.left <= 0
    series = Series(0)
    series.add(0, 950, 950)
    assert read(series, rules, spent=True).spent
    assert not read(series, rules, spent=False).spent
    series = Series(0)
    series.add(0, 800, 800)
    assert not read(series, rules, spent=True).spent


def test_the_worst_state_is_named() -> None:
    assert worst(["ok", "slow", "brisk"]) == "brisk"
    assert worst([]) == "ok"


def test_kept_objectives_are_ok() -> None:
    assert read(healthy(1), RULES) == Reading("ok", False, 1.0)
