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
        said = alert.document
        labels = {
            "alertname": alert.name,
            "service": said["service"],
            "environment": said["environment"] or "",
            "severity": said["severity"],
            "route": said["route"] or "",
            "target": said["target"] or "",
            "detail": alert.detail,
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
            "replica": said["replica"],
            "key": said["key"],
        }
        made: dict[str, Any] = {
            "labels": _present(labels),
            "annotations": _present(annotations),
            "startsAt": written(alert.since),
            "endsAt": written(alert.at if alert.resolved else _valid_until(alert)),
        }
        if (said["dashboard"] or "").startswith(("http://", "https://")):
            made["generatorURL"] = said["dashboard"]
        return [made]


def _valid_until(alert: Alert) -> float:
    return alert.at + LASTS if alert.until is None else min(alert.until, alert.at + LASTS)


def _present(words: Mapping[str, str]) -> dict[str, str]:
    """An empty label is none."""
    return {name: word for name, word in words.items() if word}


def _text(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
