"""Server-sent events on their way: what passes, when, and what a stream is taken to have said."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.dialects.sse import Events, StreamFacts
from tests.dialects.speaking import JSON, ask, compiled, dumps, own

LINES = st.sampled_from(
    [b": ping", b":", b"data: {}", b'data: {"a":1}', b"data", b"event: x", b"id: 1", b"", b"data: [DONE]"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
_LINE = re.compile(rb"\r\n|\n|\r")


def events(**options: Any) -> Events:
    return Events(lambda _event, _heard: False, lambda code: {"error": code}, "chat", **options)


def dispatched(stream: bytes) -> list[bytes]:
    """The data of each event, as WHATWG HTML §9.2.6 has a client read it."""
    found, data = [], []
    for line in _LINE.split(stream)[:-1]:
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data"):
            data.append(line[5:].removeprefix(b" "))
    return found


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(1, 5), max_size=80))
def test_every_chunking_passes_the_same_events_and_comments_with_the_chunk_that_completes_them(
    lines: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(line + end for line, end in lines)
    inspector, passed, at = events(), b"", 0
    for size in [*sizes, len(stream)]:
        chunk, at = stream[at : at + size], at + size
        if not chunk:
            continue
        passed += inspector.feed(chunk, 1.0)
        sent = stream[:at]
        whole = sent if sent.endswith((b"\n", b"\r")) else sent[: max(sent.rfind(b"\n"), sent.rfind(b"\r")) + 1]
        comments = [line for line in _LINE.split(whole) if line.startswith(b":")]
        assert [line for line in _LINE.split(passed) if line.startswith(b":")] == comments, "no comment waits"
        assert dispatched(passed) == dispatched(whole), "no whole event waits, and none is passed before"
    assert dispatched(passed + inspector.end()) == dispatched(stream)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_one_heartbeat_at_a_time_passes_at_once(end: bytes) -> None:
    inspector = events()
    for _ in range(3):
        assert inspector.feed(b": pi", 1.0) == b""
        assert inspector.feed(b"ng" + end, 1.0) == b": ping" + end
    assert not inspector.begun
    assert inspector.feed(b"data: {" + end, 1.0) == b""
    assert inspector.feed(b": ping" + end, 1.0) == b": ping" + end, "also within an event"
    assert dispatched(inspector.feed(b"data: }" + end + end, 1.0)) == [b"{\n}"]
    assert inspector.begun


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        (b": c\n\n", False), (b"event: ping\ndata: {}\n\n", False), (b'data: {"type":"ping"}\n\n', False), (b"id: 1\n\n", False),
        (b"data:\n\n", False), (b"data: {}\n\n", True), (b"data: x\n\n", True), (b"data: [DONE]\n\n", True),
    ],
)  # fmt: skip
def test_what_is_a_first_event(text: bytes, begun: bool) -> None:
    inspector = events()
    assert inspector.feed(text, 1.0) == text
    assert inspector.begun is begun


def test_an_error_is_kept_as_it_was_said() -> None:
    inspector = events()
    inspector.feed(b'event: error\ndata: {"message":"x"}\n\n', 1.0)
    assert (inspector.error, inspector.refused) == (b'{"message":"x"}', True)
    assert inspector.parsed.usage is not None
    assert inspector.parsed.usage.finish == "error"
    late = events()
    late.feed(b'data: {}\n\nevent: error\ndata: {"message":"x"}\n\n', 1.0)
    assert (late.error, late.refused) == (b'{"message":"x"}', False)


CHAT = """
dialect: openai
input: {model: {type: string}, texts: {type: array, items: {type: string}}}
output: {text: {at: /choices/*/message/content, type: string}}
fallback: {text: busy}
"""
KEY = "POST /v1/chat/completions"
EVENTS = [(b"content-type", b"text/event-stream")]


def listening() -> Any:
    route = compiled(CHAT, KEY)
    message = ask(route, JSON, dumps({"model": "m", "messages": [], "stream": True})).message
    return route.inspector(message, EVENTS)


@pytest.mark.parametrize(
    ("delta", "output"),
    [
        *(({name: "x"}, True) for name in ("content", "reasoning", "reasoning_content", "refusal", "thinking", "not yet known")),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, True), ({"audio": {"data": "AA=="}}, True),
        ({"function_call": {"name": "f"}}, True), ({"reasoning_details": [{"text": "x"}]}, True),
        ({"role": "assistant"}, False), ({"role": "assistant", "content": ""}, False), ({"content": None, "tool_calls": []}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_whatever_is_generated_is_output(delta: dict[str, Any], output: bool) -> None:
    inspector = listening()
    inspector.feed(b"data: %b\n\n" % dumps({"choices": [{"delta": delta}]}), 7.0)
    assert inspector.parsed.usage.first_at == (7.0 if output else 0.0)


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        ([{"choices": [{"delta": {"content": "a"}}]}, "[DONE]"], True),
        ([{"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}], True),
        ([{"type": "response.output_text.delta", "delta": "a"}, {"type": "response.completed"}], True),
        ([{"type": "content_block_delta", "delta": {"text": "a"}}, {"type": "message_stop"}], True),
        ([{"choices": [{"delta": {"content": "a"}}]}], False),
        ([{"choices": [{"delta": {"content": "a"}, "finish_reason": None}]}], False),
    ],
)
def test_a_stream_without_finish_or_done_is_not_whole_and_its_client_is_told(stream: list[Any], whole: bool) -> None:
    inspector = listening()
    for item in stream:
        inspector.feed(b"data: %b\n\n" % (item.encode() if isinstance(item, str) else dumps(item)), 1.0)
    tail = inspector.end()
    assert inspector.unfinished is not whole
    assert (b'"error"' in tail) is not whole
    assert (inspector.parsed.usage.finish == "error") is not whole


def test_a_streamed_answer_of_our_own_has_deltas_and_no_messages() -> None:
    route = compiled(CHAT, KEY)
    permit = ask(route, JSON, dumps({"model": "m", "messages": [], "stream": True}))
    chunk = json.loads(own(route, permit).body.split(b"\n")[0].removeprefix(b"data: "))
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["choices"] == [
        {"index": 0, "finish_reason": "stop", "logprobs": None, "delta": {"role": "assistant", "content": "busy"}}
    ]
    document = json.loads(own(route, ask(route, JSON, dumps({"model": "m", "messages": []}))).body)
    assert (document["object"], "delta" in document["choices"][0]) == ("chat.completion", False)


def test_heard_begins_empty() -> None:
    assert not StreamFacts().done
