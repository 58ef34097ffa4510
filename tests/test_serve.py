"""`guard serve` as its own process, before a model server of another make, through a client of another make."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.black_hole import closed_port
from tests.sidecar import free_port
from tests.threaded import threaded

POLICY = """
version: guard/v1
service: t
drain: 0s
upstream: UPSTREAM
release: {version: "3.10"}
routes:
  POST /predict:
    timeout: {connect: 300ms, attempt: 1s, request: 2s}
    limits: {concurrency: 1, queue: 1, queue_timeout: 100ms}
    breaker: {minimum_calls: 1000, consecutive_failures: 1000}
    input: {age: {type: integer, min: 18, max: 120}, id: {type: string, send: false, required: false}}
    output: {label: {enum: [approve, review]}, score: {type: number, min: 0, max: 1, from: model}}
    fallback:
      - rules:
          - when: age < 21
            answer: {label: review}
          - when: age < 100
            answer: {label: approve}
      - disabled: {status: 503, retry_after: 7s}
  POST /rows:
    rows: /instances
    input: {age: {type: integer}}
    output: {label: {enum: [approve, review]}}
    fallback: {label: review}
  POST /observed:
    enforcement: observe
    input: {age: {type: integer}}
    output: {label: {enum: [approve]}}
    fallback: {label: approve}
  POST /image:
    content: [image/png]
    output: {label: {enum: [approve, review]}}
    fallback: {label: review}
  "GET /items/{id}": passthrough
"""


class Model(ThreadingHTTPServer):
    """A model server of the standard library that does what the next test wants."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, bytes] = (200, b'{"label":"approve","score":0.5}')
        self.hold = threading.Event()
        self.hold.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.received.append((self.path, dict(self.headers), body))
        self.server.hold.wait(10)
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Guard-Source", "forged")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


@contextmanager
def guard(policy: str, folder: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    path = folder / "policy.yaml"
    path.write_text(policy)
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", str(path), "--listen", f"127.0.0.1:{port}",
               "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", str(folder / "state")]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        for line in process.stderr:
            if json.loads(line)["event"] == "serving":
                break
        yield port, process
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with threaded(Model()) as server:
        yield server


@pytest.fixture(scope="module")
def port(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    url = f"http://127.0.0.1:{model.server_address[1]}"
    with guard(POLICY.replace("UPSTREAM", url), tmp_path_factory.mktemp("serve")) as (number, _):
        yield number


@pytest.fixture(autouse=True)
def _fresh(model: Model) -> None:
    model.received.clear()
    model.answer = (200, b'{"label":"approve","score":0.5}')
    model.hold.set()


def send(
    port: int, document: Any, path: str = "/predict", kind: str = "application/json", method: str = "POST"
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    connection.request(method, path, body if method == "POST" else None, {"Content-Type": kind, "X-Guard-Mode": "x"})
    answer = connection.getresponse()
    content = answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return answer.status, headers, json.loads(content) if "json" in headers.get("content-type", "") and content else content


def test_the_model_answers_what_was_judged(port: int, model: Model) -> None:
    status, headers, body = send(port, {"age": 30.0, "id": "secret", "undeclared": 1})
    assert (status, body) == (200, {"label": "approve", "score": 0.5})
    assert (headers["x-guard-source"], headers["x-guard-model-version"]) == ("model", "3.10")
    assert "x-guard-reason" not in headers
    (path, sent, received) = model.received[0]
    assert (path, received) == ("/predict", b'{"age":30}')
    assert [name for name in sent if name.lower().startswith("x-guard")] == ["x-guard-request-id"]
    assert sent["x-guard-request-id"] == headers["x-guard-request-id"]


def test_a_denied_request_never_reaches_the_model(port: int, model: Model) -> None:
    status, headers, body = send(port, {"age": "canary-value", "canary-name": 1})
    assert (status, body["code"], body["violations"]) == (422, "contract", [{"pointer": "/age", "code": "type"}])
    assert body["request_id"] == headers["x-guard-request-id"]
    assert "x-guard-source" not in headers
    assert not model.received
    assert send(port, b'{"age": 30, "age": 31}')[2]["code"] == "json_duplicate"
    assert send(port, {"age": 30}, kind="text/plain")[0] == 415
    assert send(port, b"[" + b" " * 1_100_000 + b"]")[0] == 413
    assert send(port, {"age": 30}, path="/nowhere")[0] == 404
    assert send(port, {"age": 30}, path="/items/../predict")[0] == 400
    assert send(port, {}, method="GET")[0] == 405
    assert not model.received


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, b"{}"), "status"),
        ((429, b"{}"), "backoff"),
        ((200, b'{"label":"approve","score":NaN}'), "invalid"),
        ((200, b'{"label":"approve","score":1.5}'), "invalid"),
        ((200, b'{"label":"other","score":0.5}'), "invalid"),
        ((200, b"<html>"), "invalid"),
    ],
)
def test_a_failing_or_lying_model_is_never_the_users_problem(
    port: int, model: Model, answer: tuple[int, bytes], reason: str
) -> None:
    model.answer = answer
    for age, label in ((20, "review"), (40, "approve")):
        status, headers, body = send(port, {"age": age})
        assert (status, body) == (200, {"label": label, "score": None})
        assert (headers["x-guard-source"], headers["x-guard-reason"]) == ("rules", reason)
        assert "x-guard-model-version" not in headers


def test_where_no_rule_applies_disabled_says_so(port: int, model: Model) -> None:
    model.answer = (500, b"")
    status, headers, body = send(port, {"age": 110})
    assert (status, headers["retry-after"], headers["x-guard-source"], headers["x-guard-reason"]) == (
        503,
        "7",
        "disabled",
        "status",
    )
    assert body["code"] == "no_rule"


def test_a_fault_of_the_client_that_the_model_reports_is_told_in_our_words(port: int, model: Model) -> None:
    model.answer = (422, b'{"detail": "canary"}')
    status, headers, body = send(port, {"age": 30})
    assert (status, body["code"]) == (422, "upstream_refused")
    assert "canary" not in json.dumps(body)
    assert "x-guard-source" not in headers


def test_a_slow_model_leaves_the_rules_their_time_and_its_queue_is_bounded(port: int, model: Model) -> None:
    model.hold.clear()
    results: list[tuple[int, str]] = []

    def ask() -> None:
        status, headers, _ = send(port, {"age": 30})
        results.append((status, headers["x-guard-reason"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.hold.set()
    assert [status for status, _ in results] == [200] * 4
    assert sorted(reason for _, reason in results) == ["overloaded", "overloaded", "overloaded", "timeout"]


def test_rows_are_answered_one_by_one_and_counted(port: int, model: Model) -> None:
    document = {"instances": [{"age": 1}, {"age": 2}, {"age": 3}]}
    model.answer = (200, json.dumps({"predictions": [{"label": "approve"}] * 3}).encode())
    assert send(port, document, "/rows")[1]["x-guard-source"] == "model"
    model.answer = (200, json.dumps({"predictions": [{"label": "approve"}] * 2}).encode())
    status, headers, body = send(port, document, "/rows")
    assert (status, headers["x-guard-source"], headers["x-guard-reason"]) == (200, "rules", "invalid")
    assert body == {"predictions": [{"label": "review"}] * 3}


def test_observe_denies_and_amends_nothing(port: int, model: Model) -> None:
    raw = b'{ "age": "x", "more": 1 }'
    model.answer = (200, b'{"label":"unknown"}')
    status, headers, body = send(port, raw, "/observed")
    assert (status, headers["x-guard-source"], body) == (200, "model", {"label": "unknown"})
    assert model.received[0][2] == raw
    assert send(port, b"{", "/observed")[0] == 400


def test_an_opaque_body_passes_byte_for_byte(port: int, model: Model) -> None:
    model.answer = (200, b'{"label":"review"}')
    picture = os.urandom(100_000)
    assert send(port, picture, "/image", "image/png")[1]["x-guard-source"] == "model"
    assert model.received[0][2] == picture
    assert send(port, picture, "/image", "image/gif")[0] == 415


def test_a_passthrough_route_is_passed_through(port: int, model: Model) -> None:
    model.answer = (404, b'{"not": "here"}')
    status, headers, body = send(port, None, "/items/7?q=1", method="GET")
    assert (status, body, headers["x-guard-source"]) == (404, {"not": "here"}, "model")
    assert model.received[0][0] == "/items/7?q=1"


def test_a_dead_model_and_its_return(tmp_path: Path) -> None:
    with closed_port() as dead, guard(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{dead}"), tmp_path) as (number, _):
        status, headers, _ = send(number, {"age": 30})
        assert (status, headers["x-guard-source"], headers["x-guard-reason"]) == (200, "rules", "connect")
        status, headers, body = send(number, None, "/items/7", method="GET")
        assert (status, body["code"]) == (502, "connect")


def test_sigterm_finishes_what_is_under_way_and_exits_0(model: Model, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{model.server_address[1]}"
    model.hold.clear()
    with guard(POLICY.replace("UPSTREAM", url), tmp_path) as (number, process):
        answers: list[tuple[int, dict[str, str], Any]] = []
        thread = threading.Thread(target=lambda: answers.append(send(number, {"age": 30})))
        thread.start()
        deadline = time.monotonic() + 10
        while not model.received and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        while json.loads(process.stderr.readline())["event"] != "draining":
            pass
        model.hold.set()
        thread.join()
        assert process.wait(10) == 0
    ((status, headers, _),) = answers
    assert (status, headers["x-guard-source"], headers.get("connection")) == (200, "model", "close")


def test_a_model_server_behind_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"

    class Local(Model):
        address_family = socket.AF_UNIX

        def __init__(self) -> None:
            ThreadingHTTPServer.__init__(self, str(path), Handler)  # type: ignore[arg-type]
            self.received, self.answer, self.hold = [], (200, b'{"label":"approve","score":0.5}'), threading.Event()
            self.hold.set()

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "local", 0

    class Unaddressed(Handler):
        def address_string(self) -> str:
            return "unix"

    server = Local()
    server.RequestHandlerClass = Unaddressed
    with threaded(server), guard(POLICY.replace("UPSTREAM", f"unix://{path}"), tmp_path) as (number, _):
        assert send(number, {"age": 30})[1]["x-guard-source"] == "model"
