"""Budgets of calls: reserve, settle, shares, days."""

import pytest

from guard.events import BudgetReached, Event
from guard.proxy.values import Closed, Usage
from guard.targets.budgets import Price
from guard.targets.estimates import FIRST, TEMPLATE, UNKNOWN, Estimates
from tests.targets.stand import Disk, attempt, budget, permit, purse, reserved

pytestmark = pytest.mark.source  # stand-ins for permits and messages


def test_a_call_that_fits_is_held_and_then_spent() -> None:
    ledger = Disk().ledger()
    mine = purse(Price(10), budget(ledger, 25))
    first, second = reserved(mine.reserve(permit(), 0.0)), reserved(mine.reserve(permit(), 0.0))
    assert ledger.window.held == 20
    third = mine.reserve(permit(), 0.0)
    assert isinstance(third, Closed)
    assert (third.reason, third.retry_after, third.last) == ("budget", 1.0, False)
    first.settle(attempt(), 0)
    second.settle(attempt(), 0)
    assert (ledger.window.held, ledger.window.spent) == (0, 20)


def test_a_budget_that_denies_closes_every_rung_but_the_last_until_midnight() -> None:
    mine = purse(Price(10), budget(Disk().ledger(), 5, on_spent="deny"))
    closed = mine.reserve(permit(), 86_000.0)
    assert isinstance(closed, Closed)
    assert (closed.last, closed.retry_after) == (True, 400.0)


def test_only_the_first_settlement_counts() -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(10), budget(ledger, 100)).reserve(permit(), 0.0))
    hold.settle(attempt(), 0)
    hold.settle(attempt(), 0)
    assert (ledger.window.held, ledger.window.spent) == (0, 10)


def test_a_call_that_was_never_sent_is_free() -> None:
    ledger = Disk().ledger()
    hold = purse(Price(10), budget(ledger, 100)).reserve(permit(), 0.0)
    assert not isinstance(hold, Closed)
    made = attempt(status=0, failed="overloaded")
    hold.settle(made, 0)
    assert (ledger.window.held, ledger.window.spent, made.cost) == (0, 0, 0)


@pytest.mark.parametrize("failed", [None, "timeout", "reset", "mode"])
def test_a_call_that_was_sent_is_paid_for_however_it_ended(failed: str | None) -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(10, 1, 2), budget(ledger, 10_000, strict=False)).reserve(permit(b"x" * 35), 0.0))
    held = hold.held
    hold.settle(attempt(status=0, failed=failed), 0)
    assert (ledger.window.held, ledger.window.spent) == (0, held)


def test_the_tokens_that_the_model_server_counted_are_paid_for() -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(10, 1, 2), budget(ledger, 10_000, strict=False)).reserve(permit(b"x" * 35), 0.0))
    assert hold.held == 10 + 11 + 2 * UNKNOWN
    hold.settle(attempt(usage=Usage("chat", 7, 30)), 100)
    assert ledger.window.spent == 10 + 7 + 60


def test_a_request_that_the_model_server_refused_costs_no_tokens() -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(10, 1, 2), budget(ledger, 10_000, strict=False)).reserve(permit(b"x" * 35), 0.0))
    hold.settle(attempt(status=400), 0)
    assert ledger.window.spent == 10


def test_an_answer_without_usage_costs_what_was_reserved() -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(0, 0, 2), budget(ledger, 10_000, strict=False)).reserve(permit(), 0.0))
    hold.settle(attempt(), 70_000)
    assert ledger.window.spent == 40_000, "the answer is longer than what was reserved"


def test_a_strict_budget_reserves_the_most_that_a_call_can_cost() -> None:
    ledger = Disk().ledger()
    mine = purse(Price(10, 1, 2), budget(ledger, 100_000), most_output=500)
    assert reserved(mine.reserve(permit(b"x" * 100), 0.0)).held == 10 + 100 + TEMPLATE + 1000
    assert reserved(mine.reserve(permit(b"", {"max_tokens": 50}), 0.0)).held == 10 + TEMPLATE + 100
    assert reserved(mine.reserve(permit(b"", {"max_tokens": 50, "n": 3}), 0.0)).held == 10 + TEMPLATE + 300
    assert reserved(mine.reserve(permit(b"", {"max_tokens": 9999}), 0.0)).held == 10 + TEMPLATE + 1000


def test_a_call_that_may_run_twice_is_reserved_twice() -> None:
    ledger = Disk().ledger()
    hold = reserved(purse(Price(10), budget(ledger, 25)).reserve(permit(), 0.0))
    assert hold.again()
    assert not hold.again()
    hold.settle(attempt(), 0)
    assert (ledger.window.held, ledger.window.spent) == (0, 20)


def test_a_route_and_its_service_hold_both_or_neither() -> None:
    disk = Disk()
    route, service = disk.ledger("POST /p"), disk.ledger()
    mine = purse(Price(10), budget(route, 1000), budget(service, 15))
    reserved(mine.reserve(permit(), 0.0))
    assert isinstance(mine.reserve(permit(), 0.0), Closed)
    assert (route.window.held, service.window.held) == (10, 10)


def test_a_budget_that_only_alerts_holds_nothing_back() -> None:
    events: list[Event] = []
    ledger = Disk().ledger()
    mine = purse(Price(10), budget(ledger, 20, events, on_spent="alert", strict=False))
    for _ in range(4):
        reserved(mine.reserve(permit(), 0.0)).settle(attempt(), 0)
    assert ledger.window.spent == 40
    assert [event.alert_at for event in events if isinstance(event, BudgetReached)] == [0.5, 1.0]


def test_shares_are_announced_once_and_also_over_a_restart() -> None:
    events: list[Event] = []
    disk = Disk()
    for _ in range(2):
        mine = purse(Price(10), budget(disk.ledger(), 100, events))
        for _ in range(4):
            hold = mine.reserve(permit(), 0.0)
            if not isinstance(hold, Closed):
                reserved(hold).settle(attempt(), 0)
    assert len([event for event in events if isinstance(event, BudgetReached)]) == len({event.alert_at for event in events})  # type: ignore[attr-defined]


def test_a_budget_with_a_rest_that_no_call_fits_is_announced_as_spent() -> None:
    events: list[Event] = []
    mine = purse(Price(10), budget(Disk().ledger(), 25, events))
    for _ in range(2):
        reserved(mine.reserve(permit(), 0.0)).settle(attempt(), 0)
    assert isinstance(mine.reserve(permit(), 0.0), Closed)
    assert [(event.alert_at, event.share) for event in events if isinstance(event, BudgetReached)] == [
        (0.5, 0.8),
        (1.0, 0.8),
    ]


def test_a_day_begins_at_midnight_and_calls_settle_in_the_day_in_which_they_began() -> None:
    ledger = Disk().ledger()
    mine = purse(Price(10), budget(ledger, 15))
    old, before = reserved(mine.reserve(permit(), 86_399.0)), ledger.window
    new = reserved(mine.reserve(permit(), 86_401.0))
    assert isinstance(mine.reserve(permit(), 86_399.5), Closed), "a clock that is set back stays in the new day"
    old.settle(attempt(), 0)
    new.settle(attempt(), 0)
    assert (before.spent, before.held, ledger.window.spent, ledger.window.held) == (10, 0, 10, 0)


def test_nothing_is_spent_that_no_lease_covers() -> None:
    disk = Disk()
    ledger = disk.ledger()
    mine = purse(Price(10), budget(ledger, 1000))
    disk.broken = True
    assert isinstance(mine.reserve(permit(), 0.0), Closed)
    disk.broken = False
    reserved(mine.reserve(permit(), 0.0))


def test_estimates_follow_the_answers() -> None:
    known = Estimates()
    assert known.output_tokens(0) == UNKNOWN
    for number in range(FIRST):
        known.learn(350, 200, 100 + number % 10)
    assert 100 <= known.output_tokens(0) <= 130
    assert known.output_tokens(50) == 50
    assert 190 <= known.input_tokens(350) <= 210, "bytes / 3.5 would say 101"


def test_a_server_that_did_not_begin_costs_no_tokens_and_one_that_failed_may_have() -> None:
    for status, cost in ((503, 10), (429, 10), (500, 10 + 2 * UNKNOWN)):
        ledger = Disk().ledger()
        hold = reserved(purse(Price(10, 0, 2), budget(ledger, 100_000, strict=False)).reserve(permit(), 0.0))
        hold.settle(attempt(status=status), 0)
        assert ledger.window.spent == cost


@pytest.mark.parametrize(
    ("document", "outputs"),
    [
        ({"max_tokens": 10, "n": "3"}, 30),
        ({"max_tokens": "10"}, 10),
        ({"max_tokens": 10.0}, 10),
        ({"max_tokens": -1}, 500),
        ({"max_tokens": [10]}, 500),
        ({"max_tokens": "ten"}, 500),
        ({"max_tokens": 10, "max_completion_tokens": 20}, 20),
        ({"max_tokens": 10, "prompt": ["a", "b", "c"]}, 30),
        ({"max_tokens": 10, "prompt": [[1, 2], [3]], "n": 2}, 40),
        ({"max_tokens": 10, "prompt": [1, 2, 3]}, 10),
        ({"max_tokens": 10, "best_of": 4}, 40),
    ],
)
def test_a_strict_budget_reserves_for_every_answer_that_a_request_may_ask_for(
    document: dict[str, object], outputs: int
) -> None:
    mine = purse(Price(0, 0, 1), budget(Disk().ledger(), 100_000), most_output=500)
    assert reserved(mine.reserve(permit(b"", document), 0.0)).held == outputs


def test_a_stream_that_came_in_one_piece_without_usage_counts_its_events() -> None:
    ledger = Disk().ledger()
    mine = purse(Price(0, 0, 1), budget(ledger, 100_000, strict=False))
    hold = reserved(mine.reserve(permit(b"", {"max_tokens": 10}, stream=True), 0.0))
    hold.settle(attempt(usage=Usage("chat", pieces=4)), 30_000)
    assert ledger.window.spent == 4


def test_after_a_kill_a_budget_that_only_alerts_goes_on_from_its_last_save_and_adds_no_lease() -> None:
    disk = Disk()
    ledger = disk.ledger()
    mine = purse(Price(10), budget(ledger, 100, on_spent="alert", strict=False))
    for _ in range(7):
        reserved(mine.reserve(permit(), 0.0)).settle(attempt(), 0)
    mine.reserve(permit(), 0.0)  # under way
    assert ledger.window.spent == 70
    assert disk.ledger().window.spent == 50, "the save at the announced share"
