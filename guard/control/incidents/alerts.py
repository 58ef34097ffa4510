"""An incident → what a webhook receives: generic JSON (docs/alert.schema.json), or Alertmanager's v2 API. Pure.

Alertmanager tells alerts apart by their labels, so none of them is a replica's own: those of all replicas are one alert,
and it notifies once. It forgets an alert that nobody repeats, so guard repeats what is not over, each time good for a few
minutes, as Prometheus does (rules/manager.go: four times the resend delay): a guard that died stops saying it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from guard import __version__
from guard.control.incidents.events import KINDS, Subject
from guard.control.incidents.ledger import Notice, key
from guard.policy.models import Owners

REPEAT: Final = 60.0
LASTS: Final = 4 * REPEAT


@dataclass(frozen=True, slots=True)
class Around:
    """What is said besides the incident. `fence` makes a value fit to leave."""

    service: str
    environment: str
    replica: str
    owners: Owners
    answers_now: str | None
    fence: Callable[[object], object]


def owner(subject: Subject, owners: Owners) -> tuple[str, str | None]:
    """Whose an incident is: the role, and who has it; whoever is called at night where nobody does."""
    role = KINDS[subject.kind].role
    name = owners.of(role)
    return (role, name) if name is not None else ("incidents", owners.of("incidents"))


def generic(notice: Notice, around: Around) -> dict[str, Any]:
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


def alertmanager(notice: Notice, around: Around) -> list[dict[str, Any]]:
    """The body of `POST /api/v2/alerts` (prometheus/alertmanager, api/v2/openapi.yaml)."""
    said, subject = generic(notice, around), notice.opens.subject
    labels = {
        "alertname": KINDS[subject.kind].alertname,
        "service": around.service,
        "environment": around.environment,
        "severity": notice.opens.severity,
        "route": subject.route or "",
        "target": subject.target or "",
        "detail": str(around.fence(subject.detail)),
        "owner": said["owner"]["name"] or "",
    }
    annotations = {
        "summary": said["summary"],
        "cause": ", ".join(f"{name}: {_text(value)}" for name, value in said["cause"].items()),
        "answers_now": said["answers_now"] or "",
        "back": said["back"] or "",
        "page": said["page"] or "",
        "runbook_url": said["runbook"] or "",
        "dashboard_url": said["dashboard"] or "",
        "replica": around.replica,
        "key": said["key"],
    }
    made: dict[str, Any] = {
        "labels": _present(labels),
        "annotations": _present(annotations),
        "startsAt": written(notice.since),
        "endsAt": written(notice.at if notice.status == "resolved" else _good_until(notice)),
    }
    if (said["dashboard"] or "").startswith(("http://", "https://")):
        made["generatorURL"] = said["dashboard"]
    return [made]


def _good_until(notice: Notice) -> float:
    until = notice.opens.until
    return notice.at + LASTS if until is None else min(until, notice.at + LASTS)


def _present(words: Mapping[str, str]) -> dict[str, str]:
    """An empty label is none."""
    return {name: word for name, word in words.items() if word}


def _text(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def written(wall: float) -> str:
    """RFC 3339, in milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
