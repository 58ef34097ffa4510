"""Events of guard's own faults: bugs, tasks, files and telemetry."""

import logging
from collections.abc import Mapping
from typing import Any

from guard.events.base import Event, event


@event("loop_error", logging.ERROR)
class LoopError(Event):
    """The event loop caught an error that nobody else did: a bug of guard. `count`: such errors since the start."""

    error: str
    errno: int | None
    place: str
    count: int


@event("task_crashed", logging.ERROR)
class TaskCrashed(Event):
    """A background task ended with an error. `count`: its crashes so far. `again`: seconds until it is started again."""

    task: str
    error: str
    place: str
    count: int
    again: float | None


@event("task_stuck", logging.ERROR)
class TaskStuck(Event):
    """A background task has not shown for `seconds` that it goes on; it is cancelled and started again."""

    task: str
    place: str
    seconds: float


@event("loop_stalled", logging.WARNING)
class LoopStalled(Event):
    """The event loop has stood at one place for `seconds` so far, in which no request went on."""

    seconds: float
    place: str


@event("file_unreadable", logging.ERROR)
class FileUnreadable(Event):
    """A watched file cannot be read, or hangs; its last content stays in force. `file`: its purpose, not its path."""

    file: str
    why: str


@event("file_readable")
class FileReadable(Event):
    """A file that could not be read can be read again."""

    file: str


@event("telemetry_setting", logging.WARNING)
class TelemetrySetting(Event):
    """A variable of OpenTelemetry is not understood, and treated as unset."""

    message: str


@event("exporting")
class Exporting(Event):
    """OTLP export has begun."""

    signals: tuple[str, ...]


@event("telemetry_lost", logging.WARNING)
class TelemetryLost(Event):
    """Counts of telemetry that the process dropped while it ran, by (signal, why)."""

    lost: Mapping[tuple[str, str], int]

    def keys(self) -> Mapping[str, Any]:
        """One key for each signal and reason."""
        return {f"{signal} {why}": count for (signal, why), count in self.lost.items()}


@event("telemetry_crashed", logging.ERROR)
class TelemetryCrashed(Event):
    """A family of metrics, a line, a record or an export was lost to a bug; once for each place. `error`: its type."""

    signal: str
    error: str
    place: str


@event("alert_lost", logging.WARNING)
class AlertLost(Event):
    """A webhook did not take a notice. `webhook`: its place in the policy's list. `why`: a status, or what failed."""

    webhook: int
    format: str
    kind: str
    why: str


@event("incident_failed", logging.ERROR)
class IncidentFailed(Event):
    """A bug of guard: an event could not be turned into an incident. The others are."""

    event: str
    error: str
    place: str


@event("library")
class LibraryLine(Event):
    """A library logged a warning or worse. Its words are left out: they may hold anything."""

    severity_logged: int
    logger: str
    where: str

    @property
    def level(self) -> int:
        """The library's."""
        return self.severity_logged

    def keys(self) -> Mapping[str, Any]:
        """The level stands in every line already."""
        return {"logger": self.logger, "where": self.where}
