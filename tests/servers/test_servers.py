import http.client
import http.server
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.servers import install, process, promtool
from tests.servers.black_hole import black_hole, closed_port
from tests.servers.prometheus import Prometheus, prometheus
from tests.servers.rotel import rotel
from tests.servers.sink import attributes, sink
from tests.threaded import threaded

EXPOSED = b"""# HELP judged_total Requests judged.
# TYPE judged_total counter
judged_total{rung="model"} 42
"""
OPEN_METRICS = b"""# HELP judged Requests judged.
# TYPE judged counter
judged_total{rung="model"} 42 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 1
# EOF
"""


@contextmanager
def exposing() -> Iterator[str]:
    """A target as `host:port`, which gives OpenMetrics to whoever asks for it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_open = "application/openmetrics-text" in self.headers.get("accept", "")
            self.send_response(200)
            kind = "application/openmetrics-text; version=1.0.0" if is_open else "text/plain; version=0.0.4"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(OPEN_METRICS if is_open else EXPOSED)

        def log_message(self, *_: object) -> None:
            pass

    with threaded(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"127.0.0.1:{server.server_port}"


def measured() -> Any:
    """One of each kind of metric, as the SDK collects them."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())]
    meter = MeterProvider([reader], views=views).get_meter("tests", "1")
    meter.create_counter("judged", "{request}", "Requests judged.").add(42, {"rung": "model", "n": 3, "é": True})
    meter.create_up_down_counter("open").add(-3)
    meter.create_gauge("level").set(0.1)
    meter.create_histogram("waited", "s").record(0.25)
    meter.create_histogram("exponential", "s").record(0.25)
    return reader.get_metrics_data()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_rotel_receives_metrics_byte_for_byte(compression: Compression) -> None:
    data = measured()
    with rotel() as collector:
        exporter = OTLPMetricExporter(f"{collector.endpoint}/v1/metrics", compression=compression)
        exporter.export(data)
        exporter.shutdown()
        collector.wait_for(lambda c: c.metrics())
        assert collector.raw == [encode_metrics(data).SerializeToString()]
        assert [metric.name for metric in collector.metrics()] == ["judged", "open", "level", "waited", "exponential"]
        ((labels, point),) = collector.points("judged")
        assert labels == {"rung": "model", "n": 3, "é": True}
        assert point.as_int == 42
        assert collector.points("level")[0][1].as_double == 0.1
        assert collector.points("waited")[0][1].sum == collector.points("exponential")[0][1].sum == 0.25


def test_rotel_receives_spans_and_logs() -> None:
    with rotel() as collector:
        tracers, loggers = TracerProvider(), LoggerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.endpoint}/v1/traces")))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))
        with tracers.get_tracer("tests").start_as_current_span("judge", attributes={"rung": "model"}) as span:
            loggers.get_logger("tests").emit(
                LogRecord(body="judged", event_name="guard.judged", severity_number=SeverityNumber.WARN, timestamp=7)
            )
        collector.wait_for(lambda c: c.spans() and c.logs())
        tracers.shutdown()
        loggers.shutdown()
        (got,) = collector.spans()
        assert (got.name, attributes(got.attributes)) == ("judge", {"rung": "model"})
        assert int.from_bytes(got.trace_id, "big") == span.get_span_context().trace_id
        (record,) = collector.logs()
        assert (record.body.string_value, record.event_name, record.time_unix_nano) == ("judged", "guard.judged", 7)
        assert record.span_id == got.span_id


def test_a_collector_says_what_it_has_when_it_waited_in_vain() -> None:
    with sink() as collector, pytest.raises(AssertionError, match=r"received: \[\]"):
        collector.wait_for(lambda c: c.metrics(), within=0.01)


def test_a_request_that_cannot_be_read_is_never_passed_over() -> None:
    with pytest.raises(AssertionError, match="DecodeError"), sink() as collector:
        client = http.client.HTTPConnection(collector.endpoint.removeprefix("http://"), timeout=10)
        client.request("POST", "/v1/metrics", b"\xff")
        assert client.getresponse().status == 400
        client.close()


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(AssertionError, match="unexpected argument '--no-such-flag'"), rotel("--no-such-flag"):
        pass


def test_prometheus_scrapes_and_answers(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: tests, rules: [{record: twice, expr: judged_total * 2}]}]")
    with (
        exposing() as target,
        closed_port() as port,
        prometheus([target, f"127.0.0.1:{port}"], interval="100ms", rules=[rules]) as server,
    ):
        Prometheus(server.port, [target]).scraped(2)
        with pytest.raises(AssertionError, match="connection refused"):  # a scrape that failed is none
            server.scraped(1, within=0.3)
        (one,) = server.query("judged_total")
        assert one["value"][1] == "42"
        assert one["metric"] == {"__name__": "judged_total", "job": "tests", "instance": target, "rung": "model"}
        (series,) = server.exemplars("judged_total")
        assert series["exemplars"][0]["labels"] == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
        process.until(lambda: bool(server.query("twice")), lambda: str(server.ask("rules")))
        assert server.query("twice")[0]["value"][1] == "84"
        with pytest.raises(AssertionError, match="parse error"):
            server.query("judged_total{")
    assert not server.ready


def test_promtool_checks_an_exposition() -> None:
    promtool.check_metrics(EXPOSED)
    with pytest.raises(promtool.Refused, match="parsing error"):
        promtool.check_metrics(b"judged_total{ 1\n")
    with pytest.raises(promtool.Refused, match='code 3:\njudged counter metrics should have "_total" suffix'):
        promtool.check_metrics(EXPOSED.replace(b"judged_total", b"judged"))


def test_promtool_checks_and_tests_rules(tmp_path: Path) -> None:
    rules, tests = tmp_path / "rules.yml", tmp_path / "tests.yml"
    rules.write_text("groups: [{name: tests, rules: [{alert: Down, expr: up == 0, for: 1m}]}]")
    case = "{eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {job: guard}}]}"
    series = "{series: 'up{job=\"guard\"}', values: 0x10}"
    tests.write_text(f"rule_files: [rules.yml]\ntests: [{{input_series: [{series}], alert_rule_test: [{case}]}}]")
    assert "1 rules found" in promtool.check_rules(rules)
    assert "SUCCESS" in promtool.test_rules(tests)
    tests.write_text(tests.read_text().replace("eval_time: 2m", "eval_time: 30s"))
    with pytest.raises(promtool.Refused, match="FAILED"):
        promtool.test_rules(tests)
    rules.write_text("groups: [{name: tests, rules: [{alert: Down, expr: up ==}]}]")
    with pytest.raises(promtool.Refused, match="parse error"):
        promtool.check_rules(rules)


def test_a_black_hole_takes_all_and_says_nothing() -> None:
    with black_hole() as hole, socket.create_connection(("127.0.0.1", hole.port), 10) as client:
        client.sendall(b"x" * 100_000)
        hole.wait_for(connections=1, swallowed=100_000)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_black_hole_outlives_its_clients() -> None:
    with black_hole() as hole:
        for _ in range(3):
            socket.create_connection(("127.0.0.1", hole.port), 10).close()
        hole.wait_for(connections=3)


def test_a_closed_port_refuses(caplog: pytest.LogCaptureFixture) -> None:
    with closed_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 10)
        exporter = OTLPMetricExporter(f"http://127.0.0.1:{port}/v1/metrics", timeout=0.2)
        with caplog.at_level(logging.CRITICAL):
            assert exporter.export(measured()).name == "FAILURE"
        exporter.shutdown()


def test_a_server_that_cannot_be_had_skips_with_the_reason_or_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(install, "CACHE", tmp_path)
    monkeypatch.setattr(install, "_missing", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GUARD_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=re.escape("prometheus is not in PATH, and on")):
        process.found(install.prometheus)
    monkeypatch.setenv("GUARD_REQUIRE_SERVERS", "1")
    with pytest.raises(install.Missing, match="there is no apt-get"):
        process.found(install.prometheus)


def test_a_prometheus_in_path_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prometheus").touch(0o755)
    monkeypatch.setattr(install, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(install, "_missing", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.prometheus() == install.Program(str(tmp_path / "prometheus"), {})
