"""rotel, an OTLP collector written in Rust, between the sender and our sink.

What guard sends is read by rotel and written by rotel anew, so what the sink holds was understood by somebody else.
Seen with rotel 0.0.1a15 (the binary calls itself 0.0.1-alpha10) and opentelemetry-python 1.45.2:

- Metrics, traces and logs over HTTP in protobuf, plain or gzip, return byte for byte: sums, gauges, both histograms,
  exemplars, span events, links and flags, nested log bodies, log event names (a test holds it for metrics).
- Fields that opentelemetry-proto of its day does not know are dropped, so it does decode; for the sender's own bytes
  use `sink` alone.
- JSON is answered 200 and then loses data: 64-bit integers as strings, which the specification prescribes, turn to
  nothing, and whole histograms with them. Say nothing of JSON by this collector.
- Another Content-Encoding (deflate, br) is ignored and the body refused with 400, as is a body that is no protobuf;
  another path or method is 404; an empty body is an empty request. A body of 8 MB returns whole (the limit is gRPC's).
- It answers 200 before it exports, so `wait_for` what you expect.
- Batches wait 200 ms and merge requests by default (--batch-timeout, --batch-max-size). With --disable-batching each
  request is exported at once and alone, in about 5 ms, but requests close together may arrive in another order.
- Its exporter compresses with gzip over HTTP even with --otlp-exporter-compression none; the sink reads both.
- Up in 15 ms; ends within 5 ms of SIGTERM, code 0. Without --daemon it writes no pid file and no log file.
- "--debug-log", "metrics", "--debug-log-verbosity", "detailed", as `flags`: what it decoded, as text, in `log`.
- gRPC listens too, and is not used here.
"""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import install
from tests.servers.process import found, running
from tests.servers.sink import Collector, sink
from tests.sidecar import free_port


def listens(port: int) -> bool:
    """Whether somebody on loopback accepts."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def rotel(*flags: str) -> Iterator[Collector]:
    """What rotel received, at `endpoint` (add /v1/metrics and so on); more of its own flags may be given."""
    program = found(install.rotel)
    http, grpc = free_port(), free_port()
    with sink() as collector, tempfile.TemporaryDirectory(prefix="rotel-") as folder:
        arguments = [
            "start", "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
            "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", collector.endpoint,
            "--disable-batching", *flags,
        ]  # fmt: skip
        with running(program, arguments, Path(folder), lambda: listens(http)) as log:
            collector.log = log
            collector.endpoint = f"http://127.0.0.1:{http}"
            yield collector
