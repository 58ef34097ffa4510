"""OTLP over HTTP, and the console: made only where an `OTEL_*` variable asks for it. Importing this imports the SDK.

Nothing here is waited for by whoever handles requests: each signal has a thread, a bounded queue and a count of its losses.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.telemetry.collector import bounded_session
from guard.telemetry.environment import Environment, Signal
from guard.telemetry.exporters import BatchExporter, PeriodicExporter, together
from guard.telemetry.family import Family
from guard.telemetry.log import Line
from guard.telemetry.points import Points
from guard.telemetry.span_exporters import ConsoleSpans, OtlpSpans
from guard.telemetry.spans import Spans

METRICS: Final[Mapping[str, Callable[[], Any]]] = {
    "otlp": lambda: OTLPMetricExporter(session=bounded_session()),
    "console": ConsoleMetricExporter,
}
TRACES: Final = {"otlp": OtlpSpans, "console": ConsoleSpans}
LOGS: Final[Mapping[str, Callable[[], Any]]] = {
    "otlp": lambda: OTLPLogExporter(session=bounded_session()),
    "console": ConsoleLogRecordExporter,
}

SEVERITIES: Final = {
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
}


class Otlp:
    """The exporters of one process, and their threads. `wall`: nanoseconds since the epoch, of now."""

    def __init__(
        self,
        environment: Environment,
        environ: Mapping[str, str],
        resource: Mapping[str, str],
        version: str,
        lost: Counter[tuple[str, str]],
        crashed: Callable[[Signal, Exception], object],
        wall: Callable[[], int],
    ) -> None:
        """`lost` counts by (signal, reason); `crashed` counts, and receives the exception."""
        self._environment, self._lost, self._crashed, self._wall = environment, lost, crashed, wall
        self._environ = environ
        self._resource = Resource.create(dict(resource))
        self._scope = InstrumentationScope("guard", version)
        self._workers: list[tuple[BatchExporter[Any] | PeriodicExporter, Callable[[], object]]] = []

    def _exporter(
        self, signal: Signal, exporters: Sequence[Any], form: Callable[[Any], Any] | None = None
    ) -> BatchExporter[Any]:
        def send(batch: Sequence[Any]) -> bool:
            return self._export(signal, exporters, batch)

        crashed = partial(self._crashed, signal)
        exporter: BatchExporter[Any] = BatchExporter(
            signal, send, self._environment.queues[signal], self._lost, form, crashed
        )
        self._workers.append((exporter, lambda: [exporter.shutdown() for exporter in exporters]))
        return exporter

    def metrics(self, collect: Callable[[], Iterable[Family | None]]) -> None:
        """Begin to export what `collect` gives."""
        exporters: list[Any] = [METRICS[name]() for name in self._environment.exporters["metrics"]]
        crashed = partial(self._crashed, "metrics")
        points = Points(self._resource, self._scope, self._wall(), delta=self._environment.delta, crashed=crashed)

        def send() -> bool:
            arrived = [self._export("metrics", exporters, data) for data in points.batches(collect(), self._wall())]
            return all(arrived)

        periodic = PeriodicExporter("metrics", send, self._environment.queues["metrics"].every, self._lost, crashed)
        self._workers.append((periodic, lambda: [exporter.shutdown() for exporter in exporters]))

    def spans(self, fence: Callable[[object], object], wall: Callable[[float], float]) -> Spans:
        """The sink that makes spans."""
        exporters = [
            TRACES[name](self._resource, self._scope, self._environ) for name in self._environment.exporters["traces"]
        ]
        return Spans(self._exporter("traces", exporters).put, fence=fence, wall=wall)

    def logs(self, fence: Callable[[object], object]) -> Callable[[Line], None]:
        """The function that exports log lines."""
        exporters: list[Any] = [LOGS[name]() for name in self._environment.exporters["logs"]]
        return self._exporter("logs", exporters, Logs(self._resource, self._scope, fence).record_of).put

    def _export(self, signal: Signal, exporters: Sequence[Any], batch: Any) -> bool:
        """Whether all exporters accepted the batch. Each is called, whatever the one before returned or raised."""
        arrived = True
        for exporter in exporters:
            try:
                arrived &= getattr(exporter.export(batch), "name", "") == "SUCCESS"
            except Exception as error:  # noqa: BLE001 — whatever an exporter raises costs this batch
                self._crashed(signal, error)
                arrived = False
        return arrived

    def close(self) -> None:
        """Deliver what waits, for a moment; never longer."""
        together(self._workers)


def _flat(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Attributes have no mappings: `input` with `age` in it is `input.age`."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


class Logs:
    """Log lines as OTLP log records: the event is their name, the fields their attributes."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, fence: Callable[[object], object]) -> None:
        self._resource, self._scope, self._fence = resource, scope, fence

    def record_of(self, line: Line) -> ReadableLogRecord:
        """The record of a line."""
        at = round(line.at * 1e9)
        record = LogRecord(
            timestamp=at,
            observed_timestamp=at,
            severity_text=logging.getLevelName(line.level),
            severity_number=SEVERITIES.get(line.level, SeverityNumber.INFO),
            body=line.event,
            attributes={f"guard.{name}": self._fence(value) for name, value in _flat(line.fields)},  # type: ignore[misc]
            event_name=f"guard.{line.event}",
        )
        return ReadableLogRecord(record, self._resource, self._scope)
