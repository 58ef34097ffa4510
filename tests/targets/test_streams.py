"""Streams that reserve as they go, and end like a model at its length limit."""

import json
from typing import Any

import pytest

from guard.proxy.values import StreamParser
from guard.targets.budgets import EXTENSION, Price
from tests.dialects.test_openai import CHAT, EVENTS, JSON, KEY, ask, chat, compiled
from tests.targets.stand import Disk, attempt, budget, permit, purse, reserved

pytestmark = pytest.mark.source  # stand-ins for permits and messages


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def token(text: str = "x") -> bytes:
    return event(id="c1", object="chat.completion.chunk", model="m", choices=[{"index": 0, "delta": {"content": text}}])


def parser() -> StreamParser:
    route = compiled(CHAT, KEY)
    return route.inspector(ask(route, JSON, chat("x", stream=True)).message, EVENTS)


def metered(limit: int) -> tuple[Any, Any, Any]:
    """A stream whose request asked for 10 tokens, of a budget of `limit` tokens."""
    ledger = Disk().ledger()
    hold = reserved(
        purse(Price(0, 0, 1), budget(ledger, limit, strict=False)).reserve(permit(b"", {"max_tokens": 10}), 0.0)
    )
    return ledger, hold, hold.watch(parser())


def test_a_stream_reserves_more_once_it_is_longer_than_what_is_reserved() -> None:
    ledger, hold, stream = metered(10_000)
    for number in range(11):
        assert ledger.window.held == 10
        assert stream.feed(token(), float(number)) == token()
    assert ledger.window.held == 10 + EXTENSION
    assert not hold.over
    stream.feed(event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 11}), 12.0)
    made = attempt()
    made.usage = stream.parsed.usage
    hold.settle(made, 0)
    assert (ledger.window.held, ledger.window.spent) == (0, 11)


def test_a_stream_without_anything_left_is_over_and_costs_what_was_streamed() -> None:
    ledger, hold, stream = metered(100)
    for _ in range(10):
        stream.feed(token(), 1.0)
    assert not hold.over
    stream.feed(token(), 1.0)
    assert hold.over
    closing = stream.stop("budget")
    first, done = closing.split(b"\n\n")[:2]
    ended = json.loads(first.removeprefix(b"data: "))
    assert ended["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert (ended["id"], ended["object"], ended["model"]) == ("c1", "chat.completion.chunk", "m")
    assert done == b"data: [DONE]"
    made = attempt(failed="budget")
    made.usage = stream.parsed.usage
    assert made.usage is not None
    assert made.usage.finish == "length"
    hold.settle(made, 0)
    assert (ledger.window.held, ledger.window.spent) == (0, 11)


def test_another_cause_ends_a_stream_as_it_always_did() -> None:
    _, _, stream = metered(100)
    stream.feed(token(), 1.0)
    assert b'"error"' in stream.stop("mode")


def test_a_cut_stream_without_usage_is_not_free() -> None:
    ledger, hold, stream = metered(100)
    for _ in range(4):
        stream.feed(token(), 1.0)
    hold.settle(attempt(failed="reset"), 0)
    assert ledger.window.spent == 4


@pytest.mark.parametrize(
    ("last", "closing"),
    [
        (
            {"id": "t", "object": "text_completion", "choices": [{"index": 2, "text": "a"}]},
            [{"id": "t", "object": "text_completion", "choices": [{"index": 2, "text": "", "finish_reason": "length"}]}],
        ),
        (
            {"type": "response.output_text.delta", "delta": "a", "sequence_number": 4, "response_id": "r"},
            [{
                "type": "response.incomplete", "sequence_number": 5,
                "response": {
                    "object": "response", "id": "r", "status": "incomplete",
                    "incomplete_details": {"reason": "max_output_tokens"},
                },
            }],
        ),
        (
            {"type": "content_block_delta", "index": 0, "delta": {"text": "a"}},
            [
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}},
                {"type": "message_stop"},
            ],
        ),
    ],
)  # fmt: skip
def test_each_api_ends_in_its_own_way(last: dict[str, Any], closing: list[dict[str, Any]]) -> None:
    stream = parser()
    stream.feed(event(**last), 1.0)
    lines = [line.removeprefix(b"data: ") for line in stream.end_at_length().split(b"\n") if line.startswith(b"data: ")]
    assert [json.loads(line) for line in lines if line != b"[DONE]"] == closing


def test_half_an_event_cannot_be_followed() -> None:
    stream = parser()
    stream.feed(b"data: " + b"x" * (1 << 20) + b"x", 1.0)
    assert stream.end_at_length() == b""


def test_an_incomplete_event_is_dropped() -> None:
    stream = parser()
    stream.feed(token() + b'data: {"id"', 1.0)
    assert stream.end_at_length().startswith(b'data: {"id":"c1"')


@pytest.mark.parametrize(
    "events",
    [
        [{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}],
        [{"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 9}}}],
        [
            {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        ],
    ],
)
def test_the_usage_of_each_api_is_read(events: list[dict[str, Any]]) -> None:
    stream = parser()
    for members in events:
        stream.feed(event(**members), 1.0)
    usage = stream.parsed.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (7, 9)
