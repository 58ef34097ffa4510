"""What a webhook format is given, and what it must do. A file of this folder defines one format."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

REPEAT: Final = 60.0
"""Seconds after which an open incident is sent again, to receivers that forget it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An incident as it is reported. Times are wall-clock seconds; every text has passed the privacy fence."""

    document: Mapping[str, Any]
    """docs/alert.schema.json."""
    name: str
    """The stable name of this kind of incident, the same in all replicas."""
    detail: str
    """What tells incidents of one kind, route and target apart; empty where nothing does."""
    since: float
    at: float
    until: float | None
    """When the incident ends by itself; None where nobody knows."""
    resolved: bool


class Format(Protocol):
    """How one family of receivers takes alerts."""

    name: str
    """What a policy writes in `format`."""
    repeats: bool
    """Whether the receiver forgets an alert that is not repeated."""

    def endpoint(self, url: str) -> str:
        """Where to POST to, for the address that a policy declares."""

    def body(self, alert: Alert) -> Any:
        """The request's body, as JSON values."""


def written(wall: float) -> str:
    """RFC 3339, in milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
