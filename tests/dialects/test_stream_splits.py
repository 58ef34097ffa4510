"""However a stream is cut into chunks, each dialect passes the same bytes on, hears the same, and judges its end alike."""

import json
from typing import Any

import pytest

from guard.proxy.values import Route
from tests.dialects.speaking import JSON, ask, compiled

SSE = [(b"content-type", b"text/event-stream")]


def delta(**said: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": said}]}


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE = {"model": "m-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
CHAT = "POST /v1/chat/completions"
STREAMS: dict[str, tuple[str, list[Any], str, int]] = {
    # route, events, finish, events with output
    "chat": (CHAT, [delta(role="assistant"), delta(content="a"), delta(content="ü🙂"), finish(), USAGE, "[DONE]"], "stop", 2),
    "reasoning": (CHAT, [delta(role="assistant", content=""), delta(reasoning="t"), delta(reasoning_content="u"), finish("length"), "[DONE]"], "length", 2),
    "tools": (CHAT, [delta(tool_calls=[{"function": {"arguments": "{"}}]), finish("tool_calls"), "[DONE]"], "tool_calls", 1),
    "heartbeats": (CHAT, [": ping", delta(content="a"), ":", finish(), ": end", "[DONE]"], "stop", 1),
    "error first": (CHAT, [{"error": {"message": "no", "type": "server_error"}}], "error", 0),
    "error after a ping": (CHAT, [": ping", {"error": {"message": "no"}}, "[DONE]"], "error", 0),
    "error later": (CHAT, [delta(content="a"), {"error": {"message": "no"}}], "error", 1),
    "no finish": (CHAT, [delta(content="a")], "error", 1),
    "completion": ("POST /v1/completions", [{"choices": [{"text": "a"}]}, {"choices": [{"text": "", "finish_reason": "stop"}]}, "[DONE]"], "stop", 1),
    "responses": ("POST /v1/responses", [{"type": "response.output_text.delta", "delta": "a"}, {"type": "response.completed"}], "stop", 1),
    "messages": ("POST /v1/messages", [{"type": "ping"}, {"type": "content_block_delta", "delta": {"text": "a"}}, {"type": "message_stop"}], "stop", 1),
    "generate": ("POST /v2/models/m/generate_stream", [{"text_output": "a", "model_version": "7"}, {"text_output": "b"}], "", 2),
    "generate error": ("POST /v2/models/m/generate_stream", [{"error": "no"}], "error", 0),
}  # fmt: skip


def written(events: list[Any], end: str, *, blank: str = " ") -> bytes:
    text = ""
    for event in events:
        if isinstance(event, str) and event.startswith(":"):
            text += event + end
        else:
            data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
            text += f"data:{blank}{data}{end}{end}"
    return text.encode()


def route_of(key: str) -> Route:
    if "generate" in key:
        return compiled("dialect: oip\ninput: {text_input: {type: string}}\n", key)
    return compiled("dialect: openai\ninput: {model: {type: string}}\n", key)


def heard(route: Route, chunks: list[bytes]) -> tuple[bytes, Any]:
    """What passes, and what is known at the end."""
    body = {"text_input": "x"} if "generate" in route.template else {"model": "m", "stream": True}
    permit = ask(route, JSON, json.dumps(body).encode())
    inspector = route.inspector(permit.message, SSE)
    assert inspector is not None
    passed = b"".join([*(inspector.feed(chunk, 1.0) for chunk in chunks), inspector.end()])
    said = inspector.parsed
    return passed, (said.version, said.usage, inspector.unfinished, inspector.begun, inspector.error, inspector.refused)  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_cut_of_a_stream_means_the_same(name: str, end: str) -> None:
    key, events, ends, pieces = STREAMS[name]
    route, stream = route_of(key), written(events, end)
    passed, known = heard(route, [stream])
    assert (known[1].finish, known[1].pieces) == (ends, pieces)
    assert known[2] is (name == "no finish")
    assert known[5] is name.startswith(("error first", "error after", "generate error"))
    for at in range(1, len(stream)):
        assert heard(route, [stream[:at], stream[at:]]) == (passed, known), at
    assert heard(route, [stream[at : at + 1] for at in range(len(stream))]) == (passed, known)


@pytest.mark.parametrize(
    "change",
    [
        lambda stream: b"\xef\xbb\xbf" + stream,
        lambda stream: stream.replace(b"data: ", b"data:"),
        lambda stream: stream.replace(b"data: ", b"data:   "),
        lambda stream: stream.replace(b'"a"', b'"a", "logprob": -Infinity'),
        lambda stream: stream.replace(b'"a"', rb'"\ud83d"'),
        lambda stream: stream.replace(b'"a"', b'"\xf0\x9f"'),
        lambda stream: stream.replace(b"data: ", b"id: 7\nretry: 10\ndata: "),
        lambda stream: stream.replace(b"data: {", b"data: {\ndata: "),
    ],
    ids=["bom", "no blank", "blanks", "infinity", "half surrogate", "torn character", "id and retry", "lines"],
)
@pytest.mark.parametrize("name", [name for name in STREAMS if name != "heartbeats"])
def test_a_stream_is_heard_however_servers_write_it(name: str, change: Any) -> None:
    key, events, ends, pieces = STREAMS[name]
    _, known = heard(route_of(key), [change(written(events, "\n"))])
    assert (known[1].finish, known[1].pieces) == (ends, pieces)
