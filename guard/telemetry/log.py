"""Operators' log: JSON lines on standard error, written by a thread of their own.

Nothing that handles requests waits for the log: a bounded queue takes the lines, what does not fit is dropped and
counted, and a closed standard error is no error.
"""

import json
import logging
import sys
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue
from time import gmtime
from typing import Any, Final, TextIO

from guard.proxy.values import Record

LINES: Final = 4096
"""Lines in the queue at most."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that the end of the log may take."""


class Lines(logging.Formatter):
    """One JSON object a line: time, level, event, then what the event says."""

    def format(self, record: logging.LogRecord) -> str:
        """Fields come from `extra={"fields": …}`; the message is the event's name."""
        milliseconds = int(record.msecs)
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line, default=str, separators=(", ", ": "))


class Dropping(QueueHandler):
    """Never waits; counts what did not fit."""

    def __init__(self, queue: "Queue[logging.LogRecord]") -> None:
        super().__init__(queue)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put, or drop and count."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self.dropped += 1

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is: it is formatted by the thread that writes."""
        return record


class Writer(QueueListener):
    """The thread that writes. Its end is waited for, but not forever: a full pipe must not keep the process."""

    def enqueue_sentinel(self) -> None:
        """Ask the thread to end once the queue is written."""
        with suppress(Full):
            self.queue.put(None, timeout=CLOSE_WITHIN)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Ask, and wait a moment."""
        if self._thread is not None:
            self.enqueue_sentinel()
            self._thread.join(CLOSE_WITHIN)
            self._thread = None


class Log:
    """The log of one process. `event` from anywhere; `close` flushes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        writer = logging.StreamHandler(stream or sys.stderr)
        writer.handleError = lambda record: None  # type: ignore[method-assign]  # noqa: ARG005 — a closed stream
        formatter = Lines()
        formatter.converter = gmtime
        writer.setFormatter(formatter)
        queue: Queue[logging.LogRecord] = Queue(LINES)
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
        """One line."""
        self._logger.log(level, name, extra={"fields": fields})

    def close(self) -> None:
        """Write what is queued; then lines are dropped silently."""
        self._logger.removeHandler(self._handler)
        self._listener.stop()


class Trouble:
    """A sink: a line for each denial, descent and bug, at most `rate` a second; what is left out is counted in the next.

    Token bucket of `burst` tokens, on the records' own clock.
    """

    def __init__(self, log: Log, *, rate: float = 10.0, burst: float = 20.0) -> None:
        self._log = log
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0
        self._left_out = 0

    def record(self, record: Record) -> None:
        """Write a line if this exchange was no plain answer of the first rung."""
        if not (record.descents or record.code or record.error):
            return
        now = record.ended_at
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            self._left_out += 1
            return
        self._tokens -= 1.0
        fields = {
            "request_id": record.request_id,
            "route": f"{record.method} {record.route}".strip() or None,
            "status": record.status,
            "source": record.source,
            "reason": record.reason,
            "code": record.code or None,
            "violations": [f"{v.pointer} {v.code}" for v in (*record.violations, *record.answer_violations)] or None,
            "descents": [f"{source}: {reason}" for source, reason in record.descents] or None,
            "error": record.error or None,
            "ms": round((now - record.begun_at) * 1e3, 3),
            "left_out": self._left_out or None,
        }
        self._left_out = 0
        level = logging.ERROR if record.code == "internal" else logging.WARNING
        self._log.event("exchange", level, **{key: value for key, value in fields.items() if value is not None})
