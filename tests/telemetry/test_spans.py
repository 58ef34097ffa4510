"""Spans of an exchange: whose child, how long, how it ended, and nothing else of it."""

import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, SpanFlags, Status
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.proxy.values import Record
from guard.telemetry.protobuf import key_value
from guard.telemetry.span_exporters import ConsoleSpans
from guard.telemetry.spans import Spans
from tests.telemetry.records import attempt, record, trace


def written(*records: Record, fence: Any = lambda value: value) -> list[bytes]:
    results: list[bytes] = []
    sink = Spans(results.append, fence=fence, wall=lambda now: now + 1000)
    for item in records:
        sink.take(iter([item]))
    return results


def spans(*records: Record, fence: Any = lambda value: value) -> list[Span]:
    """As the library reads them that the conventions are published with."""
    return list(ScopeSpans.FromString(b"".join(written(*records, fence=fence))).spans)


def attributes(span: Span) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value") or "") for attribute in span.attributes
    }


def test_an_exchange_and_its_calls() -> None:
    calls = [attempt(status=0, failed="timeout"), attempt()]
    server, first, second = spans(record(trace=trace(), attempts=calls, descents=[("model", "timeout")], source="previous", reason="timeout"))  # fmt: skip
    assert (server.name, server.kind, first.kind) == ("POST /p", Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    known, remote = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
    assert (server.trace_id.hex(), server.span_id.hex(), server.parent_span_id.hex()) == (
        f"{0xABC:032x}",
        f"{0x10:016x}",
        f"{5:016x}",
    )
    assert server.flags == known | remote
    for number, span in enumerate((first, second), 1):
        assert (span.trace_id, span.parent_span_id, span.flags) == (server.trace_id, server.span_id, known)
        assert span.span_id.hex() == f"{0x10 + number:016x}"
    assert (server.start_time_unix_nano, server.end_time_unix_nano) == (1_100_000_000_000, 1_100_250_000_000)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (1_100_020_000_000, 1_100_230_000_000)
    assert attributes(server) == {
        "http.request.method": "POST", "url.scheme": "http", "http.route": "/p", "http.response.status_code": 200,
        "network.protocol.version": "1.1", "guard.request.id": "id-1", "guard.source": "previous",
        "guard.reason": "timeout", "guard.model.version": "7", "guard.descents": "model:timeout",
    }  # fmt: skip
    assert (first.status.code, second.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET)
    assert attributes(first)["error.type"] == "timeout"
    assert attributes(second)["server.port"] == 8080


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": 200}, Status.STATUS_CODE_UNSET),
        ({"status": 422, "code": "contract"}, Status.STATUS_CODE_UNSET),
        ({"status": 503}, Status.STATUS_CODE_ERROR),
        ({"status": 500, "error": "ValueError"}, Status.STATUS_CODE_ERROR),
        ({"status": 0, "departure": "client"}, Status.STATUS_CODE_UNSET),
    ],
)
def test_only_our_own_faults_are_errors(changes: dict[str, Any], code: int) -> None:
    assert spans(record(trace=trace(), attempts=[], **changes))[0].status.code == code


def test_a_trace_that_begins_here_has_no_parent() -> None:
    begun = trace()
    begun.parent_id = b""
    [span] = spans(record(trace=begun, attempts=[]))
    assert (span.parent_span_id, span.flags) == (b"", SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)


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
    values = [value for span in made for value in attributes(span).values()]
    assert len(values) > 10
    assert all(str(value).startswith("fenced ") for value in values)


def test_what_two_exchanges_say_is_told_of_each() -> None:
    """Though attributes are remembered."""
    first = record(trace=trace(), status=200, attempts=[])
    other = record(trace=trace(), status=503, version="8", attempts=[])
    other.request_id = "id-2"
    results = [attributes(span) for span in spans(first, other, first)]
    assert results[0] == results[2]
    assert [
        (item["http.response.status_code"], item["guard.model.version"], item["guard.request.id"]) for item in results[:2]
    ] == [
        (200, "7", "id-1"),
        (503, "8", "id-2"),
    ]


@given(
    st.text(min_size=1, max_size=300),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(),
)
def test_an_attribute_is_written_as_the_library_writes_it(key: str, value: Any) -> None:
    key = key.encode("utf-8", "replace").decode()
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    whole = KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))
    assert key_value(key, value) == whole.SerializeToString()


def test_a_text_that_is_no_unicode_and_what_is_no_text_are_told_all_the_same() -> None:
    assert KeyValue.FromString(key_value("k", "a\ud800b")).value.string_value == "a?b"
    assert KeyValue.FromString(key_value("k", [1, "x"])).value.string_value == "[1, 'x']"


def test_the_console_shows_them() -> None:
    console = ConsoleSpans(Resource({"service.name": "s"}), InstrumentationScope("guard"), {})
    console._sdk.out = out = StringIO()
    assert console.export(written(record(trace=trace()))).name == "SUCCESS"
    printed, read = out.getvalue(), json.JSONDecoder().raw_decode
    first, end = read(printed)
    second, _ = read(printed[end:].lstrip())
    assert (first["name"], first["kind"], first["parent_id"]) == ("POST /p", "SpanKind.SERVER", f"0x{5:016x}")
    assert (first["start_time"], first["end_time"]) == ("1970-01-01T00:18:20.000000Z", "1970-01-01T00:18:20.250000Z")
    assert first["attributes"]["http.response.status_code"] == 200
    assert first["resource"]["attributes"] == {"service.name": "s"}
    assert (second["parent_id"], second["context"]["trace_id"]) == (first["context"]["span_id"], f"0x{0xABC:032x}")
