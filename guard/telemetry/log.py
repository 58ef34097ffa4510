"""Operators' log: JSON lines on standard error, written by a thread of their own.

Nothing that handles requests waits for the log: a bounded queue takes the lines, the oldest is dropped for the newest and
counted, and a closed standard error is no error.
"""

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener
from queue import Empty, Full, Queue
from threading import Event
from typing import Any, Final, TextIO

LINES: Final = 4096
"""Lines in the queue at most."""

GATHER: Final = 0.05
"""Seconds that the first of some lines waits for more: each time the writing thread wakes, requests wait for it."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that the end of the log may take."""

JSON: Final = json.JSONEncoder(default=str)


class Lines(logging.Formatter):
    """One JSON object a line: time, level, event, then what the event says."""

    def format(self, record: logging.LogRecord) -> str:
        """Fields come from `extra={"fields": …}`; the message is the event's name."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return JSON.encode(line)


class Dropping(QueueHandler):
    """Never waits: the oldest line goes where there is no room, and is counted."""

    def __init__(self, queue: "Queue[logging.LogRecord]") -> None:
        super().__init__(queue)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put, whatever it costs those who came before."""
        while True:
            try:
                self.queue.put_nowait(record)
            except Full:
                with suppress(Empty):
                    self.queue.get_nowait()  # type: ignore[attr-defined]  # a Queue
                    self.dropped += 1
            else:
                return

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is: it is formatted by the thread that writes."""
        return record


class Writer(QueueListener):
    """The thread that writes. Its end is waited for, but not forever: a full pipe must not keep the process."""

    def __init__(self, queue: "Queue[logging.LogRecord]", writer: logging.Handler) -> None:
        super().__init__(queue, writer)
        self._ending = Event()

    def dequeue(self, block: bool) -> logging.LogRecord:  # noqa: FBT001 — of QueueListener
        """The next line; after a pause only once others had time to come."""
        queue: Queue[logging.LogRecord] = self.queue  # type: ignore[assignment]
        with suppress(Empty):
            return queue.get_nowait()
        line = queue.get(block)
        self._ending.wait(GATHER)
        return line

    def enqueue_sentinel(self) -> None:
        """Ask the thread to end once the queue is written."""
        with suppress(Full):
            self.queue.put(None, timeout=CLOSE_WITHIN)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Ask, and wait a moment."""
        self._ending.set()
        if self._thread is not None:
            self.enqueue_sentinel()
            self._thread.join(CLOSE_WITHIN)
            self._thread = None


class Log:
    """The log of one process. `event` from anywhere; `close` flushes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        writer = logging.StreamHandler(stream or standard_error())
        writer.handleError = lambda record: None  # type: ignore[method-assign]  # noqa: ARG005 — a closed stream
        writer.lock = None  # one thread writes; held before a full pipe, a lock would keep `logging` from ending
        writer.setFormatter(Lines())
        queue: Queue[logging.LogRecord] = Queue(LINES)
        self.crashes = 0
        self._handler = Dropping(queue)
        self._listener = Writer(queue, writer)
        self._logger = logging.Logger("guard", logging.INFO)  # noqa: LOG001 — not of the global tree
        self._logger.addHandler(self._handler)
        self._listener.start()

    @property
    def dropped(self) -> int:
        """Lines that found the queue full."""
        return self._handler.dropped

    def event(self, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
        """One line. Not by `Logger.log`, of which half goes into seeking a caller that no line names."""
        record = logging.LogRecord(self._logger.name, level, "", 0, name, None, None)
        record.fields = fields
        self._logger.handle(record)

    def also(self, handler: logging.Handler) -> None:
        """Hand every line to somebody else too; where that one crashes it is counted."""
        emit = handler.emit

        def careful(record: logging.LogRecord) -> None:
            try:
                emit(record)
            except Exception:  # noqa: BLE001 — law 3
                self.crashes += 1

        handler.emit = careful  # type: ignore[method-assign]
        self._logger.addHandler(handler)

    def close(self) -> None:
        """Write what is queued; then lines are dropped silently."""
        self._logger.handlers.clear()
        self._listener.stop()


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

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._told: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        place = (record.name, record.lineno)
        if record.created - self._told.get(place, 0.0) < 1.0:
            return
        self._told[place] = record.created
        self._log.event("library", record.levelno, logger=record.name, where=f"{record.module}:{record.lineno}")
