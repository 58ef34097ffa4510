"""Policies with budgets, compiled: who pays how much, in which budgets, and what outlives a reload."""

from pathlib import Path
from typing import Any

import pytest

from guard.control.budgets import BudgetKeeper
from guard.control.state import StateFolder
from guard.events import Event, StateUnavailable
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.policy.runtime import Runtime
from guard.targets.budgets import Price, Purse
from guard.targets.ledger import DAY, PICO, Window

HEAD = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:8080\n"
TWO = """routes:
  POST /a:
    fallback: [previous: {url: 'http://127.0.0.1:8081', cost: {per_request: 0.5 EUR}}]
  POST /b:
    targets: {cost: {per_request: 3 EUR, daily: 6 EUR, on_spent: deny, alert_at: [50%, 90%]}}
"""
SERVICE = "targets: {cost: {per_request: 1 EUR, daily: 10 EUR, on_spent: next}}\n"


def plan_of(folder: Path, text: str, runtime: Runtime | None = None) -> CompiledPlan:
    path = folder / "guard.yaml"
    path.write_text(HEAD + text)
    runtime = runtime or Runtime()
    draft = runtime.draft()
    plan = compile_plan(load(path, environ={}), CompileContext(), draft)
    runtime.adopt(draft)
    return plan


def purses(plan: CompiledPlan) -> dict[tuple[str, str], Purse]:
    return {
        (route.key, rung.source): rung.purse  # type: ignore[attr-defined]
        for route in plan.routes
        for rung in route.ladder
        if rung.remote and rung.purse is not None  # type: ignore[attr-defined]
    }


def test_each_target_of_each_route_has_its_price_and_its_budgets(tmp_path: Path) -> None:
    found = purses(plan_of(tmp_path, TWO + SERVICE))
    assert {key: (purse.price.request / PICO, [b.ledger.name for b in purse.budgets]) for key, purse in found.items()} == {
        ("POST /a", "model"): (1.0, [""]),
        ("POST /a", "previous"): (0.5, [""]),
        ("POST /b", "model"): (3.0, ["POST /b", ""]),
    }
    own, service = found["POST /b", "model"].budgets
    assert (own.on_spent, own.strict, own.shares) == ("deny", True, (0.5, 0.9, 1.0))
    assert service is found["POST /a", "model"].budgets[0]


def test_nothing_is_reserved_where_no_budget_is_declared(tmp_path: Path) -> None:
    assert purses(plan_of(tmp_path, "routes: {POST /a: {}}\ntargets: {cost: {per_request: 1 EUR}}\n")) == {}
    assert purses(plan_of(tmp_path, "routes: {POST /a: {}}\n")) == {}


def test_tokens_have_a_price_in_parts_that_no_sum_rounds(tmp_path: Path) -> None:
    text = "routes: {POST /a: {dialect: openai}}\ntargets: {cost: {per_million_input_tokens: 0.15 EUR, daily: 1 EUR}}\n"
    assert purses(plan_of(tmp_path, text))["POST /a", "model"].price == Price(0, 150_000, 0)


def test_a_passthrough_route_counts_at_the_price_of_a_request(tmp_path: Path) -> None:
    text = "routes: {POST /a: passthrough}\n" + SERVICE
    assert purses(plan_of(tmp_path, text))["POST /a", "model"].price == Price(PICO)


@pytest.mark.parametrize(
    "text",
    [
        "routes: {POST /a: {}}\ntargets: {cost: {daily: 1 EUR, on_spent: next}}\n",
        "routes: {POST /a: {}}\ntargets: {cost: {per_million_input_tokens: 1 EUR, daily: 1 EUR, on_spent: next}}\n",
        "routes: {POST /a: passthrough}\n"
        "targets: {cost: {per_request: 1 EUR, per_million_input_tokens: 1 EUR, daily: 1 EUR, on_spent: next}}\n",
    ],
)
def test_a_price_that_nobody_knows_is_refused_with_the_policy(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyInvalid):
        plan_of(tmp_path, text)


def test_a_reload_keeps_what_was_spent_and_another_currency_begins_anew(tmp_path: Path) -> None:
    runtime = Runtime()
    first = plan_of(tmp_path, TWO + SERVICE, runtime)
    first.budgets[0].ledger.at(20_000).spent = 7
    second = plan_of(tmp_path, TWO + SERVICE.replace("10 EUR", "20 EUR"), runtime)
    assert second.budgets[0].ledger.window.spent == 7
    assert second.budgets[0].limit == 20 * PICO
    third = plan_of(tmp_path, "routes: {POST /a: {}}\n" + SERVICE.replace("EUR", "USD"), runtime)
    assert third.budgets[0].ledger.window.spent == 0


class Kept:
    """A keeper of a state folder, as a process has it."""

    def __init__(self, folder: Path, plan: CompiledPlan) -> None:
        self.events: list[Event] = []
        self.keeper = BudgetKeeper(self.events.append, lambda: 20_000 * DAY)
        self.state = StateFolder(folder / "state")
        self.keeper.state = self.state
        self.keeper.adopt(plan.budgets)
        self.ledger = plan.budgets[0].ledger

    def window(self, day: int = 20_000) -> Window:
        return self.ledger.at(day)


def test_a_lease_is_recalled_and_a_torn_record_leaves_the_one_before(tmp_path: Path) -> None:
    before = Kept(tmp_path, plan_of(tmp_path, TWO + SERVICE))
    limit = 10 * PICO
    assert before.ledger.reserve(before.window(), PICO // 100, limit)
    one = before.window().granted
    assert before.ledger.reserve(before.window(), one, limit)
    assert before.window().granted > one
    before.state.close()
    file = next(path for path in (tmp_path / "state" / "private").glob("budget-*") if path.read_bytes().strip(b"\0"))
    for damage, expected in ((b"", before.window().granted), (b"x", one)):
        content = bytearray(file.read_bytes())
        content[130 : 130 + len(damage)] = damage
        file.write_bytes(content)
        after = Kept(tmp_path, plan_of(tmp_path, TWO + SERVICE))
        assert after.window().spent == expected
        assert after.window().held == 0
        after.state.close()


@pytest.mark.parametrize(("keys", "fits"), [("on_spent: next", False), ("on_spent: next, strict: false", True)])
def test_without_a_state_folder_a_strict_budget_spends_nothing(tmp_path: Path, keys: str, fits: bool) -> None:
    plan = plan_of(tmp_path, "routes: {POST /a: {}}\n" + SERVICE.replace("on_spent: next", keys))
    keeper = BudgetKeeper([].append, lambda: 20_000 * DAY)
    keeper.adopt(plan.budgets)
    ledger = plan.budgets[0].ledger
    assert ledger.reserve(ledger.at(20_000), 1, 100) is fits
    assert keeper.status(20_000 * 86_400.0)[0]["durable"] is False


def test_a_disk_that_takes_no_more_is_published_once(tmp_path: Path, monkeypatch: Any) -> None:
    kept = Kept(tmp_path, plan_of(tmp_path, TWO + SERVICE))

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("guard.control.budgets.os.pwrite", full)
    for _ in range(3):
        assert not kept.ledger.reserve(kept.window(), 1, 100)
    assert [type(event) for event in kept.events] == [StateUnavailable]
    monkeypatch.undo()
    assert kept.ledger.reserve(kept.window(), 1, 100)
    kept.state.close()


@pytest.mark.parametrize(
    "text",
    [
        "routes: {POST /a: {targets: {cost: {daily: 9 USD}}}}\ntargets: {cost: {per_request: 1 EUR}}\n",
        "routes: {POST /a: {fallback: [previous: {url: 'http://127.0.0.1:1', cost: {per_request: 1 USD}}],\n"
        "  targets: {cost: {per_request: 1 EUR, daily: 9 EUR}}}}\n",
        "routes: {POST /a: {targets: {cost: {per_request: 1 USD}}}}\ntargets: {cost: {per_request: 1 EUR, daily: 9 EUR}}\n",
    ],
)
def test_two_currencies_are_never_added(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyInvalid, match="cannot be added"):
        plan_of(tmp_path, text)


def test_a_budget_that_leaves_the_policy_and_returns_has_lost_nothing(tmp_path: Path) -> None:
    runtime = Runtime()
    kept = Kept(tmp_path, plan_of(tmp_path, TWO + SERVICE, runtime))
    before = kept.ledger
    assert before.reserve(kept.window(), 5, 10 * PICO)
    before.settle(kept.window(), 5, 5)
    kept.keeper.adopt(plan_of(tmp_path, "routes: {POST /a: {}}\n", runtime).budgets)
    before.settle(before.window, 0, 1)  # a call of the plan before is still under way
    again = plan_of(tmp_path, TWO + SERVICE, runtime)
    kept.keeper.adopt(again.budgets)
    assert again.budgets[0].ledger is not before
    assert again.budgets[0].ledger.at(20_000).spent == 5, "and not all of its lease"
    assert kept.events == []
    kept.state.close()
