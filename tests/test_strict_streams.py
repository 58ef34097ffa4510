"""A strict release lets no stream of another version begin: the first event says it, and nothing was sent by then."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sidecar import Sidecar, sidecar

POLICY = """
version: guard/v1
service: t
drain: 0s
upstream: http://127.0.0.1:PORT
release: {version: m-2, strict: true}
routes:
  'POST /v1/chat/completions':
    dialect: openai
    timeout: {connect: 1s, attempt: 5s, request: 10s}
    breaker: {consecutive_failures: 1, minimum_calls: 1}
    input: {model: {enum: [m]}, characters: {type: integer, max: 100}}
    output: {text: {at: /choices/*/message/content, type: string}}
    fallback: {text: busy}
"""
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
FORMS = ("in pieces", "in one piece", "without a last blank line")


class Model:
    """A model server that streams, as `version` and in a `form`."""

    def __init__(self) -> None:
        self.version, self.codec = "m-2", FORMS[0]
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            data = b""
            while not data.endswith(b"}"):
                if not (more := client.recv(65536)):
                    return
                data += more
            choice = {"delta": {"content": "hi"}, "finish_reason": "stop"}
            event = b"data: " + json.dumps({"model": self.version, "choices": [choice]}).encode()
            whole = event + b"\n\ndata: [DONE]\n\n"
            if self.codec == "in one piece":
                client.sendall(EVENTS + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(whole) + whole)
            elif self.codec == "in pieces":
                client.sendall(EVENTS + b"connection: close\r\n\r\n: ping\n\n")
                time.sleep(0.02)
                client.sendall(event + b"\n\n")
                time.sleep(0.02)
                client.sendall(b"data: [DONE]\n\n")
            else:
                client.sendall(EVENTS + b"connection: close\r\n\r\n")
                time.sleep(0.02)
                client.sendall(event + b"\n")


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    server = Model()
    yield server
    server.listener.close()


@pytest.fixture(scope="module")
def guard(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder: Path = tmp_path_factory.mktemp("guard")
    (folder / "policy.yaml").write_text(POLICY.replace("PORT", str(model.port)))
    with sidecar("policy.yaml", folder=folder) as running:
        yield running


def ask(guard: Sidecar) -> tuple[str | None, str | None, bytes]:
    client = guard.connect()
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    client.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    response = client.getresponse()
    return response.getheader("x-guard-source"), response.getheader("x-guard-reason"), response.read()


@pytest.mark.parametrize("form", FORMS)
def test_a_strict_release_lets_no_stream_of_another_version_begin(guard: Sidecar, model: Model, form: str) -> None:
    model.codec, model.version = form, "m-2"
    assert ask(guard)[0] == "model"
    model.version = "m-3"
    source, reason, body = ask(guard)
    assert (source, reason) == ("rules", "version")
    assert b"m-3" not in body
    model.version = "m-2"
    assert ask(guard)[0] == "model", "which blames nobody"
