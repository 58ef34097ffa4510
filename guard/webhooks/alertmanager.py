"""Alertmanager's v2 API: `POST /api/v2/alerts` (prometheus/alertmanager, api/v2/openapi.yaml).

Alertmanager tells alerts apart by their labels, so none of them is a replica's own: those of all replicas are one alert,
and it notifies once. It forgets an alert that nobody repeats, so guard repeats each open incident, each time valid for a
few minutes, as Prometheus does (rules/manager.go: four times the resend delay): a guard that died stops reporting it.
"""

from collections.abc import Mapping
from typing import Any, Final

from guard.webhooks.values import REPEAT, Alert, written

LASTS: Final = 4 * REPEAT
_PATH: Final = "/api/v2/alerts"


class Alertmanager:
    """A Format."""

    name = "alertmanager"
    repeats = True

    def endpoint(self, url: str) -> str:
        """The path of the API, unless the address has it."""
        return url if url.endswith(_PATH) else url.rstrip("/") + _PATH

    def body(self, alert: Alert) -> Any:
        """A list of one alert."""
        document = alert.document
        labels = {
            "alertname": alert.name,
            "service": document["service"],
            "environment": document["environment"] or "",
            "severity": document["severity"],
            "route": document["route"] or "",
            "target": document["target"] or "",
            "detail": alert.detail,
            "owner": document["owner"]["name"] or "",
        }
        annotations = {
            "summary": document["summary"],
            "cause": ", ".join(f"{name}: {_text(value)}" for name, value in document["cause"].items()),
            "answers_now": document["answers_now"] or "",
            "back": document["back"] or "",
            "page": document["page"] or "",
            "runbook_url": document["runbook"] or "",
            "dashboard_url": document["dashboard"] or "",
            "replica": document["replica"],
            "key": document["key"],
        }
        body: dict[str, Any] = {
            "labels": _present(labels),
            "annotations": _present(annotations),
            "startsAt": written(alert.since),
            "endsAt": written(alert.at if alert.resolved else _valid_until(alert)),
        }
        if (document["dashboard"] or "").startswith(("http://", "https://")):
            body["generatorURL"] = document["dashboard"]
        return [body]


def _valid_until(alert: Alert) -> float:
    return alert.at + LASTS if alert.until is None else min(alert.until, alert.at + LASTS)


def _present(words: Mapping[str, str]) -> dict[str, str]:
    """An empty label is none."""
    return {name: word for name, word in words.items() if word}


def _text(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
