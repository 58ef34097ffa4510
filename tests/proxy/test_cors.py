"""Pages of browsers: preflights, and the fields of every answer, on real sockets."""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from tests.sidecar import Sidecar, sidecar

PAGE = "https://app.example.com"
POLICY = """
version: guard/v1
service: s
upstream: http://127.0.0.1:{port}
cors: {{origins: ["https://app.example.com", "http://localhost:3000"], headers: [content-type, x-tenant]{more}}}
routes:
  POST /p: {{input: {{n: {{type: integer}}}}, breaker: {{consecutive_failures: 100}}}}
  POST /raw: passthrough
  POST /off: denied
"""


class Model(BaseHTTPRequestHandler):
    """Counts what reaches it, and has its own mind about pages."""

    methods: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.methods.append(self.command)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(500 if b"666" in body else 200)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Access-Control-Allow-Origin", "*"),
            ("Content-Length", "2"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    do_OPTIONS = do_POST

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def model() -> Iterator[int]:
    Model.methods.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def guard(model: int, tmp_path: Path) -> Iterator[Sidecar]:
    policy = tmp_path / "guard.yaml"
    policy.write_text(POLICY.format(port=model, more=""))
    with sidecar(str(policy), folder=tmp_path) as running:
        yield running


def ask(
    guard: Sidecar, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, dict[str, list[str]]]:
    client = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=20)
    client.request(method, path, body or None, headers)
    answer = client.getresponse()
    answer.read()
    client.close()
    fields: dict[str, list[str]] = {}
    for name, value in answer.getheaders():
        fields.setdefault(name.lower(), []).append(value)
    return answer.status, fields


def preflight(guard: Sidecar, path: str, method: str = "POST", origin: str = PAGE) -> tuple[int, dict[str, list[str]]]:
    by_name = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}
    return ask(guard, "OPTIONS", path, by_name)


def test_a_preflight_is_answered_by_guard_and_never_reaches_the_model(guard: Sidecar) -> None:
    for path in ("/p", "/raw"):
        status, fields = preflight(guard, path)
        assert status == 204
        assert fields["access-control-allow-origin"] == [PAGE]
        assert fields["access-control-allow-methods"] == ["POST"]
        assert fields["access-control-allow-headers"] == ["content-type, x-tenant"]
        assert fields["access-control-max-age"] == ["600"]
        assert "origin" in fields["vary"]
        assert "access-control-allow-credentials" not in fields
    assert Model.methods == []


@pytest.mark.parametrize(
    ("path", "method", "origin"),
    [
        ("/p", "POST", "https://evil.example.com"), ("/p", "POST", "null"), ("/p", "POST", PAGE + ".evil.com"),
        ("/p", "POST", "http://app.example.com"), ("/p", "DELETE", PAGE), ("/elsewhere", "POST", PAGE), ("/off", "POST", PAGE),
        ("/p", "FOO", PAGE), ("/..", "POST", PAGE),
    ],
)  # fmt: skip
def test_a_preflight_for_what_is_not_allowed_allows_nothing(guard: Sidecar, path: str, method: str, origin: str) -> None:
    status, fields = preflight(guard, path, method, origin)
    assert status == 204
    assert "access-control-allow-methods" not in fields
    assert origin == PAGE or "access-control-allow-origin" not in fields
    assert Model.methods == []


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/p", b'{"n": 1}', 200), ("POST", "/raw", b"{}", 200), ("POST", "/p", b'{"n": "x"}', 422),
        ("POST", "/p", b"{", 400), ("POST", "/p", b'{"n": 666}', 502), ("POST", "/elsewhere", b"{}", 404),
        ("PUT", "/p", b"{}", 405), ("OPTIONS", "/p", b"", 405), ("POST", "/off", b"{}", 404), ("POST", "/a/../p", b"{}", 400),
    ],
)  # fmt: skip
def test_every_answer_says_who_may_read_it(guard: Sidecar, method: str, path: str, body: bytes, expected: int) -> None:
    for origin, allowed in (
        (PAGE, [PAGE]),
        ("http://localhost:3000", ["http://localhost:3000"]),
        ("https://evil.com", None),
    ):
        status, fields = ask(guard, method, path, {"Origin": origin, "Content-Type": "application/json"}, body)
        assert status == expected
        assert fields.get("access-control-allow-origin") == allowed  # and not the model server's own word
        assert "origin" in fields["vary"]
        if allowed and method != "OPTIONS":
            assert "x-guard-request-id" in fields["access-control-expose-headers"][0]
    status, fields = ask(guard, method, path, {"Content-Type": "application/json"}, body)
    assert (status, fields.get("access-control-allow-origin")) == (expected, None)
    assert "origin" in fields["vary"]


def test_a_preflight_is_told_of_as_a_request(guard: Sidecar) -> None:
    preflight(guard, "/p")
    _, text = guard.probe("/metrics")
    assert 'http_request_method="OPTIONS"' in text
    assert "guard_sink" not in text or "crash" not in json.dumps(guard.lines)


@pytest.mark.parametrize(
    "cors",
    [
        "{origins: []}", "{origins: ['*', 'https://a']}", "{origins: ['*'], credentials: true}", "{origins: ['https://a/']}",
        "{origins: ['https://A']}", "{origins: ['null']}", "{origins: [a.example.com]}", "{origins: ['https://u@a']}", "{}",
    ],
)  # fmt: skip
def test_what_is_no_list_of_origins_is_an_error(tmp_path: Path, cors: str) -> None:
    policy = tmp_path / "guard.yaml"
    policy.write_text(
        f"version: guard/v1\nservice: s\nupstream: http://h:1\ncors: {cors}\nroutes: {{GET /h: passthrough}}\n"
    )
    with pytest.raises(PolicyInvalid):
        load(policy, environ={})
