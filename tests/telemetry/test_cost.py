"""What calls cost, by the day."""

import pytest

from guard.events import BudgetReached
from guard.proxy.values import Usage
from guard.telemetry.cost import DAY, Cost, Price
from tests.telemetry.records import attempt, record

PRICE = Price(0.5, "EUR", 10.0, 0.75)


class Till:
    """A cost with its events and a clock."""

    def __init__(self, price: Price | None = PRICE) -> None:
        self.events: list[BudgetReached] = []
        self.day = 20_000.0
        self.cost = Cost(lambda now: self.day * DAY + now, self.events.append)  # type: ignore[arg-type]
        self.cost.price = price

    def spend(self, calls: int) -> None:
        for _ in range(calls):
            self.cost.take(iter([record()]))


@pytest.mark.parametrize("failed", ["timeout", "reset", "malformed", "too_large"])
def test_what_reached_the_model_is_paid_for(failed: str) -> None:
    till = Till()
    till.cost.take(iter([record(attempts=[attempt(failed=failed), attempt()])]))
    assert till.cost.today == 1.0


@pytest.mark.parametrize("failed", ["connect", "tls", "overloaded", "mode", "breaker_open", "backoff"])
def test_what_did_not_is_free(failed: str) -> None:
    till = Till()
    till.cost.take(iter([record(attempts=[attempt(failed=failed, status=0)])]))
    till.cost.take(iter([record(attempts=[])]))
    assert (till.cost.today, len(till.cost.spent)) == (0.0, 0)


def test_a_share_is_said_once_and_the_whole_once_more() -> None:
    till = Till()
    till.spend(14)
    assert till.events == []
    till.spend(1)
    assert [(event.alert_at, event.share, event.level) for event in till.events] == [(0.75, 0.75, 30)]
    till.spend(20)
    assert [event.alert_at for event in till.events] == [0.75, 1.0]
    assert till.cost.share(0.0) == 1.75


def test_a_day_begins_at_midnight_and_a_clock_that_is_set_back_does_not_end_it() -> None:
    till = Till()
    till.spend(30)
    till.day += 1
    assert till.cost.share(0.0) == 0.0
    till.spend(15)
    assert len(till.events) == 3
    till.day -= 1
    assert till.cost.share(0.0) == 0.75


def test_a_restart_goes_on_from_there() -> None:
    till, again = Till(), Till()
    till.spend(16)
    again.cost.recall(till.cost.state())
    again.spend(1)
    assert again.cost.today == 8.5
    assert again.events == []


def test_no_price_no_cost_and_no_budget_no_share() -> None:
    free, unbounded = Till(None), Till(Price(0.5, "EUR", None, 0.75))
    free.spend(3)
    unbounded.spend(3)
    assert (free.cost.today, unbounded.cost.today) == (0.0, 1.5)
    assert (free.cost.share(0.0), unbounded.cost.share(0.0)) == (None, None)
    assert unbounded.events == []


def test_tokens_are_paid_for_where_they_are_counted() -> None:
    till = Till(Price(0.0, "EUR", None, 0.75, per_input_token=2e-6, per_output_token=8e-6))
    one, other = attempt(), attempt(status=0, failed="timeout")
    one.usage = Usage("chat", 1000, 500, "stop")
    till.cost.take(iter([record(attempts=[one, other], source="rules")]))  # though its answer was not given
    till.cost.take(iter([record()]))
    assert till.cost.today == pytest.approx(0.006)
    labels, spent = next(iter(till.cost.spent))
    assert labels == ("POST", "/p", "EUR")
    assert spent.value == pytest.approx(0.006)


def test_another_currency_is_another_series_and_another_budget() -> None:
    till, routes = Till(None), frozenset({("POST", "/p")})
    till.cost.declare(PRICE, routes, 0.0)
    till.spend(16)
    assert till.cost.share(0.0) == 0.8
    till.cost.declare(PRICE._replace(currency="USD"), routes, 0.0)
    assert (till.cost.share(0.0), len(till.cost.spent)) == (0.0, 0)
    till.spend(1)
    assert [labels[2] for labels, _ in till.cost.spent if labels] == ["USD"]
    till.cost.declare(None, routes, 0.0)
    till.cost.declare(PRICE._replace(currency="USD", per_request=1.0), routes, 0.0)
    assert till.cost.today == 0.5  # a price that is gone for a while does not forget the day


def test_what_was_spent_in_another_currency_is_not_recalled() -> None:
    till, after = Till(None), Till(None)
    till.cost.declare(PRICE, frozenset(), 0.0)
    till.spend(4)
    after.cost.declare(PRICE._replace(currency="USD"), frozenset(), 0.0)
    after.cost.recall(till.cost.state())
    assert after.cost.today == 0.0
    after.cost.declare(PRICE, frozenset(), 0.0)
    after.cost.recall(till.cost.state())
    assert after.cost.today == 2.0
