"""No client can take the model from the others: wrong clients of every kind, six times each, before a real guard.

The model server behaves as real ones do with such clients. What it does is in the field `x-act`, which guard forwards.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from tests.sidecar import Sidecar, sidecar

SIX: Final = 6
POLICY: Final = """
version: guard/v1
service: t
drain: 0s
upstream: http://127.0.0.1:%d
release: {version: "1", strict: true}
routes:
  'POST /score':
    enforcement: %s
    max_body: 8MiB
    breaker: {consecutive_failures: 5, minimum_calls: 5}
    input: {age: {type: integer, min: 0, max: 120}}
    undeclared: pass
    output: {score: {type: number}}
    fallback: {score: 0.5}
  'POST /v1/chat/completions':
    dialect: openai
    enforcement: %s
    breaker: {consecutive_failures: 5, minimum_calls: 5}
    timeout: {connect: 1s, attempt: 5s, idle: 5s, request: 20s}
    input: {model: {type: string}, characters: {type: integer, max: 100000}}
    output: {text: {at: /choices/*/message/content, type: string}}
    fallback: {text: busy}
"""
SCORE, CHAT = "/score", "/v1/chat/completions"
SCORED = b'{"score":0.25}'
SAID = b'{"model":"1","choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"b"}}]}'
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BODY, LARGE = b'{"age":34}', b'{"age":34,"more":"' + b"x" * 6_000_000 + b'"}'
ASKED = b'{"model":"1","messages":[{"role":"user","content":"hi"}]}'
STREAMED = b'{"model":"1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
NEEDS = {
    b"412": b"if-match",
    b"416": b"range",
    b"304": b"if-none-match",
    b"206": b"range",
    b"405": b"x-http-method-override",
}
RESET = struct.pack("ii", 1, 0)


def event(content: object) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"data: " + text + b"\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(text: str) -> bytes:
    return event({"model": "1", "choices": [{"delta": {"content": text}, "finish_reason": None}]})


TOO_LONG = event(
    {"error": {"message": "maximum context length", "type": "invalid_request_error", "code": "context_length_exceeded"}}
)


def answer(status: int, body: bytes, *more: bytes, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\n" % (status, kind, len(body))
    return head + b"".join(line + b"\r\n" for line in more) + b"\r\n" + body


class Upstream:
    """A model server of threads."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, suppress(OSError):
            while self._answer(link):
                pass

    def _answer(self, link: socket.socket) -> bool:
        """Answer one request; False: the connection is over."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += (more := link.recv(65536))
            if not more:
                return False
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        fields = {name: value for name, _, value in lines}
        if head.startswith(b"GET "):  # guard asks which models there are
            link.sendall(answer(404, b"{}"))
            return True
        act = fields.get(b"x-act", b"")
        if act == b"refuse_size":
            link.sendall(answer(413, b"", b"connection: close"))
        if act in (b"refuse_size", b"hang_up"):
            return False  # before the body was read
        while len(body) < int(fields[b"content-length"]):
            body += (more := link.recv(65536))
            if not more:
                return False
        return self._act(link, act, fields, body, chat=CHAT.encode() in head)

    def _act(self, link: socket.socket, act: bytes, fields: dict[bytes, bytes], body: bytes, *, chat: bool) -> bool:
        if act == b"keys" and b"authorization" not in fields:
            link.sendall(answer(401, b"{}", b"www-authenticate: Bearer"))
        elif act.isdigit() and NEEDS.get(act, b"x-act") in fields:
            link.sendall(answer(int(act), b"{}"))
        elif act == b"long":
            link.sendall(answer(200, b'{"score":0.25,"more":"' + b"x" * 9_000_000 + b'"}'))
        elif act == b"other_version":
            link.sendall(answer(200, SCORED, b"x-model-version: 2"))
        elif act == b"whole_error":
            link.sendall(answer(200, delta("a") + TOO_LONG + event(b"[DONE]"), kind=b"text/event-stream"))
        elif act == b"late_error":
            link.sendall(STREAM + chunk(delta("a")))
            time.sleep(0.02)
            link.sendall(chunk(TOO_LONG) + chunk(event(b"[DONE]")))
            time.sleep(0.05)
            link.sendall(b"0\r\n\r\n")
        elif act == b"flood":
            return self._flood(link)
        elif b'"stream": true' in body or b'"stream":true' in body:
            link.sendall(STREAM + chunk(delta("a")) + chunk(event(b"[DONE]")) + b"0\r\n\r\n")
        else:
            if act == b"slow":
                time.sleep(0.3)
            link.sendall(answer(200, SAID if chat else SCORED))
        return True

    @staticmethod
    def _flood(link: socket.socket) -> bool:
        """Send a long stream, and give up a client that takes nothing for 0.3 s."""
        link.settimeout(0.3)
        link.sendall(STREAM)
        try:
            for _ in range(4000):
                link.sendall(chunk(delta("x" * 8000)))
        except TimeoutError:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False


class Client:
    """A client that does what real ones should not."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)

    def send(self, path: str, body: bytes, *fields: str, length: int | None = None) -> None:
        head = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", "connection: close", *fields]
        head.append(f"content-length: {len(body) if length is None else length}")
        with suppress(ConnectionError):  # of a body that is not read to its end
            self.socket.sendall("\r\n".join([*head, "", ""]).encode() + body)

    def read(self) -> bytes:
        data = b""
        with suppress(ConnectionError):
            while more := self.socket.recv(1 << 20):
                data += more
        self.socket.close()
        return data

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()


Wrong = Callable[[Client], None]


def asks(path: str, body: bytes, *fields: str) -> Wrong:
    def go(client: Client) -> None:
        client.send(path, body, *fields)
        client.read()

    return go


def leaves_within_a_body(client: Client) -> None:
    client.send(SCORE, BODY[:5], length=len(BODY))
    client.reset()


def ends_a_body_early(client: Client) -> None:
    client.send(SCORE, BODY, length=50)
    client.socket.shutdown(socket.SHUT_WR)
    client.read()


def sends_slowly(client: Client) -> None:
    client.send(SCORE, b"", length=len(BODY))
    for byte in BODY:
        client.socket.sendall(bytes([byte]))
        time.sleep(0.01)
    client.read()


def breaks_chunks(client: Client) -> None:
    head = b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    client.socket.sendall(head + b'5\r\n{"age\r\nzz\r\n')
    client.read()


def never_continues(client: Client) -> None:
    client.send(SCORE, b"", "expect: 100-continue", length=len(BODY))
    client.socket.recv(100)
    client.reset()


def closes_its_half(client: Client) -> None:
    client.send(SCORE, BODY, "x-act: slow")
    client.socket.shutdown(socket.SHUT_WR)
    client.read()


def leaves_at_once(client: Client) -> None:
    client.send(SCORE, BODY, "x-act: slow")
    client.reset()


def leaves_meanwhile(client: Client) -> None:
    client.send(SCORE, BODY, "x-act: slow")
    time.sleep(0.05)
    client.reset()


def leaves_at_its_own_error(client: Client) -> None:
    client.send(CHAT, STREAMED, "x-act: late_error")
    data = b""
    while b"maximum" not in data and b"context_length" not in data and (more := client.socket.recv(65536)):
        data += more
    client.reset()


def leaves_within_a_stream(client: Client) -> None:
    client.send(CHAT, STREAMED, "x-act: flood")
    client.socket.recv(1000)
    client.reset()


def reads_slowly(client: Client) -> None:
    client.send(CHAT, STREAMED, "x-act: flood")
    time.sleep(1.0)
    client.read()


WRONG: dict[str, Wrong] = {
    "sends no credentials": asks(SCORE, BODY, "x-act: keys"),
    "sends wrong credentials": asks(SCORE, BODY, "authorization: x", "x-act: 401"),
    "sends large fields": asks(SCORE, BODY, "x-junk: " + "j" * 7000, "x-act: 431"),
    "sends fields that cannot be read": asks(SCORE, BODY, "x-junk: '", "x-act: 400"),
    "accepts nothing": asks(SCORE, BODY, "accept: text/plain", "x-act: 406"),
    "names a coding": asks(SCORE, BODY, "content-encoding: zstd"),
    "names a language": asks(SCORE, BODY, "content-language: xx", "x-act: 415"),
    "asks if it matches": asks(SCORE, BODY, 'if-match: "x"', "x-act: 412"),
    "asks if it changed": asks(SCORE, BODY, "if-none-match: *", "x-act: 304"),
    "asks for a range": asks(SCORE, BODY, "range: bytes=0-1", "x-act: 206"),
    "asks for a range that is not there": asks(SCORE, BODY, "range: bytes=9-", "x-act: 416"),
    "overrides the method": asks(SCORE, BODY, "x-http-method-override: DELETE", "x-act: 405"),
    "is slow for the server": asks(SCORE, BODY, "x-act: 408"),
    "sends too much": asks(SCORE, LARGE, "x-act: refuse_size"),
    "sends more than is read": asks(SCORE, LARGE, "x-act: hang_up"),
    "asks for a long answer": asks(SCORE, BODY, "x-act: long"),
    "asks for another version": asks(SCORE, BODY, "x-act: other_version"),
    "has little time": asks(SCORE, BODY, "x-act: slow", "x-request-timeout: 0.1"),
    "has no time": asks(SCORE, BODY, "x-act: slow", "x-request-timeout: 0"),
    "has strange time": asks(SCORE, BODY, "x-request-timeout: nan"),
    "errs in a stream": asks(CHAT, STREAMED, "x-act: late_error"),
    "errs in a stream of one piece": asks(CHAT, STREAMED, "x-act: whole_error"),
    **{go.__name__.replace("_", " "): go for go in (
        leaves_within_a_body, ends_a_body_early, sends_slowly, breaks_chunks, never_continues, closes_its_half,
        leaves_at_once, leaves_meanwhile, leaves_at_its_own_error, leaves_within_a_stream, reads_slowly,
    )},
}  # fmt: skip


@pytest.fixture(scope="module", params=["enforce", "observe"])
def guard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder: Path = tmp_path_factory.mktemp("guard")
    upstream = Upstream()
    (folder / "policy.yaml").write_text(POLICY % (upstream.port, request.param, request.param), encoding="utf-8")
    with sidecar(str(folder / "policy.yaml"), folder=folder) as running:
        yield running
    upstream.close()


@pytest.mark.parametrize("kind", WRONG)
def test_no_client_can_take_the_model_from_the_others(guard: Sidecar, kind: str) -> None:
    before = len(guard.events("breaker"))
    for _ in range(SIX):
        WRONG[kind](Client(guard.port))
    assert guard.events("breaker")[before:] == []
    for path, body in ((SCORE, BODY), (CHAT, ASKED)):
        client = Client(guard.port)
        client.send(path, body, "authorization: good")
        assert b"\r\nx-guard-source: model\r\n" in client.read()
