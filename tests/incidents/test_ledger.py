"""Incidents as dialogues: these events at these times, these notices. No clock, no sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from guard.control.incidents.events import DAY, KINDS, SOURCES, Subject, changes
from guard.control.incidents.ledger import MOST, Ledger, Notice, key
from guard.events import (
    BreakerChanged,
    BudgetReached,
    ContractStorm,
    ContractStormEnded,
    Event,
    FileReadable,
    FileUnreadable,
    ModeChanged,
    ModeRecalled,
    OrdersUnreadable,
    PolicyApplied,
    PolicyRefused,
    VersionChanged,
)
from guard.policy.models import Owners

NOON = 20_000 * DAY + DAY / 2


class Dialogue:
    """A ledger, and what it said so far."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def says(self, at: float, event: Any = None) -> list[tuple[str, str]]:
        """(status, kind) of the notices that are due at a time, after an event or none."""
        return [(notice.status, notice.opens.subject.kind) for notice in self.notices(at, event)]

    def notices(self, at: float, event: Any = None) -> list[Notice]:
        def told() -> Iterator[Notice]:
            for change in changes(event, NOON + at) if event is not None else ():
                yield from self.ledger.change(change, NOON + at)
            yield from self.ledger.tick(NOON + at)

        return list(told())


def lowered(to: str = "rules", why: str = "bad", route: str | None = None, who: str = "ann") -> ModeChanged:
    return ModeChanged(who=who, route=route, before="normal", after=to, why=why, until=None, epoch=1)


def breaker(after: Any, before: Any = "closed", why: str = "failure_rate", target: str = "model") -> BreakerChanged:
    return BreakerChanged(route="POST /p", target=target, before=before, after=after, why=why)


def budget(share: float, alert_at: float) -> BudgetReached:
    return BudgetReached(share=share, alert_at=alert_at, daily=20.0, currency="EUR")


FIRED, OVER = "firing", "resolved"


def test_a_kill_is_told_once_and_its_end_at_once() -> None:
    it = Dialogue()
    assert it.says(0, lowered()) == [(FIRED, "mode")]
    assert it.says(1, lowered("disabled")) == []
    assert it.says(2) == []
    assert it.says(3, lowered("normal", "over")) == [(OVER, "mode")]
    assert it.says(4, lowered("normal", "over")) == []
    assert it.says(5, lowered()) == [(FIRED, "mode")]


def test_the_kill_file_and_orders_are_not_one_another() -> None:
    it = Dialogue()
    assert it.says(0, lowered()) == [(FIRED, "mode")]
    assert it.says(1, lowered(who="kill file")) == [(FIRED, "mode")]
    assert it.says(2, lowered("normal")) == [(OVER, "mode")]
    assert len(it.ledger) == 1
    assert it.says(3, lowered("normal", who="kill file")) == [(OVER, "mode")]


def test_routes_are_incidents_of_their_own() -> None:
    it = Dialogue()
    assert it.says(0, lowered(route="POST /a")) == it.says(0, lowered(route="POST /b")) == [(FIRED, "mode")]
    assert it.says(1, lowered("normal", route="POST /a")) == [(OVER, "mode")]
    assert len(it.ledger) == 1


def test_a_drill_is_told_as_information_and_a_kill_meanwhile_as_more() -> None:
    it = Dialogue()
    assert [notice.opens.severity for notice in it.notices(0, lowered(why="drill"))] == ["info"]
    assert [notice.opens.severity for notice in it.notices(1, lowered(why="it does harm"))] == ["ticket"]
    assert it.says(2, lowered(why="drill")) == []


def test_a_breaker_that_flaps_is_one_incident() -> None:
    it = Dialogue()
    assert it.says(0, breaker("open")) == [(FIRED, "breaker")]
    assert it.says(10, breaker("half_open", "open", "wait_over")) == []
    assert it.says(11, breaker("open", "half_open", "probe_failed")) == []
    assert it.says(40, breaker("closed", "half_open", "recovered")) == []
    assert it.says(70, breaker("open")) == []
    assert it.says(200, breaker("closed", "half_open", "recovered")) == []
    assert it.says(259) == []
    (over,) = it.notices(260)
    assert (over.status, over.since, over.at) == (OVER, NOON, NOON + 200)
    assert it.says(1000, breaker("open")) == [(FIRED, "breaker")]


def test_a_breaker_held_open_names_the_order_that_lets_it_go() -> None:
    (notice,) = Dialogue().notices(0, breaker("open", why="forced_open"))
    assert notice.opens.severity == "ticket"
    assert notice.opens.back.startswith('PUT /admin/v1/breakers {"route": "POST /p", "target": "model", "state": "auto"')


def test_a_budget_is_over_at_midnight_and_each_of_its_shares_is_told() -> None:
    it = Dialogue()
    assert it.says(0, budget(0.76, 0.75)) == [(FIRED, "budget")]
    (all_of_it,) = it.notices(60, budget(1.02, 1.0))
    assert all_of_it.opens.severity == "page"
    assert it.says(DAY / 2 - 1) == []
    assert it.says(DAY / 2) == [(OVER, "budget"), (OVER, "budget")]
    assert it.says(DAY / 2 + 1, budget(0.8, 0.75)) == [(FIRED, "budget")]


def test_a_budget_of_a_route_is_an_incident_of_its_own_and_says_what_happens() -> None:
    it = Dialogue()
    assert it.says(0, budget(1.0, 1.0)) == [(FIRED, "budget")]
    event = BudgetReached(share=1.0, alert_at=1.0, daily=2.0, currency="EUR", route="POST /p", on_spent="next")
    (notice,) = it.notices(1, event)
    assert notice.opens.subject.route == "POST /p"
    assert notice.opens.summary == "100% of the day's budget of POST /p is spent; its calls are refused until midnight UTC"
    assert "targets.cost.daily" in notice.opens.back


def test_a_policy_is_refused_until_one_is_taken() -> None:
    it = Dialogue()
    assert it.says(0, PolicyRefused(in_force="sha256:1", errors=("a", "b", "c", "d"))) == [(FIRED, "policy_refused")]
    assert it.says(5, PolicyRefused(in_force="sha256:1", errors=("a",))) == []
    assert it.says(9, PolicyApplied(policy="sha256:2")) == [(OVER, "policy_refused")]


def test_a_change_of_version_is_told_and_its_end_is_not() -> None:
    it = Dialogue()

    def change(after: str) -> VersionChanged:
        return VersionChanged(route="POST /p", target="model", before="1", after=after)

    assert it.says(0, change("2")) == [(FIRED, "model_version")]
    assert it.says(1, change("2")) == []
    assert it.says(2, change("3")) == [(FIRED, "model_version")]
    assert it.says(4000) == []
    assert len(it.ledger) == 0


def test_a_file_that_cannot_be_read_is_an_incident_of_its_own_until_it_can() -> None:
    it = Dialogue()
    assert it.says(0, FileUnreadable(file="kill file", why="hung")) == [(FIRED, "file_unreadable")]
    assert it.says(1, FileUnreadable(file="kill file", why="Permission denied")) == []
    assert it.says(2, FileUnreadable(file="policy", why="hung")) == [(FIRED, "file_unreadable")]
    assert it.says(3, FileReadable(file="kill file")) == [(OVER, "file_unreadable")]


def test_a_storm_passes() -> None:
    it = Dialogue()
    storm = ContractStorm(route="POST /p", share=0.3, requests=100, field="age", code="min")
    assert it.says(0, storm) == [(FIRED, "contract_storm")]
    assert it.says(10, ContractStormEnded(route="POST /p")) == []
    assert it.says(70) == [(OVER, "contract_storm")]


def test_what_is_not_over_is_said_again_for_who_forgets() -> None:
    it = Dialogue()
    it.says(0, lowered())
    it.says(0, breaker("open"))
    again = list(it.ledger.standing(NOON + 60))
    assert [(item.status, item.since, item.at) for item in again] == [(FIRED, NOON, NOON + 60)] * 2


def test_routes_that_are_gone_have_no_incidents() -> None:
    it = Dialogue()
    it.says(0, breaker("open"))
    it.says(0, lowered())
    assert [item.opens.subject.kind for item in it.ledger.keep(frozenset({"POST /other"}), NOON + 1)] == ["breaker"]
    assert len(it.ledger) == 1


def test_the_ledger_is_bounded() -> None:
    it = Dialogue()
    total = sum(len(it.says(0, lowered(route=f"POST /{number}"))) for number in range(MOST + 5))
    assert total == len(it.ledger) == MOST
    assert it.ledger.left_out == 5


def test_what_was_ordered_before_a_restart_is_the_same_incident_after_it() -> None:
    before, after = Dialogue(), Dialogue()
    (first,) = before.notices(0, lowered(route="POST /a"))
    (again,) = after.notices(9, ModeRecalled(route="POST /a", mode="rules", who="ann", why="bad"))
    assert again.opens == first.opens
    assert Dialogue().says(0, OrdersUnreadable(why="w")) == [(FIRED, "mode")]


def test_a_key_is_the_same_everywhere_and_another_for_another_subject() -> None:
    subject = Subject("breaker", "POST /p", "model")
    assert key("s", "prod", subject) == key("s", "prod", Subject("breaker", "POST /p", "model", ""))
    others = {
        key("s", "prod", subject), key("t", "prod", subject), key("s", "dev", subject), key("s", "prod", Subject("mode")),
        key("s", "prod", Subject("breaker", "POST /p", "previous")), key("s", "prod", Subject("breaker", "POST /q", "model")),
        key("sp", "rod", subject),
    }  # fmt: skip
    assert len(others) == 7


def test_every_kind_has_a_role_that_a_policy_can_name() -> None:
    assert {of.role for of in KINDS.values()} <= set(Owners.model_fields)


@pytest.mark.parametrize("source", SOURCES)
def test_every_event_that_incidents_come_from_is_in_the_runbook(source: type[Event]) -> None:
    from tests.test_runbook import first_column

    assert source.name in first_column("What the log says")
