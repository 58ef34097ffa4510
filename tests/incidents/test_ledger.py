"""Incidents as dialogues: these events at these times, these notices. No clock, no sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from guard.control.incidents.events import DAY, KINDS, READERS, Subject, changes
from guard.control.incidents.ledger import MOST, Ledger, Notice, key
from guard.policy.models import Owners

NOON = 20_000 * DAY + DAY / 2


class Dialogue:
    """A ledger, and what it said so far."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def says(self, at: float, name: str = "", **fields: Any) -> list[tuple[str, str]]:
        """(status, kind) of what is told at a time, after an event or none."""
        return [(one.status, one.opens.subject.kind) for one in self.notices(at, name, **fields)]

    def notices(self, at: float, name: str = "", **fields: Any) -> list[Notice]:
        def told() -> Iterator[Notice]:
            for change in changes(name, fields, NOON + at):
                yield from self.ledger.change(change, NOON + at)
            yield from self.ledger.tick(NOON + at)

        return list(told())


def lowered(to: str = "rules", why: str = "bad", route: str | None = None, who: str = "ann") -> dict[str, Any]:
    return {"name": "mode", "to": to, "why": why, "route": route, "who": who, "from": "normal", "until": None}


def breaker(after: str, before: str = "closed", why: str = "failure_rate", target: str = "model") -> dict[str, Any]:
    return {"name": "breaker", "route": "POST /p", "target": target, "before": before, "after": after, "why": why}


FIRED, OVER = "firing", "resolved"


def test_a_kill_is_told_once_and_its_end_at_once() -> None:
    it = Dialogue()
    assert it.says(0, **lowered()) == [(FIRED, "mode")]
    assert it.says(1, **lowered("disabled")) == []
    assert it.says(2) == []
    assert it.says(3, **lowered("normal", "over")) == [(OVER, "mode")]
    assert it.says(4, **lowered("normal", "over")) == []
    assert it.says(5, **lowered()) == [(FIRED, "mode")]


def test_the_kill_file_and_orders_are_not_one_another() -> None:
    it = Dialogue()
    assert it.says(0, **lowered()) == [(FIRED, "mode")]
    assert it.says(1, **lowered(who="kill file")) == [(FIRED, "mode")]
    assert it.says(2, **lowered("normal")) == [(OVER, "mode")]
    assert len(it.ledger) == 1
    assert it.says(3, **lowered("normal", who="kill file")) == [(OVER, "mode")]


def test_routes_are_incidents_of_their_own() -> None:
    it = Dialogue()
    assert it.says(0, **lowered(route="POST /a")) == it.says(0, **lowered(route="POST /b")) == [(FIRED, "mode")]
    assert it.says(1, **lowered("normal", route="POST /a")) == [(OVER, "mode")]
    assert len(it.ledger) == 1


def test_a_drill_is_told_as_information_and_a_kill_meanwhile_as_more() -> None:
    it = Dialogue()
    assert [one.opens.severity for one in it.notices(0, **lowered(why="drill"))] == ["info"]
    assert [one.opens.severity for one in it.notices(1, **lowered(why="it does harm"))] == ["ticket"]
    assert it.says(2, **lowered(why="drill")) == []


def test_a_breaker_that_flaps_is_one_incident() -> None:
    it = Dialogue()
    assert it.says(0, **breaker("open")) == [(FIRED, "breaker")]
    assert it.says(10, **breaker("half_open", "open", "wait_over")) == []
    assert it.says(11, **breaker("open", "half_open", "probe_failed")) == []
    assert it.says(40, **breaker("closed", "half_open", "recovered")) == []
    assert it.says(70, **breaker("open")) == []
    assert it.says(200, **breaker("closed", "half_open", "recovered")) == []
    assert it.says(259) == []
    (over,) = it.notices(260)
    assert (over.status, over.since, over.at) == (OVER, NOON, NOON + 200)
    assert it.says(1000, **breaker("open")) == [(FIRED, "breaker")]


def test_a_breaker_held_open_names_the_order_that_lets_it_go() -> None:
    (notice,) = Dialogue().notices(0, **breaker("open", why="forced_open"))
    assert notice.opens.severity == "ticket"
    assert notice.opens.back.startswith('PUT /admin/v1/breakers {"route": "POST /p", "target": "model", "state": "auto"')
    assert Dialogue().says(0, name="breaker", route="POST /p", target="model", to="open", who="ann") == []


def test_a_budget_is_over_at_midnight_and_each_of_its_shares_is_told() -> None:
    it = Dialogue()
    spent = {"name": "budget", "daily": 20.0, "currency": "EUR"}
    assert it.says(0, share=0.76, alert_at=0.75, **spent) == [(FIRED, "budget")]
    (all_of_it,) = it.notices(60, share=1.02, alert_at=1.0, **spent)
    assert all_of_it.opens.severity == "page"
    assert it.says(DAY / 2 - 1) == []
    assert it.says(DAY / 2) == [(OVER, "budget"), (OVER, "budget")]
    assert it.says(DAY / 2 + 1, share=0.8, alert_at=0.75, **spent) == [(FIRED, "budget")]


def test_a_policy_is_refused_until_one_is_taken() -> None:
    it = Dialogue()
    assert it.says(0, name="policy_refused", in_force="sha256:1", errors=["a", "b", "c", "d"]) == [
        (FIRED, "policy_refused")
    ]
    assert it.says(5, name="policy_refused", in_force="sha256:1", errors=["a"]) == []
    assert it.says(9, name="policy", policy="sha256:2") == [(OVER, "policy_refused")]


def test_a_change_of_version_is_told_and_its_end_is_not() -> None:
    it = Dialogue()
    change = {"name": "model_version_changed", "route": "POST /p", "target": "model", "before": "1"}
    assert it.says(0, after="2", **change) == [(FIRED, "model_version")]
    assert it.says(1, after="2", **change) == []
    assert it.says(2, after="3", **change) == [(FIRED, "model_version")]
    assert it.says(4000) == []
    assert len(it.ledger) == 0


def test_a_storm_passes() -> None:
    it = Dialogue()
    storm = {"route": "POST /p", "share": 0.3, "requests": 100, "field": "age", "code": "min"}
    assert it.says(0, name="contract_storm", **storm) == [(FIRED, "contract_storm")]
    assert it.says(10, name="contract_storm_over", route="POST /p") == []
    assert it.says(70) == [(OVER, "contract_storm")]


def test_what_is_not_over_is_said_again_for_who_forgets() -> None:
    it = Dialogue()
    it.says(0, **lowered())
    it.says(0, **breaker("open"))
    again = list(it.ledger.standing(NOON + 60))
    assert [(one.status, one.since, one.at) for one in again] == [(FIRED, NOON, NOON + 60)] * 2


def test_routes_that_are_gone_have_no_incidents() -> None:
    it = Dialogue()
    it.says(0, **breaker("open"))
    it.says(0, **lowered())
    assert [one.opens.subject.kind for one in it.ledger.keep(frozenset({"POST /other"}), NOON + 1)] == ["breaker"]
    assert len(it.ledger) == 1


def test_the_ledger_is_bounded() -> None:
    it = Dialogue()
    told = sum(len(it.says(0, **lowered(route=f"POST /{number}"))) for number in range(MOST + 5))
    assert told == len(it.ledger) == MOST
    assert it.ledger.left_out == 5


def test_other_events_say_nothing() -> None:
    assert Dialogue().says(0, name="exchange", route="POST /p") == []
    assert Dialogue().says(0, name="serving") == []


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
    assert len(READERS) >= len(KINDS)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_is_one_of_an_event_that_is_in_the_runbook(name: str) -> None:
    from tests.test_runbook import first_column

    assert name in first_column("What the log says")
