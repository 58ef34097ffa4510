"""What telemetry costs: guard without any sink, with all of them and a collector, and with a collector that never answers.

Rounds alternate. `none` publishes to nobody and samples nothing; `full` has 1 % traces, metrics exported and scraped each
second, and logs by OTLP; `hole` is `full` whose collector takes everything and says nothing. Of the last, memory at the
first and last round and what it counted as lost are shown, and how long it took to end.

    python benchmarks/telemetry.py [--rounds 7] [--seconds 3]
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.quick import HERE, PROXY_CORE, command, free_port, load, memory, pinned, processor, running
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
INTERVALS = {"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_LOGS_EXPORTER": "otlp"}


def guard(folder: Path, name: str, port: int, ops: int, upstream: int) -> list[str]:
    """The command of one variant."""
    own = folder / name
    own.mkdir()
    policy = (HERE / "policy.yaml").read_text().replace("http://127.0.0.1:8080", f"http://127.0.0.1:{upstream}")
    (own / "policy.yaml").write_text(policy)
    program = ["-c", NONE] if name.startswith("none") else ["-m", "guard"]
    return pinned(
        PROXY_CORE,
        [
            sys.executable, *program, "serve", str(own / "policy.yaml"), "--listen", f"127.0.0.1:{port}",
            "--ops", f"127.0.0.1:{ops}", "--admin", "127.0.0.1:0", "--state-dir", str(own / "state"),
        ],
    )  # fmt: skip


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
    names = ("none", "full", "hole")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        folder.chmod(0o755)
        upstream = free_port()
        stack.enter_context(running(command("direct", folder, {"direct": upstream}), upstream, folder / "nginx.log"))
        endpoints = {"full": stack.enter_context(sink()).endpoint, "hole": stack.enter_context(black_hole()).endpoint}
        ports, ops = {name: free_port() for name in names}, {name: free_port() for name in names}
        processes = {}
        for name in names:
            for key in (*INTERVALS, "OTEL_EXPORTER_OTLP_ENDPOINT"):
                os.environ.pop(key, None)
            if name in endpoints:
                os.environ.update({**INTERVALS, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints[name]})
            program = guard(folder, name, ports[name], ops[name], upstream)
            processes[name] = stack.enter_context(running(program, ports[name], folder / f"{name}.log"))
            load(ports[name], upstream, CONNECTIONS, 1)
        stop = threading.Event()
        threading.Thread(target=scrape, args=([ops["full"], ops["hole"]], stop), daemon=True).start()
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(options.rounds):
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr, flush=True)
            for name in names:
                used = processor(processes[name].pid)
                run = load(ports[name], upstream, CONNECTIONS, options.seconds)
                run["cpu_us"] = (processor(processes[name].pid) - used) / run["requests"] * 1e6
                run["mib"] = memory(processes[name].pid)
                runs[name].append(run)
        stop.set()
        show(runs)
        page = urllib.request.urlopen(f"http://127.0.0.1:{ops['hole']}/metrics", timeout=5).read().decode()
        print("\n".join(line for line in page.splitlines() if line.startswith("guard_telemetry_dropped_total{")))
        begun = time.monotonic()
        processes["hole"].terminate()
        processes["hole"].wait(30)
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
            ratios = [one[key] / none[key] for one, none in zip(runs[name], runs["none"], strict=True)]
            print(f"{name} ÷ none, {what}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())
