"""The input and the interface of a webhook format. A file of this folder defines one format."""

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
    """The detail that distinguishes incidents of one kind, route and target; may be empty."""
    since: float
    at: float
    until: float | None
    """The time at which the incident ends by itself; None if unknown."""
    resolved: bool


class Format(Protocol):
    """The format of one family of receivers."""

    name: str
    """The name in the policy's `format`."""
    repeats: bool
    """Whether the receiver forgets an alert that is not repeated."""

    def endpoint(self, url: str) -> str:
        """The URL to POST to, for the address in the policy."""

    def body(self, alert: Alert) -> Any:
        """The request's body, as JSON values."""


def written(wall: float) -> str:
    """RFC 3339, in milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
