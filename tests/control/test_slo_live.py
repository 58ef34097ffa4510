"""A real guard whose model becomes slow and is healed: the route descends, probes, and comes back by itself."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers.process import until
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import run

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
drain: 0s
targets:
  latency_p95: 200ms
  burn: {act: [descend], descend: rules, for: 2s, at_least: 3}
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""


class Model(ThreadingHTTPServer):
    """Answers late until it is healed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.healed = threading.Event()
        self.late = 0.5


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.healed.wait(self.server.late)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "13")
        self.end_headers()
        self.wfile.write(b'{"label":"b"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(guard: Sidecar, times: int) -> Counter[tuple[str | None, str | None]]:
    client, found = guard.connect(), Counter[tuple[str | None, str | None]]()
    for _ in range(times):
        client.request("POST", "/predict", json.dumps({"age": 20}), {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        found[answer.headers["x-guard-source"], answer.headers["x-guard-reason"]] += 1
    client.close()
    return found


def test_a_route_whose_model_is_slow_descends_probes_and_comes_back(model: Model, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(model.server_port)))
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        guard.wait_for("admin")
        log = lambda: "".join(guard.lines[-20:])  # noqa: E731
        until(lambda: ask(guard, 1)["rules", "burn"] == 1, log)
        assert guard.events("burn_descent")[0]["to"] == "rules"
        model.healed.set()
        until(lambda: ask(guard, 100)["model", None] == 100, log)
        assert [event["why"] for event in guard.events("burn_return")] in (["healed"], ["time"])
        assert len(guard.events("burn_descent")) == 1


def test_a_person_raises_it(model: Model, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(model.server_port)).replace("2s", "1h"))
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        guard.wait_for("admin")
        log = lambda: "".join(guard.lines[-20:])  # noqa: E731
        until(lambda: ask(guard, 1)["rules", "burn"] == 1, log)
        assert "LOWERED to rules" in run(tmp_path, "slo").stdout
        assert "LOWERED to rules" in run(tmp_path, "status").stdout
        assert 'guard_slo_lowered{http_request_method="POST",http_route="/predict"} 1' in guard.probe("/metrics")[1]
        model.healed.set()
        assert run(tmp_path, "restore", "--route", "POST /predict", "--reason", "healed").returncode == 0
        assert ask(guard, 20)["model", None] == 20


def test_a_descent_survives_kill_9(model: Model, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(model.server_port)).replace("2s", "1h"))
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        log = lambda: "".join(guard.lines[-20:])  # noqa: E731
        until(lambda: ask(guard, 1)["rules", "burn"] == 1, log)
        saved = tmp_path / "state" / "private" / "slo.bin"
        until(lambda: saved.exists() and b'"to": "rules"' in saved.read_bytes(), log)
        guard.process.kill()
        guard.process.wait()
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        guard.wait_for("ready")
        assert ask(guard, 5)["rules", "burn"] == 5
