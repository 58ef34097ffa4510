"""What a webhook receives, in each format."""

import json
from typing import Any

import jsonschema_rs
import pytest

from guard.control.incidents.alerts import Around, alert, owner
from guard.control.incidents.events import Ends, Opens, Subject, changes
from guard.control.incidents.ledger import Notice
from guard.control.incidents.manager import address
from guard.events import BudgetReached, PolicyRefused, VersionChanged
from guard.policy.ladder import Secret
from guard.policy.models import Incidents, Owners, Webhook
from guard.privacy.fence import fence
from guard.webhooks import FORMATS
from tests.cli.test_cli import valid
from tests.incidents.test_ledger import NOON, breaker, lowered

OWNERS = Owners(
    serving="platform",
    data_freshness="data-eng",
    incidents=Incidents(team="sre", page="https://p", runbook="https://r", dashboard="https://d"),
)
AROUND = Around("risk", "prod", "pod-1", OWNERS, "rules", fence)


def generic(notice: Notice, around: Around) -> Any:
    return FORMATS["json"].body(alert(notice, around))


def alertmanager(notice: Notice, around: Around) -> Any:
    return FORMATS["alertmanager"].body(alert(notice, around))


def opened(event: Any) -> Opens:
    (change,) = changes(event, NOON)
    assert not isinstance(change, Ends)
    return change


def test_generic() -> None:
    said = valid("alert.schema.json", generic(Notice("firing", opened(lowered(route="POST /p")), NOON, NOON + 1), AROUND))
    said.pop("guard")
    assert said.pop("key") == generic(Notice("resolved", opened(lowered(route="POST /p")), 0, 1), AROUND)["key"]
    assert said == {
        "format": "guard/alert/v1", "status": "firing", "kind": "mode", "severity": "ticket",
        "summary": "The mode was lowered to rules", "service": "risk", "environment": "prod", "replica": "pod-1",
        "route": "POST /p", "target": None, "cause": {"mode": "rules", "who": "ann", "why": "bad"}, "answers_now": "rules",
        "back": "guard restore --route 'POST /p' --reason '…'", "owner": {"role": "incidents", "name": "sre"},
        "page": "https://p", "runbook": "https://r", "dashboard": "https://d",
        "started_at": "2024-10-04T12:00:00.000Z", "ended_at": None,
    }  # fmt: skip
    over = valid("alert.schema.json", generic(Notice("resolved", opened(lowered()), NOON, NOON + 61.5), AROUND))
    assert (over["status"], over["ended_at"]) == ("resolved", "2024-10-04T12:01:01.500Z")


def test_alertmanager() -> None:
    (said,) = alertmanager(Notice("firing", opened(breaker("open")), NOON, NOON + 30), AROUND)
    assert said["labels"] == {
        "alertname": "GuardBreakerOpen", "service": "risk", "environment": "prod", "severity": "page",
        "route": "POST /p", "target": "model", "owner": "sre",
    }  # fmt: skip
    assert said["annotations"]["runbook_url"] == "https://r"
    assert said["annotations"]["replica"] == "pod-1"
    assert said["annotations"]["answers_now"] == "rules"
    assert said["generatorURL"] == "https://d"
    assert (said["startsAt"], said["endsAt"]) == ("2024-10-04T12:00:00.000Z", "2024-10-04T12:04:30.000Z")
    (over,) = alertmanager(Notice("resolved", opened(breaker("open")), NOON, NOON + 90), AROUND)
    assert over["endsAt"] == "2024-10-04T12:01:30.000Z"
    assert over["labels"] == said["labels"]
    other = Around("risk", "prod", "pod-2", OWNERS, "model", fence)
    assert alertmanager(Notice("firing", opened(breaker("open")), NOON + 5, NOON + 5), other)[0]["labels"] == said["labels"]


def test_what_ends_by_itself_is_not_said_to_last_longer() -> None:
    event = BudgetReached(share=1.0, alert_at=1.0, daily=2.0, currency="EUR")
    (said,) = alertmanager(Notice("firing", opened(event), NOON, NOON + 43_100), AROUND)
    assert said["endsAt"] == "2024-10-05T00:00:00.000Z"
    assert said["labels"]["detail"] == "20000 100%"


@pytest.mark.parametrize(
    ("subject", "role", "name"),
    [
        (Subject("mode"), "incidents", "sre"),
        (Subject("breaker", "r", "model"), "incidents", "sre"),
        (Subject("budget"), "serving", "platform"),
        (Subject("policy_refused"), "serving", "platform"),
        (Subject("contract_storm", "r"), "data_freshness", "data-eng"),
        (Subject("model_version", "r", "model", "2"), "incidents", "sre"),  # nobody has model_quality
    ],
)
def test_each_kind_has_its_owner(subject: Subject, role: str, name: str) -> None:
    assert owner(subject, OWNERS) == (role, name)
    assert owner(subject, Owners()) == ("incidents", None)


def test_words_from_outside_pass_the_fence() -> None:
    event = VersionChanged(route="POST /p", target="model", before="1", after="a@b.example " + "x" * 500)
    notice = Notice("firing", opened(event), NOON, NOON)
    said = json.dumps([generic(notice, AROUND), alertmanager(notice, AROUND)])
    assert "a@b.example" not in said
    assert "x" * 300 not in said


def test_nothing_is_needed_of_a_policy() -> None:
    bare = Around("s", "", "h", Owners(), None, fence)
    for event in (lowered(), breaker("open"), PolicyRefused(in_force="", errors=("x",))):
        notice = Notice("firing", opened(event), NOON, NOON)
        valid("alert.schema.json", generic(notice, bare))
        (said,) = alertmanager(notice, bare)
        assert all(said["labels"].values())
        assert "generatorURL" not in said


def test_the_schema_refuses_what_is_not_an_alert() -> None:
    good = generic(Notice("firing", opened(lowered()), NOON, NOON), AROUND)
    for spoil in ({"kind": "x"}, {"status": "maybe"}, {"date": 1}, {"owner": "sre"}, {"key": "short"}):
        with pytest.raises(jsonschema_rs.ValidationError):
            valid("alert.schema.json", {**good, **spoil})


@pytest.mark.parametrize(
    ("url", "kind", "found"),
    [
        ("https://h/x", "json", "https://h/x"),
        ("https://h", "alertmanager", "https://h/api/v2/alerts"),
        ("https://h/am/", "alertmanager", "https://h/am/api/v2/alerts"),
        ("https://h/api/v2/alerts", "alertmanager", "https://h/api/v2/alerts"),
        (Secret.model_construct(env="URL"), "json", "http://from.env/t"),
        (Secret.model_construct(env="NONE"), "json", None),
        (Secret.model_construct(env="BAD"), "json", None),
    ],
)
def test_where_it_goes(url: Any, kind: Any, found: str | None) -> None:
    assert (
        address(Webhook.model_construct(url=url, format=kind), {"URL": "http://from.env/t\n", "BAD": "file:///etc"})
        == found
    )
