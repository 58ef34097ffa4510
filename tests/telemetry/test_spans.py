"""Spans of an exchange: whose child, how long, how it ended, and nothing else of it."""

from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, StatusCode

from guard.proxy.values import Record
from guard.telemetry.spans import Spans
from tests.telemetry.records import attempt, record, trace


def spans(*records: Record, fence: Any = lambda value: value) -> list[ReadableSpan]:
    made: list[ReadableSpan] = []
    sink = Spans(made.append, Resource({}), InstrumentationScope("guard"), fence=fence, wall=lambda now: now + 1000)
    for one in records:
        sink.take(iter([one]))
    return made


def test_an_exchange_and_its_calls() -> None:
    calls = [attempt(status=0, failed="timeout"), attempt()]
    server, first, second = spans(record(trace=trace(), attempts=calls, descents=[("model", "timeout")], source="previous", reason="timeout"))  # fmt: skip
    assert (server.name, server.kind, first.kind) == ("POST /p", SpanKind.SERVER, SpanKind.CLIENT)
    assert server.context is not None
    assert server.parent is not None
    assert (server.context.trace_id, server.context.span_id, server.parent.span_id) == (0xABC, 0x10, 0x5)
    assert server.parent.is_remote
    for number, span in enumerate((first, second), 1):
        assert span.context is not None
        assert span.parent is not None
        assert (span.context.span_id, span.parent.span_id, span.context.trace_id) == (0x10 + number, 0x10, 0xABC)
    assert (server.start_time, server.end_time) == (1_100_000_000_000, 1_100_250_000_000)
    assert (first.start_time, first.end_time) == (1_100_020_000_000, 1_100_230_000_000)
    assert dict(server.attributes or {}) == {
        "http.request.method": "POST", "url.scheme": "http", "http.route": "/p", "http.response.status_code": 200,
        "network.protocol.version": "1.1", "guard.request.id": "id-1", "guard.source": "previous",
        "guard.reason": "timeout", "guard.model.version": "7", "guard.descents": "model:timeout",
    }  # fmt: skip
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert dict(first.attributes or {})["error.type"] == "timeout"
    assert dict(second.attributes or {})["server.port"] == 8080


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": 200}, StatusCode.UNSET),
        ({"status": 422, "code": "contract"}, StatusCode.UNSET),
        ({"status": 503}, StatusCode.ERROR),
        ({"status": 500, "error": "ValueError"}, StatusCode.ERROR),
        ({"status": 0, "gone": "client"}, StatusCode.UNSET),
    ],
)
def test_only_our_own_faults_are_errors(changes: dict[str, Any], status: StatusCode) -> None:
    assert spans(record(trace=trace(), attempts=[], **changes))[0].status.status_code is status


def test_a_trace_that_begins_here_has_no_parent() -> None:
    begun = trace()
    begun.parent_id = 0
    assert spans(record(trace=begun, attempts=[]))[0].parent is None


def test_what_is_not_sampled_is_told_only_if_it_went_wrong_and_not_too_often() -> None:
    quiet = trace(sampled=False)
    assert spans(record(trace=quiet)) == []
    assert len(spans(*[record(trace=quiet, code="contract", attempts=[])] * 50)) == 20
    later = [
        record(trace=quiet, code="contract", attempts=[], ended_at=100.25 + second)
        for second in range(5)
        for _ in range(50)
    ]
    assert len(spans(*later)) == 20 + 4 * 10
    assert spans(record(trace=trace(told=False), code="contract"), record(code="contract")) == []


def test_every_attribute_passes_the_fence() -> None:
    made = spans(record(trace=trace()), fence=lambda value: f"fenced {value}")
    values = [value for span in made for value in (span.attributes or {}).values()]
    assert len(values) > 10
    assert all(str(value).startswith("fenced ") for value in values)
