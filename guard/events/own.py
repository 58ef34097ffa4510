"""What guard does wrong, or cannot do: its own bugs, tasks, files and telemetry."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopError(Event, name="loop_error", severity=logging.ERROR):
    """The event loop caught an error that nobody else did: a bug of guard. `count`: such errors since the start."""

    error: str
    errno: int | None
    place: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCrashed(Event, name="task_crashed", severity=logging.ERROR):
    """A background task ended with an error. `count`: its crashes so far. `again`: seconds until it is started again."""

    task: str
    error: str
    place: str
    count: int
    again: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStuck(Event, name="task_stuck", severity=logging.ERROR):
    """A background task has not shown for `seconds` that it goes on; it is cancelled and started again."""

    task: str
    place: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStalled(Event, name="loop_stalled", severity=logging.WARNING):
    """The event loop has stood at one place for `seconds` so far, in which no request went on."""

    seconds: float
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUnreadable(Event, name="file_unreadable", severity=logging.ERROR):
    """A file that guard watches cannot be read, or hangs; what it said last holds. `file`: what it is for, not its path."""

    file: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReadable(Event, name="file_readable"):
    """A file that could not be read can be read again."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySetting(Event, name="telemetry_setting", severity=logging.WARNING):
    """A variable of OpenTelemetry is not understood, and treated as unset."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting(Event, name="exporting"):
    """OTLP export has begun."""

    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryLost(Event, name="telemetry_lost", severity=logging.WARNING):
    """What the process gave up while it ran, by (signal, why)."""

    lost: Mapping[tuple[str, str], int]

    def keys(self) -> Mapping[str, Any]:
        """One key for each signal and reason."""
        return {f"{signal} {why}": count for (signal, why), count in self.lost.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryCrashed(Event, name="telemetry_crashed", severity=logging.ERROR):
    """A family of metrics, a line, a record or an export was lost to a bug; once for each place. `error`: its type."""

    signal: str
    error: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLost(Event, name="alert_lost", severity=logging.WARNING):
    """A webhook did not take a notice. `webhook`: its place in the policy's list. `why`: a status, or what failed."""

    webhook: int
    format: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFailed(Event, name="incident_failed", severity=logging.ERROR):
    """A bug of guard: an event could not be turned into an incident. The others are."""

    event: str
    error: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryLine(Event, name="library"):
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
