"""Records → spans: one SERVER span for an exchange, one CLIENT span for each call, made after the fact.

Names are route templates. There is no path, no query, no header and no address of a client (`url.path` and `url.full` of
the conventions are left out on purpose), no event and no message of an exception: a type and a code.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from guard.proxy.values import Attempt, Record, Trace
from guard.telemetry.bucket import Bucket
from guard.telemetry.meters import origin

Fence: Final = Callable[[object], object]


class Spans:
    """A Sink: sampled exchanges, and of the others those that went wrong, ten a second. `put` takes each span."""

    def __init__(
        self,
        put: Callable[[ReadableSpan], None],
        resource: Resource,
        scope: InstrumentationScope,
        *,
        fence: Callable[[object], object],
        wall: Callable[[float], float],
    ) -> None:
        self._put, self._resource, self._scope = put, resource, scope
        self._fence, self._wall = fence, wall
        self._bucket = Bucket()

    def take(self, records: Iterator[Record]) -> None:
        """Make the spans of exchanges that are worth it."""
        for record in records:
            trace = record.trace
            if trace is None or not trace.told:
                continue
            if trace.sampled or (trouble(record) and self._bucket.take(record.ended_at)):
                self._put(self._server(record, trace))
                for number, attempt in enumerate(record.attempts, 1):
                    self._put(self._client(record, trace, number, attempt))

    def _server(self, record: Record, trace: Trace) -> ReadableSpan:
        wrong = record.error or (str(record.status) if record.status >= 500 else "")
        return self._span(
            f"{record.method} {record.route}".strip(),
            context(trace, trace.span_id),
            context(trace, trace.parent_id, remote=True) if trace.parent_id else None,
            SpanKind.SERVER,
            StatusCode.ERROR if wrong and not record.gone else StatusCode.UNSET,
            (record.begun_at, record.ended_at),
            {
                "http.request.method": record.method,
                "url.scheme": record.scheme,
                "http.route": record.route,
                "http.response.status_code": record.status,
                "network.protocol.version": record.protocol,
                "error.type": wrong,
                "guard.request.id": record.request_id,
                "guard.source": record.source,
                "guard.reason": record.reason,
                "guard.code": record.code,
                "guard.model.version": record.version,
                "guard.descents": " ".join(f"{source}:{reason}" for source, reason in record.descents),
                "guard.gone": record.gone,
            },
        )

    def _client(self, record: Record, trace: Trace, number: int, attempt: Attempt) -> ReadableSpan:
        host, port, scheme = origin(attempt.target.url)
        wrong = attempt.failed or (str(attempt.status) if attempt.status >= 400 else "")
        return self._span(
            record.method,
            context(trace, trace.call_id(number)),
            context(trace, trace.span_id),
            SpanKind.CLIENT,
            StatusCode.ERROR if wrong else StatusCode.UNSET,
            (attempt.asked_at, attempt.ended_at or record.ended_at),
            {
                "http.request.method": record.method,
                "url.scheme": scheme,
                "server.address": host,
                "server.port": int(port) if port else 0,
                "http.response.status_code": attempt.status,
                "error.type": wrong,
                "guard.source": attempt.target.source,
            },
        )

    def _span(
        self,
        name: str,
        own: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        status: StatusCode,
        times: tuple[float, float],
        told: dict[str, Any],
    ) -> ReadableSpan:
        return ReadableSpan(
            name=name,
            context=own,
            parent=parent,
            resource=self._resource,
            attributes={key: self._fence(value) for key, value in told.items() if value},  # type: ignore[misc]
            kind=kind,
            status=Status(status),
            start_time=round(self._wall(times[0]) * 1e9),
            end_time=round(self._wall(times[1]) * 1e9),
            instrumentation_scope=self._scope,
        )


def trouble(record: Record) -> bool:
    """Whether an exchange was no plain answer of the first rung."""
    return bool(record.descents or record.code or record.error)


def context(trace: Trace, span_id: int, *, remote: bool = False) -> SpanContext:
    """As the SDK has it; exported means sampled."""
    return SpanContext(trace.trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
