"""What clients and model servers of a world say: plain JSON, and chats whose answers may be streams.

Servers name themselves in each answer (`model-1`, `previous-1`), so a record can be asked whose answer it accounts for.
The rules answer against the contract now and then, for an answer of our own is held to it like any other.
"""

import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from guard.policy.loading import load
from guard.proxy.values import Headers, Record, Reply

_POLICY = """version: guard/v1
service: s
upstream: http://model:1
routes:
  {key}:
    timeout: {{connect: 300ms, attempt: {attempt}ms, request: 3s}}
    limits: {{concurrency: {concurrency}, queue: 3, queue_timeout: 200ms}}
    deadline_header: x-wait
    breaker: {{window: 5s, minimum_calls: 6, consecutive_failures: 4, open_for: 500ms, max_open_for: 2s, close_after: 2}}
{contract}"""
JSON: Headers = [(b"content-type", b"application/json")]
EVENTS: Headers = [(b"content-type", b"text/event-stream")]


def _policies(key: str, contract: str) -> list[Any]:
    """The policies that a reload may bring, read once."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for attempt, concurrency in ((400, 4), (500, 4), (400, 2)):
            path = Path(folder) / "p.yaml"
            path.write_text(_POLICY.format(key=key, attempt=attempt, concurrency=concurrency, contract=contract))
            results.append(load(path, environ={}))
    return results


class Plain:
    """An age in, a label out."""

    key = "POST /p"
    path = b"/p"
    policies = _policies(
        key,
        """    input: {age: {type: integer, min: 0}}
    output: {label: {enum: [a, b]}}
    fallback:
      - previous: http://previous:1
      - cached: {max_age: 20s, entries: 20}
      - rules: [{when: age < 3, answer: {label: {cel: 'age < 2 ? "z" : "a"'}}}, {when: age < 15, answer: {label: a}}]
""",
    )

    def request(self, random: Random) -> bytes:
        return b'{"age":%d}' % random.randrange(30) if random.random() < 0.97 else b'{"age":"x"}'

    def good(self, server: str, request: bytes) -> tuple[Headers, bytes]:
        return JSON, b'{"label":"b"}'

    def bad(self, server: str, request: bytes, random: Random) -> tuple[Headers, bytes]:
        return JSON, random.choice([b'{"label":"z"}', b"{", b"NaN"])

    def hold(self, reply: Reply, source: str) -> None:
        """An answer keeps the contract, whoever gives it."""
        assert reply.body in (b'{"label":"a"}', b'{"label":"b"}'), (source, reply.body)


class Chat:
    """A prompt in, one choice out; in one piece or as a stream, as the client asks."""

    key = "POST /v1/chat/completions"
    path = b"/v1/chat/completions"
    policies = _policies(
        key,
        """    dialect: openai
    input: {model: {enum: [m]}, max_tokens: {type: integer, max: 100}}
    output: {finish: {at: /choices/*/finish_reason, enum: [stop, length]}}
    fallback:
      - previous: http://previous:1
      - cached: {max_age: 20s, entries: 20}
      - rules: [{when: max_tokens < 20, answer: {finish: {cel: 'max_tokens < 6 ? "odd" : "length"'}}}]
""",
    )

    def request(self, random: Random) -> bytes:
        tokens: object = random.randrange(30) if random.random() < 0.97 else "x"
        message = {"role": "user", "content": "hello"}
        return json.dumps(
            {"model": "m", "messages": [message], "max_tokens": tokens, "stream": random.random() < 0.6}
        ).encode()

    def good(self, server: str, request: bytes) -> tuple[Headers, bytes]:
        return self._said(server, request, "stop")

    def bad(self, server: str, request: bytes, random: Random) -> tuple[Headers, bytes]:
        if json.loads(request)["stream"]:
            return EVENTS, b'data: {"model":"%b-1","choices":[]}\n\ndata: {"error":{"message":"x"}}\n\n' % server.encode()
        return self._said(server, request, "odd")

    def _said(self, server: str, request: bytes, finish: str) -> tuple[Headers, bytes]:
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        choice = {"index": 0, "finish_reason": finish}
        if not json.loads(request)["stream"]:
            answer = {"model": f"{server}-1", "choices": [{**choice, "message": {"content": "b"}}], "usage": usage}
            return JSON, json.dumps(answer).encode()
        events = [
            {"model": f"{server}-1", "choices": [{**choice, "delta": {"content": "b"}}]},
            {"model": f"{server}-1", "choices": [], "usage": usage},
        ]
        return EVENTS, b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"

    def hold(self, reply: Reply, source: str) -> None:
        """An answer keeps the contract, unless it is a model's stream, which no contract is held against."""
        streamed = dict(reply.headers)[b"content-type"] == b"text/event-stream"
        if streamed and source in ("model", "previous"):
            return
        lines = reply.body.split(b"\n\n") if streamed else [b"data: " + reply.body]
        results_read = [json.loads(line[6:]) for line in lines if line and line != b"data: [DONE]"]
        results = [choice.get("finish_reason") for item in results_read for choice in item["choices"]]
        assert results, reply.body
        assert all(finish in ("stop", "length") for finish in results), (source, reply.body)


SPEECHES = (Plain(), Chat())


def hold_record(record: Record, *, streams: bool) -> None:
    """What a record says of an answer is true of the one that was given, and of no other."""
    source, usage = record.source, record.usage
    if source in ("model", "previous"):
        assert record.version == f"{source}-1", (source, record.version)
        assert (usage is not None) is streams
        broken = usage is not None and usage.finish == "error"
        assert record.error == ("error_event" if broken else ""), (source, record.error)
        assert record.attempts[-1].target.source == source
        assert record.attempts[-1].usage is usage
    elif source is not None:
        assert record.version == ("model-1" if source == "cached" else ""), (source, record.version)
        assert (usage, record.error) == (None, ""), (source, usage, record.error)
    assert not record.answer_violations, "no route of a world observes"
    assert [attempt.target.source for attempt in record.attempts] == [
        item for item in ("model", "previous") if item in {attempt.target.source for attempt in record.attempts}
    ]
