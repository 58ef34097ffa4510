"""Exporters of spans, given spans in the form that they have on the wire."""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from guard.telemetry.collector import Collector, destination
from guard.telemetry.protobuf import member

RESOURCE_SPANS: Final = b"\x0a"
SCOPE_SPANS: Final = b"\x12"
"""Tag in ExportTraceServiceRequest and in ResourceSpans."""

_NO_ID: Final = b""


class OtlpSpans:
    """Exports spans by OTLP. The SDK's encoder makes resource and scope, once."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, environ: Mapping[str, str]) -> None:
        self._collector = Collector(destination(environ))
        nothing = ReadableSpan("", context=INVALID_SPAN_CONTEXT, resource=resource, instrumentation_scope=scope)
        whose = encode_spans([nothing]).resource_spans[0]
        del whose.scope_spans[0].spans[:]
        self._scope: bytes = whose.scope_spans[0].SerializeToString()
        del whose.scope_spans[:]
        self._resource: bytes = whose.SerializeToString()

    def export(self, batch: Sequence[bytes]) -> SpanExportResult:
        """Send them, each a member of ScopeSpans."""
        request = member(RESOURCE_SPANS, self._resource + member(SCOPE_SPANS, b"".join([self._scope, *batch])))
        return SpanExportResult.SUCCESS if self._collector.send(request) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._collector.close()


class ConsoleSpans:
    """Prints spans on standard output for people to read."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, _environ: Mapping[str, str]) -> None:
        self._sdk, self._resource, self._scope = ConsoleSpanExporter(), resource, scope

    def export(self, batch: Sequence[bytes]) -> SpanExportResult:
        """Print them."""
        spans = ScopeSpans.FromString(b"".join(batch)).spans
        return self._sdk.export([_readable(span, self._resource, self._scope) for span in spans])

    def shutdown(self) -> None:
        """Shut the SDK's exporter down; no span waits here."""
        self._sdk.shutdown()


def _readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=_context(span.trace_id, span.span_id),
        parent=_context(span.trace_id, span.parent_span_id) if span.parent_span_id != _NO_ID else None,
        resource=resource,
        attributes={
            attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in span.attributes
        },
        kind=SpanKind(span.kind - 1),  # the SDK has no word for a kind that is not known, the protocol's 0
        status=Status(StatusCode(span.status.code)),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=scope,
    )


def _context(trace_id: bytes, span_id: bytes) -> SpanContext:
    """The span context as the SDK represents it; an exported span is a sampled one."""
    trace, span = int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big")
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
