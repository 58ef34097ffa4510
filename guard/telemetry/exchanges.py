"""The log's lines of exchanges: every denial, descent and bug within a rate, and the sampled ones what they may show."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from guard.proxy.values import Record, Usage
from guard.telemetry.log import Log
from guard.telemetry.record_batcher import trouble
from guard.telemetry.token_bucket import TokenBucket

SAMPLED_RATE: Final = 50.0
MOST_VALUES: Final = 10
"""Answers of a batch that are shown, from the first."""


class Exchanges:
    """A Sink. `fence` makes any value fit to leave the process."""

    def __init__(self, log: Log, fence: Callable[[object], object]) -> None:
        self._log, self._fence = log, fence
        self._trouble, self._sampled = TokenBucket(), TokenBucket(SAMPLED_RATE, 2 * SAMPLED_RATE)

    def take(self, records: Iterator[Record]) -> None:
        """Write a line for each exchange that is worth one; what is left out is counted in the next."""
        for record in records:
            if trouble(record):
                self._line(record, self._trouble, logging.ERROR if record.code == "internal" else logging.WARNING)
            elif record.trace is not None and record.trace.sampled:
                self._line(record, self._sampled, logging.INFO)

    def _line(self, record: Record, bucket: TokenBucket, level: int) -> None:
        if not bucket.take(record.ended_at):
            return
        sampled = record.trace is not None and record.trace.sampled
        fields = _account(record)
        if sampled:
            fields.update(self._values(record))
        fields["left_out"] = bucket.left_out() or None
        self._log.line("exchange", level, {key: value for key, value in fields.items() if value is not None})

    def _values(self, record: Record) -> dict[str, Any]:
        """The declared values that a sampled line may hold: inputs as their treatment says, outputs up to internal.

        Of an answer that breaks its contract none: what it holds nobody has declared.
        """
        matched = record.matched
        shown: dict[str, Any] = {
            "input": {name: self._fence(value) for name, value in (record.shown or {}).items()} or None
        }
        served = next(
            (prediction for prediction in record.predictions if prediction.source == record.source and prediction.valid),
            None,
        )
        if matched is not None and served is not None:
            outputs = zip(matched.measures, served.values, strict=True)
            shown["output"] = {
                measure.name: self._fence(values[0] if len(values) == 1 else list(values[:MOST_VALUES]))
                for measure, values in outputs
            }
        return shown


def _account(record: Record) -> dict[str, Any]:
    trace = record.trace
    waited = sum((attempt.ended_at or record.ended_at) - attempt.asked_at for attempt in record.attempts)
    return {
        "request_id": record.request_id,
        "trace_id": trace.trace_id.decode() if trace is not None else None,
        "route": f"{record.method} {record.route}".strip() or None,
        "status": record.status or None,
        "source": record.source,
        "reason": record.reason,
        "version": record.version or None,
        "code": record.code or None,
        "violations": [f"{v.pointer} {v.code}" for v in (*record.violations, *record.answer_violations, *record.discarded)]
        or None,
        "descents": [f"{source}: {reason}" for source, reason in record.descents] or None,
        "error": record.error or None,
        "gone": record.departure or None,
        "rows": record.rows if record.rows != 1 else None,
        **(_usage(record, record.usage) if record.usage is not None else {}),
        "ms": round((record.ended_at - record.begun_at) * 1e3, 3),
        "upstream_ms": round(waited * 1e3, 3) if record.attempts else None,
    }


def _usage(record: Record, usage: Usage) -> dict[str, Any]:
    """The token usage of a generative answer."""
    return {
        "input_tokens": usage.input_tokens or None,
        "output_tokens": usage.output_tokens or None,
        "finish": usage.finish or None,
        "first_token_ms": round((usage.first_at - record.attempts[-1].begun_at) * 1e3, 3) if usage.first_at else None,
    }
