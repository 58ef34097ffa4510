"""A contract storm: what counts, when it begins, when it is over."""

from types import SimpleNamespace
from typing import Any

import pytest

from guard.control.incidents.violation_rate import ViolationRateMonitor
from guard.events import ContractStorm
from guard.proxy.values import Record, Violation

pytestmark = pytest.mark.source

ROUTE: Any = SimpleNamespace(key="POST /p", judges=(1,), field_of=lambda pointer, _answer: pointer[1:])


def ask(monitor: ViolationRateMonitor, at: float, good: int, bad: int, code: str = "min", route: Any = ROUTE) -> None:
    for number in range(good + bad):
        record = Record("r", at)
        record.matched, record.ended_at = route, at
        if number >= good:
            record.violations, record.code = [Violation("/age", code)], "contract"  # type: ignore[arg-type]
        monitor.take(iter([record]))


def look(monitor: ViolationRateMonitor, at: float) -> list[str]:
    return [event.name for event in monitor.evaluate(at)]


def test_it_begins_at_a_share_of_enough_requests_and_is_said_once() -> None:
    monitor = ViolationRateMonitor()
    ask(monitor, 1000, 40, 5)
    assert look(monitor, 1001) == []  # 11 % of too few
    ask(monitor, 1002, 5, 1)
    assert list(monitor.evaluate(1003)) == [
        ContractStorm(route="POST /p", share=round(6 / 51, 4), requests=51, field="age", code="min")
    ]
    assert look(monitor, 1004) == []


def test_below_the_share_it_does_not_begin() -> None:
    monitor = ViolationRateMonitor()
    ask(monitor, 1000, 910, 90)
    assert look(monitor, 1001) == []


def test_what_is_over_already_does_not_begin() -> None:
    monitor = ViolationRateMonitor()
    ask(monitor, 1000, 100, 100)
    ask(monitor, 1100, 500, 0)
    assert look(monitor, 1101) == []  # 14 % of five minutes, none of the last one


def test_it_is_over_at_half_the_share_of_the_last_minute_or_when_nobody_asks() -> None:
    for after in (94, 0):
        monitor = ViolationRateMonitor()
        ask(monitor, 1000, 50, 50)
        assert look(monitor, 1001) == ["contract_storm"]
        ask(monitor, 1070, after, 6 if after else 0)
        assert look(monitor, 1071) == ([] if after else ["contract_storm_over"])
        ask(monitor, 1080, after * 2, 0)
        assert look(monitor, 1081) == (["contract_storm_over"] if after else [])


def test_it_names_what_is_most_often_wrong() -> None:
    monitor = ViolationRateMonitor()
    ask(monitor, 1000, 50, 10, "max")
    ask(monitor, 1000, 0, 20, "null")
    (event,) = monitor.evaluate(1001)
    assert isinstance(event, ContractStorm)
    assert (event.field, event.code) == ("age", "null")


def test_what_is_not_the_contracts_does_not_count() -> None:
    monitor = ViolationRateMonitor()
    ask(monitor, 1000, 100, 100, route=SimpleNamespace(key="POST /x", judges=(), field_of=None))
    for code in ("json_syntax", "unsupported_media_type"):
        for _ in range(100):
            record = Record("r", 1000.0)
            record.matched, record.ended_at, record.code = ROUTE, 1000.0, code
            monitor.take(iter([record]))
    assert monitor._routes == {}


def test_routes_come_and_go_and_memory_is_bounded() -> None:
    monitor = ViolationRateMonitor()
    for number in range(1000):
        ask(monitor, number * 10.0, 1, 1, code=f"c{number}")
    assert len(monitor._routes["POST /p"]) == 30
    monitor.keep(frozenset())
    assert monitor._routes == {}
