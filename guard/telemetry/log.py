"""Operators' log: JSON lines on standard error, written by a thread of their own.

Nothing that handles requests waits for the log: a bounded queue takes the lines, the oldest is dropped for the newest and
counted, and a closed standard error is no error. Not the standard library's queue and records: making and handing over a
line cost a request six times what the request itself costs.
"""

import json
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from threading import Event as Signal
from threading import Thread
from time import time  # noqa: TID251 — of a line, by which nothing is decided
from typing import Any, Final, NamedTuple, TextIO

from guard.events import Event, LibraryLine, Publish

LINES: Final = 4096
"""Lines in the queue at most."""

GATHER: Final = 0.1
"""Seconds between two times that the writing thread looks for lines: each time it wakes, requests wait for it."""

AWAKE: Final = 20
"""Empty looks at the queue before the thread sleeps until it is woken; waking it costs its caller time."""

AT_ONCE: Final = 4096
"""Bytes that a pipe takes as a whole or not at all (PIPE_BUF, pipe(7)): lines of this size together are one write."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that the end of the log may take."""

JSON: Final = json.JSONEncoder(default=str)


class Line(NamedTuple):
    """One event of the log. `event`: its name. `at`: seconds since the epoch. `level`: a level of `logging`."""

    at: float
    level: int
    event: str
    fields: Mapping[str, Any]


def written(line: Line) -> str:
    """One JSON object: time, level, event, then the event's fields."""
    at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    level = logging.getLevelName(line.level).lower()
    return JSON.encode({"time": at, "level": level, "event": line.event, **line.fields}) + "\n"


class Log:
    """The log of one process: it subscribes to every event. Any thread may write; `close` flushes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or standard_error()
        self._waiting: deque[Line] = deque()
        self._others: list[Callable[[Line], None]] = []
        self.crashes = 0
        self.dropped = 0
        """Lines that found the queue full."""
        self._asleep, self._call, self._ending = False, Signal(), Signal()
        self._thread = Thread(target=self._run, name="guard-log", daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        """Write an event's line."""
        self.line(event.name, event.level, event.keys())

    def line(self, name: str, level: int, fields: Mapping[str, Any]) -> None:
        """Write a line that is no event, as of an exchange."""
        if self._ending.is_set():
            return
        line = Line(time(), level, name, fields)
        waiting = self._waiting
        waiting.append(line)
        if len(waiting) > LINES:
            with suppress(IndexError):  # the writing thread may have taken the last meanwhile
                waiting.popleft()
                self.dropped += 1
        if self._asleep:
            self._call.set()
        for take in self._others:
            try:
                take(line)
            except Exception:  # noqa: BLE001 — a sink that crashes is counted and affects nothing
                self.crashes += 1

    def also(self, take: Callable[[Line], None]) -> None:
        """Pass every line to another receiver too; its crashes are counted."""
        self._others.append(take)

    def close(self) -> None:
        """Write what is queued, for a moment: a full pipe must not keep the process. Then lines are dropped silently."""
        self._ending.set()
        self._call.set()
        self._thread.join(CLOSE_WITHIN)

    def _run(self) -> None:
        idle = 0
        while not self._ending.is_set():
            idle = 0 if self._waiting else idle + 1
            self._write()
            if idle >= AWAKE:
                self._asleep = True
                if not self._waiting:  # one that came before it was said that nobody is awake
                    self._call.wait()
                self._asleep = False
                self._call.clear()
            self._ending.wait(GATHER)
        self._write()

    def _write(self) -> None:
        for text in together(self._texts()):
            with suppress(Exception):  # a closed stream
                self._stream.write(text)
                self._stream.flush()

    def _texts(self) -> Iterator[str]:
        while self._waiting:
            with suppress(IndexError):  # who finds the queue full may take the last meanwhile
                line = self._waiting.popleft()
                try:
                    yield written(line)
                except Exception:  # noqa: BLE001 — a sink that crashes is counted and affects nothing
                    self.crashes += 1


def together(lines: Iterator[str]) -> Iterator[str]:
    """Joins lines into as few texts as possible. A text is longer than one write only if its single line is."""
    gathered = ""
    for line in lines:
        if gathered and len(gathered) + len(line) > AT_ONCE:
            yield gathered
            gathered = ""
        gathered += line
    if gathered:
        yield gathered


def standard_error() -> TextIO:
    """Standard error without sys.stderr's buffer.

    What that one cannot be rid of is tried once more when the interpreter ends, and fails the whole process (exit 120); and
    its lock, held by a thread that a full pipe stops, would abort it.
    """
    try:
        raw = open(sys.stderr.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 — a descriptor, not a path
    except (AttributeError, OSError, ValueError):  # none, or one that is no file
        return sys.stderr
    return TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


class Foreign(logging.Handler):
    """Lines of libraries: their name, level and place in the code, never their words, which may hold anything.

    At most one a second of each place.
    """

    def __init__(self, publish: Publish) -> None:
        super().__init__(logging.WARNING)
        self._publish = publish
        self._reported: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Publish it."""
        place = (record.name, record.lineno)
        if record.created - self._reported.get(place, 0.0) < 1.0:
            return
        self._reported[place] = record.created
        where = f"{record.module}:{record.lineno}"
        self._publish(LibraryLine(severity_logged=record.levelno, logger=record.name, where=where))
