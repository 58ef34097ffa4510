"""What a stream begins with, through a real process: as long as nothing was sent, the next rung may answer."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.sidecar import Sidecar, head_lines, sidecar

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
drain: 0s
routes:
  POST /v1/chat/completions:
    dialect: openai
    timeout: {connect: 1s, attempt: 1s, idle: 5s, request: 20s}
    breaker: {consecutive_failures: 3, minimum_calls: 1000, open_for: 1h, max_open_for: 1h}
    input: {model: {type: string}, roles: {type: array, items: {type: string}}}
    output: {text: {at: /choices/*/message/content, type: string, sensitivity: confidential}}
    fallback: {text: come back later}
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


def token(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    document = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m-7", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(document).encode()


def failure(kind: str, code: str) -> bytes:
    return b'data: {"error":{"message":"Ann is at fault","type":"%b","code":"%b","param":null}}\n\n' % (
        kind.encode(), code.encode(),
    )  # fmt: skip


class Script:
    """A model server of bare sockets, whose stream is what the model's name asks for."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.go = threading.Event()
        self.sent_at = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as file, suppress(OSError):
            while lines := head_lines(file):
                if lines[0].startswith(b"GET "):  # guard asks which models there are
                    client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                length = next(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
                self._stream(client, json.loads(file.read(length))["model"])

    def _stream(self, client: socket.socket, model: str) -> None:
        client.sendall(HEAD)
        if model in ("silent", "long"):
            if model == "long":
                client.sendall(chunk(token("hello")))
            client.recv(1)  # until the caller goes away
        elif model == "pings":
            client.settimeout(0.1)
            while True:
                client.sendall(chunk(b": ping\n"))
                try:
                    client.recv(1)
                except TimeoutError:
                    continue
                return
        elif model == "slow":
            client.sendall(chunk(b": one moment\n"))
            for said in (token("hello"), b": ping\n"):
                self.go.wait(5)
                self.go.clear()  # before it is said: who has heard it sets it for the next
                self.sent_at = monotonic()
                client.sendall(chunk(said))
            self.go.wait(5)
        else:
            client.sendall(chunk(STREAMS[model]))
        client.sendall(b"0\r\n\r\n")


STREAMS = {
    "good": token("hello") + token("", "stop") + b"data: [DONE]\n\n",
    "broken": failure("server_error", "boom"),
    "context": failure("invalid_request_error", "context_length_exceeded"),
    "unfinished": token("hello"),
    "empty": b": nothing\n\n",
}


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    yield server
    server.listener.close()


@pytest.fixture
def guard(script: Script, tmp_path: Path) -> Iterator[Sidecar]:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(script.port)))
    with sidecar("policy.yaml", folder=tmp_path) as running:
        yield running


@pytest.fixture
def client(guard: Sidecar) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{guard.port}/v1", api_key="k", max_retries=0, timeout=20) as one:
        yield one


def heard(client: openai.OpenAI, model: str) -> tuple[str, str | None, str]:
    """The source of an answer, the reason, and its text."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=SAID, stream=True)
    text = "".join(item.choices[0].delta.content or "" for item in raw.parse() if item.choices)
    return raw.headers["x-guard-source"], raw.headers.get("x-guard-reason"), text


@pytest.mark.parametrize(
    ("model", "reason"), [("broken", "status"), ("silent", "timeout"), ("pings", "timeout"), ("empty", "malformed")]
)
def test_a_stream_that_begins_with_an_error_or_with_silence_takes_the_next_rung(
    client: openai.OpenAI, model: str, reason: str
) -> None:
    assert heard(client, "good") == ("model", None, "hello")
    for _ in range(3):
        assert heard(client, model) == ("rules", reason, "come back later")
    assert heard(client, "good") == ("rules", "breaker_open", "come back later")


def test_a_clients_own_error_as_first_event_is_answered_to_it_and_takes_the_model_from_nobody(
    client: openai.OpenAI,
) -> None:
    for _ in range(6):
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model="context", messages=SAID, stream=True)
        assert raised.value.code == "context_length_exceeded"
        assert "Ann" not in raised.value.message
    assert heard(client, "good") == ("model", None, "hello")


def test_a_stream_without_an_end_is_told_to_its_client_and_counts(client: openai.OpenAI) -> None:
    for _ in range(3):
        stream = client.chat.completions.create(model="unfinished", messages=SAID, stream=True)
        assert next(stream).choices[0].delta.content == "hello"
        with pytest.raises(openai.APIError):
            next(stream)
    assert heard(client, "good") == ("rules", "breaker_open", "come back later")


def test_the_first_event_is_passed_on_when_it_comes_and_a_heartbeat_at_once(guard: Sidecar, script: Script) -> None:
    body = json.dumps({"model": "slow", "messages": SAID, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", guard.port)) as client, client.makefile("rb") as file:
        client.settimeout(5)
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        script.go.set()
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        assert monotonic() - script.sent_at < 0.5
        while file.readline() != b"\r\n":
            pass
        text = file.read(int(file.readline(), 16))
        assert text == b": one moment\n" + token("hello")
        file.readline()
        script.go.set()
        assert file.read(int(file.readline(), 16)) == b": ping\n"
        script.go.set()


def test_clients_that_leave_a_long_stream_slow_nobody(script: Script, tmp_path: Path) -> None:
    """How long an answer is read is its client's affair; slow is a target that is slow to its head."""
    slow = "{slow: {duration: 700ms, rate: 50%}, minimum_calls: 2, open_for: 1h, max_open_for: 1h}"
    text = POLICY.replace("{consecutive_failures: 3, minimum_calls: 1000, open_for: 1h, max_open_for: 1h}", slow)
    (tmp_path / "policy.yaml").write_text(text.replace("PORT", str(script.port)))
    with (
        sidecar("policy.yaml", folder=tmp_path) as guard,
        openai.OpenAI(base_url=f"http://127.0.0.1:{guard.port}/v1", api_key="k", max_retries=0, timeout=20) as client,
    ):
        for _ in range(6):
            with client.chat.completions.create(model="long", messages=SAID, stream=True) as stream:
                next(stream)
                threading.Event().wait(0.8)  # reads no more, and leaves
        assert heard(client, "good")[0] == "model"
