"""The way to a collector, before real sockets: an answer is bounded, and a batch is sent again only where that may help."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from guard.telemetry import collector
from guard.telemetry.collector import Collector, Destination, destination
from guard.telemetry.otlp import LOGS, METRICS
from guard.telemetry.span_exporters import OtlpSpans
from tests.sidecar import head_lines

SOCKETS = 16 << 20
"""Bytes that the kernel's buffers of both sides may hold."""
Script = Callable[[socket.socket, bytes], None]


class Server:
    """Answers each request by the next script, the last of them for ever."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts, self.requests = scripts, list[bytes]()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as lines:
            while head := b"".join(head_lines(lines)):
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                body = lines.read(length)
                script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
                self.requests.append(head + b"\r\n" + body)
                script(client, body)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def serving(*scripts: Script) -> Iterator[Server]:
    server = Server(*scripts)
    try:
        yield server
    finally:
        server.close()


def says(status: int, headers: bytes = b"", body: bytes = b"ok") -> Script:
    return lambda client, _: client.sendall(
        b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)
    )


class Endless:
    """An answer without an end; says how much of it was taken once the other side has closed."""

    def __init__(self, head: bytes, piece: bytes = b"z" * 65536) -> None:
        self.head, self.piece, self.sent = head, piece, 0
        self.closed = threading.Event()

    def __call__(self, client: socket.socket, _: bytes) -> None:
        try:
            client.sendall(self.head)
            while self.sent < 1 << 30:
                self.sent += client.send(self.piece)
        except OSError:
            self.closed.set()


PIECE = b"10000\r\n" + b"z" * 65536 + b"\r\n"
ENDLESS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"z" * 65536),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", PIECE),
    (b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 65536),
    (b"HTTP/1.1 400 Bad\r\nContent-Length: 1073741824\r\n\r\n", b"z" * 65536),
    (b"HTTP/1.1 307 Over there\r\nLocation: /v1/more\r\nContent-Length: 1073741824\r\n\r\n", b"z" * 65536),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1073741824\r\n\r\n", gzip.compress(b"z" * 65536)),
]  # fmt: skip


def spans(url: str) -> Callable[[], Any]:
    exporter = OtlpSpans(Resource({}), InstrumentationScope("guard"), {"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    return lambda: exporter.export([b""])


def metrics(_url: str) -> Callable[[], Any]:
    exporter = METRICS["otlp"]()
    return lambda: exporter.export(MetricsData([]))


def logs(_url: str) -> Callable[[], Any]:
    exporter = LOGS["otlp"]()
    return lambda: exporter.export([])


@pytest.mark.parametrize(("head", "piece"), ENDLESS, ids=("length", "chunks", "no length", "refusal", "redirect", "gzip"))
@pytest.mark.parametrize("exporter", [spans, metrics, logs])
def test_an_answer_is_read_to_a_bound_and_its_connection_closed(
    exporter: Any, head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that answered a gibibyte had guard hold half of it."""
    with serving(endless := Endless(head, piece)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        result = exporter(server.url)()
        assert (result.name == "SUCCESS") == (head[9:10] == b"2" or (exporter is not spans and head[9:10] == b"3"))
        assert endless.closed.wait(10)
        assert endless.sent < SOCKETS
        assert len(server.requests) == 1


def test_a_short_answer_is_read_whole_and_its_connection_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says(200)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        for exporter in (spans(server.url), metrics("")):
            before = server.connections
            assert {exporter().name for _ in range(5)} == {"SUCCESS"}
            assert server.connections == before + 1


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "ANSWER_WITHIN", 0.1)
    stop = threading.Event()

    def drips(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not stop.wait(0.01):
            client.sendall(b"x")

    with serving(drips) as server:
        assert spans(server.url)().name == "SUCCESS"  # its status was good
        stop.set()


def sender(url: str, **changes: Any) -> Collector:
    by_name: dict[str, Any] = {
        "url": url, "headers": {}, "timeout": 5.0, "compression": "", "verify": True, "certificate": None, **changes,
    }  # fmt: skip
    return Collector(Destination(**by_name), lambda _most: 0.0)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_collector_that_is_busy_is_asked_again(status: int) -> None:
    with serving(says(status), says(status, b"Retry-After: 0\r\n"), says(200)) as server:
        assert sender(server.url).send(b"batch")
        assert [request.endswith(b"\r\n\r\nbatch") for request in server.requests] == [True] * 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
def test_a_refusal_is_final(status: int) -> None:
    with serving(says(status, b"Location: /else\r\n"), says(200)) as server:
        assert not sender(server.url).send(b"batch")
        assert len(server.requests) == 1


def test_nothing_is_waited_for_beyond_the_timeout() -> None:
    with serving(says(503, b"Retry-After: 60\r\n")) as server:
        assert not sender(server.url).send(b"batch")
        assert len(server.requests) == 1
    assert not sender(server.url, timeout=0.05).send(b"batch")  # nobody is there


def test_an_end_interrupts_the_wait_before_another_try() -> None:
    with serving(says(503, b"Retry-After: 4\r\n")) as server:
        sending = sender(server.url)
        sending.close()
        assert not sending.send(b"batch")
        assert len(server.requests) == 1


@pytest.mark.parametrize(("compression", "plain"), [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("", bytes)])
def test_a_batch_is_compressed_as_asked(compression: str, plain: Any) -> None:
    with serving(says(200)) as server:
        where = destination({"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_COMPRESSION": compression})
        assert Collector(where).send(b"batch")
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert plain(body) == b"batch"
        assert (b"content-encoding: %b" % compression.encode() in head.lower()) == bool(compression)
        assert b"content-type: application/x-protobuf" in head.lower()
        assert head.startswith(b"POST /v1/traces HTTP/1.1")


def test_variables_of_traces_stand_over_those_of_all_signals() -> None:
    plain = destination({})
    assert (plain.url, plain.timeout, plain.verify, plain.certificate) == (
        "http://localhost:4318/v1/traces",
        10.0,
        True,
        None,
    )
    everywhere = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1/base/", "OTEL_EXPORTER_OTLP_HEADERS": "a=1,b=two%20words",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "x", "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "c.pem", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "k.pem",
    }  # fmt: skip
    where = destination(everywhere)
    assert (where.url, where.timeout, where.verify) == ("https://c:1/base/v1/traces", 10.0, "ca.pem")
    assert (where.headers["a"], where.headers["b"], where.certificate) == ("1", "two words", ("c.pem", "k.pem"))
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "3"}
    where = destination({**everywhere, **own})
    assert (where.url, where.timeout) == ("http://t/x", 3.0)
