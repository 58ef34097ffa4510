"""What telemetry costs: guard without any sink, with all of them and a collector, and with a collector that never answers.

Rounds alternate. `none` publishes to nobody and samples nothing; `full` has 1 % traces, metrics exported and scraped each
second, and logs by OTLP; `hole` is `full` whose collector takes everything and says nothing. Of the last, memory at the
first and last round and what it counted as lost are shown, and how long it took to end.

    python -m benchmarks.telemetry [--rounds 7] [--seconds 3]
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.measure import LOAD_CORE, closed_loop, started
from benchmarks.servers import FULL, SERVERS, Ports, Server, guard, install
from tests.servers.black_hole import black_hole
from tests.servers.sink import sink

NONE = """
from guard.control.telemetry import Telemetry
from guard.proxy.tracing import Untraced
class Nobody:
    def record(self, record): pass
Telemetry.sink = property(lambda self: Nobody())
Telemetry.tracer = lambda self, share, traces: Untraced()
from guard.cli import main
main()
"""
CONNECTIONS = 32
OFTEN = ["OTEL_METRIC_EXPORT_INTERVAL=1000", "OTEL_BSP_SCHEDULE_DELAY=1000", "OTEL_LOGS_EXPORTER=otlp"]


def variant(name: str) -> Server:
    """One of the three."""

    def command(folder: Path, ports: Ports) -> list[str]:
        env, change, home, export, python, _, module, *rest = guard(folder, ports, name, FULL)
        if name == "none":
            return [env, change, home, python, "-c", NONE, *rest]
        return [env, change, home, export, *OFTEN, python, "-m", module, *rest]

    return Server(name, command, guard=name != "none")


def scrape(ports: list[int], stop: threading.Event) -> None:
    """As a Prometheus would, but each second."""
    while not stop.wait(1.0):
        for port in ports:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    if missing := install():
        sys.exit(f"missing: {', '.join(missing)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        folder.chmod(0o755)
        upstream = stack.enter_context(started("direct", SERVERS["direct"], folder, 0, 0, LOAD_CORE)).ports.own
        endpoints = {
            "none": "",
            "full": stack.enter_context(sink()).endpoint,
            "hole": stack.enter_context(black_hole()).endpoint,
        }
        running = {
            name: stack.enter_context(started(name, variant(name), folder, upstream, int(endpoint.rpartition(":")[2] or 0)))
            for name, endpoint in endpoints.items()
        }
        for item in running.values():
            closed_loop(item, CONNECTIONS, 1)
        stop = threading.Event()
        threading.Thread(
            target=scrape, args=([running[name].ports.ops for name in ("full", "hole")], stop), daemon=True
        ).start()
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in running}
        for number in range(options.rounds):
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr, flush=True)
            for name, value in running.items():
                runs[name].append({**closed_loop(value, CONNECTIONS, options.seconds), "mib": value.memory()})
        stop.set()
        show(runs)
        hole = running["hole"]
        page = urllib.request.urlopen(f"http://127.0.0.1:{hole.ports.ops}/metrics", timeout=5).read().decode()
        print("\n".join(line for line in page.splitlines() if line.startswith("guard_telemetry_dropped_total{")))
        begun = time.monotonic()
        hole.process.terminate()
        hole.process.wait(30)
        print(f"hole: ended {time.monotonic() - begun:.1f} s after SIGTERM, 5 s of which are its drain")
    return 0


def show(runs: dict[str, list[dict[str, float]]]) -> None:
    """The table, and each variant against `none`, round by round."""
    print(f"{'':6}{'requests/s':>12}{'CPU µs':>8}{'p50 µs':>8}{'p99 µs':>8}{'MiB first':>11}{'last':>7}{'errors':>8}")
    for name, of_it in runs.items():
        middle = {key: statistics.median(run[key] for run in of_it) for key in ("rps", "cpu_us", "p50_us", "p99_us")}
        print(
            f"{name:6}{middle['rps']:>12,.0f}{middle['cpu_us']:>8.0f}{middle['p50_us']:>8,.0f}{middle['p99_us']:>8,.0f}"
            f"{of_it[0]['mib']:>11.1f}{of_it[-1]['mib']:>7.1f}{sum(int(run['errors']) for run in of_it):>8}"
        )
    for name in ("full", "hole"):
        for key, what in (("rps", "requests/s"), ("p99_us", "p99")):
            ratios = [run[key] / none[key] for run, none in zip(runs[name], runs["none"], strict=True)]
            print(f"{name} ÷ none, {what}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())
