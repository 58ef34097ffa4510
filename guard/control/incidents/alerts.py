"""An incident → the alert that the webhook formats (`guard.webhooks`) write. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guard import __version__
from guard.control.incidents.events import KINDS, Subject
from guard.control.incidents.ledger import Notice, key
from guard.policy.models import Owners
from guard.webhooks.values import Alert, written


@dataclass(frozen=True, slots=True)
class Around:
    """Facts that every alert carries besides the incident. `fence` makes a value fit to leave the process."""

    service: str
    environment: str
    replica: str
    owners: Owners
    answers_now: str | None
    fence: Callable[[object], object]


def owner(subject: Subject, owners: Owners) -> tuple[str, str | None]:
    """The owner of an incident: the role and the person; the night contact if the role has none."""
    role = KINDS[subject.kind].role
    name = owners.of(role)
    return (role, name) if name is not None else ("incidents", owners.of("incidents"))


def alert(notice: Notice, around: Around) -> Alert:
    """The alert that every format receives."""
    subject = notice.opens.subject
    return Alert(
        document=_document(notice, around),
        name=KINDS[subject.kind].alertname,
        detail=str(around.fence(subject.detail)),
        since=notice.since,
        at=notice.at,
        until=notice.opens.until,
        resolved=notice.status == "resolved",
    )


def _document(notice: Notice, around: Around) -> dict[str, Any]:
    """docs/alert.schema.json."""
    opens, incidents = notice.opens, around.owners.incidents
    subject = opens.subject
    role, name = owner(subject, around.owners)
    return {
        "format": "guard/alert/v1",
        "status": notice.status,
        "key": key(around.service, around.environment, subject),
        "kind": subject.kind,
        "severity": opens.severity,
        "summary": opens.summary,
        "service": around.service,
        "environment": around.environment or None,
        "replica": around.replica,
        "route": subject.route,
        "target": subject.target,
        "cause": {name: around.fence(value) for name, value in opens.cause.items()},
        "answers_now": around.answers_now,
        "back": opens.back or None,
        "owner": {"role": role, "name": name},
        "page": incidents.page if incidents is not None else None,
        "runbook": incidents.runbook if incidents is not None else None,
        "dashboard": incidents.dashboard if incidents is not None else None,
        "started_at": written(notice.since),
        "ended_at": written(notice.at) if notice.status == "resolved" else None,
        "guard": __version__,
    }
