"""A collector that is not there: requests go on, and what was lost is counted."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.answering import answering
from tests.servers.black_hole import black_hole, closed_port
from tests.sidecar import Sidecar, sidecar
from tests.telemetry.test_collector import SOCKETS, Endless, serving
from tests.telemetry.test_collectors import POLICY, drive, predict


@contextmanager
def guarded(folder: Path, **environ: str) -> Iterator[Sidecar]:
    with answering(predict) as port:
        (folder / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        with sidecar("policy.yaml", folder=folder, environ={**os.environ, **environ}) as guard:
            guard.wait_for("exporting")
            yield guard


def lost(page: str) -> dict[tuple[str, str], int]:
    by_name = {}
    for line in page.splitlines():
        if line.startswith("guard_telemetry_dropped_total{"):
            words = line.split('"')
            by_name[words[1], words[3]] = int(line.rpartition(" ")[2])
    return by_name


SLOW: dict[str, Any] = {
    "OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
}  # fmt: skip


def test_a_collector_that_never_answers_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    with black_hole() as hole, guarded(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=hole.endpoint, **SLOW) as guard:
        load = drive(guard.port, 1, 600)
        assert load.answers.total() == 600
        hole.wait_for(1, 1)
        page = guard.probe("/metrics")[1]
        guard.process.send_signal(signal.SIGTERM)
        assert guard.ended() == 0
        by_name = {key: value for key, value in guard.events("telemetry_lost")[0].items() if key.startswith("traces")}
    (_, full), *_ = [item for item in lost(page).items() if item[0] == ("traces", "queue_full")]
    assert full > 400
    servers = load.answers.total()
    clients = sum(count for (_, source, _), count in load.answers.items() if source != "none")
    unsent = sum(by_name.values())
    assert servers + clients - 50 <= unsent <= servers + clients  # all, but for the batch that was under way


def test_a_collector_that_refuses_is_counted(tmp_path: Path) -> None:
    with closed_port() as port:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        with guarded(tmp_path, **environ, OTEL_METRIC_EXPORT_INTERVAL="100") as guard:
            assert drive(guard.port, 1, 50).answers.total() == 50
            guard.wait_for("library")
            guard.process.send_signal(signal.SIGTERM)
            assert guard.ended() == 0
            assert any(key.startswith("metrics") for key in guard.events("telemetry_lost")[0])
            assert str(port) not in str(guard.events("library"))


def test_a_collector_that_never_stops_answering_costs_no_memory(tmp_path: Path) -> None:
    """A gibibyte in answer to each export: guard held half of it."""
    endless = Endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    with serving(endless) as server, guarded(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=server.url, **SLOW) as guard:
        for _ in range(5):
            assert drive(guard.port, 1, 100).answers.total() == 100
        assert endless.closed.wait(10)
        assert len(server.requests) > 1  # a batch does not wait for the rest of an answer
        assert endless.sent / len(server.requests) < SOCKETS
        status = Path(f"/proc/{guard.process.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < 200 * 1024


@pytest.mark.parametrize(
    ("environ", "events"),
    [
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, 0),
        ({"OTEL_METRICS_EXPORTER": "none"}, 0),
        ({"OTEL_METRICS_EXPORTER": "statsd"}, 1),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "soon"}, 1),
    ],
)
def test_settings_that_make_no_sense_are_said_and_nothing_is_exported(
    environ: dict[str, str], events: int, tmp_path: Path
) -> None:
    with answering(predict) as port:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        with sidecar("policy.yaml", folder=tmp_path, environ={**os.environ, **environ}) as guard:
            guard.wait_for("ready")
            assert drive(guard.port, 1, 5).answers.total() == 5
            assert len(guard.events("telemetry_setting")) == events
            assert guard.events("exporting") == []


def test_the_console_is_an_exporter(tmp_path: Path) -> None:
    environ = {"OTEL_METRICS_EXPORTER": "console", "OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "always_on"}
    with guarded(tmp_path, **environ) as guard:
        assert drive(guard.port, 1, 5).answers.total() == 5
        guard.process.send_signal(signal.SIGTERM)
        assert guard.ended() == 0
    printed = (tmp_path / "stdout").read_text()
    assert '"guard.requests"' in printed
    assert '"POST /predict"' in printed
