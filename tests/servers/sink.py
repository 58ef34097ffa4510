"""An OTLP/HTTP receiver of our own, in protobuf: keeps each request's bytes and what opentelemetry-proto reads in them."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.threaded import threaded

WITHIN = 20.0
T = TypeVar("T")
REQUESTS: dict[str, type[Message]] = {
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Received(NamedTuple):
    """One request: its path, its body without compression, and the body as read, with resources and scopes."""

    path: str
    raw: bytes
    message: Any


class Collector:
    """What was received, in order of arrival. Safe to read from any thread at any time.

    `endpoint` is where to send to; `log` is what the server before the sink wrote, if there is one.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self.log: Path | None = None
        self._received: list[Received] = []
        self._faults: list[str] = []
        self._more = threading.Condition()

    def take(self, path: str, encoding: str, body: bytes) -> None:
        """Keep a request; ValueError if it is none."""
        try:
            if path not in REQUESTS or encoding not in {"", "gzip"}:
                raise ValueError(f"{path} in {encoding or 'no'} encoding")
            raw = gzip.decompress(body) if encoding else body
            one = Received(path, raw, REQUESTS[path].FromString(raw))
        except Exception as error:
            with self._more:
                self._faults.append(f"{error!r} in {body[:200]!r}")
                self._more.notify_all()
            raise ValueError(str(error)) from error
        with self._more:
            self._received.append(one)
            self._more.notify_all()

    def check(self) -> None:
        """AssertionError if a request could not be read."""
        assert not self._faults, self._faults

    @property
    def received(self) -> list[Received]:
        """All requests so far; AssertionError if one of them could not be read."""
        with self._more:
            self.check()
            return list(self._received)

    @property
    def raw(self) -> list[bytes]:
        """The bodies, without compression."""
        return [item.raw for item in self.received]

    def metrics(self) -> list[Metric]:
        """All metrics of all requests; a name returns with each export."""
        return [
            metric
            for resource in self._of("/v1/metrics", "resource_metrics")
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def spans(self) -> list[Span]:
        """All spans."""
        return [
            span
            for resource in self._of("/v1/traces", "resource_spans")
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[LogRecord]:
        """All log records."""
        return [
            record
            for resource in self._of("/v1/logs", "resource_logs")
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def _of(self, path: str, field: str) -> list[Any]:
        return [part for item in self.received if item.path == path for part in getattr(item.message, field)]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """A metric's data points with their attributes, oldest first by their own clock, whatever order they came in."""
        metrics = [metric for metric in self.metrics() if metric.name == name]
        points = [
            point
            for metric in metrics
            if (kind := metric.WhichOneof("data"))
            for point in getattr(metric, kind).data_points
        ]
        return [(attributes(point.attributes), point) for point in sorted(points, key=lambda item: item.time_unix_nano)]

    def wait_for(self, predicate: "Callable[[Collector], T]", within: float = WITHIN) -> T:
        """What a predicate says of this collector once it is true; AssertionError after the deadline."""
        with self._more:
            said = self._more.wait_for(lambda: predicate(self), within)
            assert said, f"not within {within} s; received: {[(item.path, len(item.raw)) for item in self._received]}"
        return said


def attributes(pairs: "list[KeyValue]") -> dict[str, Any]:
    """OTLP's list of attributes as a dict; a key that stands there twice is an error of the sender."""
    by_name = {pair.key: value(pair.value) for pair in pairs}
    assert len(by_name) == len(pairs), f"a key twice: {[pair.key for pair in pairs]}"
    return by_name


def value(any_value: AnyValue) -> Any:
    """OTLP's AnyValue as Python has it."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return attributes(any_value.kvlist_value.values)
    return getattr(any_value, kind) if kind else None


@contextmanager
def sink() -> Iterator[Collector]:
    """A collector with nothing in between: the sender's bytes as they are."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = WITHIN

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                collector.take(self.path, self.headers.get("content-encoding", ""), body)
                self.send_response(200)
            except ValueError:
                self.send_response(400)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with threaded(Server(("127.0.0.1", 0), Handler)) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield collector
        collector.check()
