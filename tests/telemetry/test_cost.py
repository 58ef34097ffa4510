"""The metric of what calls cost."""

import pytest

from guard.proxy.values import Usage
from guard.telemetry.cost import Cost, Price
from tests.telemetry.records import attempt, record

PRICE = Price(0.5, "EUR")


def spent(cost: Cost) -> float:
    return sum(counter.value for _, counter in cost.spent)


def priced(price: Price | None = PRICE) -> Cost:
    cost = Cost()
    cost.declare(price, frozenset({("POST", "/p")}), 0.0)
    return cost


@pytest.mark.parametrize("failed", ["timeout", "reset", "malformed", "too_large"])
def test_what_reached_the_model_is_paid_for(failed: str) -> None:
    cost = priced()
    cost.take(iter([record(attempts=[attempt(failed=failed), attempt()])]))
    assert spent(cost) == 1.0


@pytest.mark.parametrize("failed", ["connect", "tls", "overloaded", "mode", "breaker_open", "backoff"])
def test_what_did_not_is_free(failed: str) -> None:
    cost = priced()
    cost.take(iter([record(attempts=[attempt(failed=failed, status=0)])]))
    cost.take(iter([record(attempts=[])]))
    assert len(cost.spent) == 0


def test_what_a_budget_has_settled_counts_as_it_was_settled() -> None:
    cost = priced()
    settled = attempt()
    settled.cost = 250_000_000_000
    free = attempt()
    free.cost = 0
    cost.take(iter([record(attempts=[settled, free])]))
    assert spent(cost) == 0.25
    cost.take(iter([record(attempts=[free])]))
    assert spent(cost) == 0.25


def test_no_price_no_cost() -> None:
    cost = priced(None)
    cost.take(iter([record()]))
    assert len(cost.spent) == 0


def test_tokens_are_paid_for_where_they_are_counted() -> None:
    cost = priced(Price(0.0, "EUR", per_input_token=2e-6, per_output_token=8e-6))
    one, other = attempt(), attempt(status=0, failed="timeout")
    one.usage = Usage("chat", 1000, 500, "stop")
    cost.take(iter([record(attempts=[one, other], source="rules")]))  # though its answer was not given
    cost.take(iter([record()]))
    labels, counter = next(iter(cost.spent))
    assert labels == ("POST", "/p", "EUR")
    assert counter.value == pytest.approx(0.006)


def test_another_currency_is_another_series() -> None:
    cost, routes = priced(), frozenset({("POST", "/p")})
    cost.take(iter([record()]))
    cost.declare(PRICE._replace(currency="USD"), routes, 0.0)
    assert len(cost.spent) == 0
    cost.take(iter([record()]))
    assert [labels[2] for labels, _ in cost.spent if labels] == ["USD"]
