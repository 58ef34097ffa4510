"""The events with which the OpenAI API, and those like it, end a stream that has reached its length limit."""

from typing import Any

import orjson


def end_at_length(event: dict[str, Any]) -> bytes:
    """The closing events of a stream whose newest event is `event`: of chat, completions, responses or messages."""
    kind = event.get("type")
    if isinstance(kind, str):
        return _responses(event) if kind.startswith("response.") else _messages(kind)
    choices = event.get("choices")
    chat = event.get("object") != "text_completion"
    indexes = (
        [choice.get("index", 0) for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    )
    beside = {name: event[name] for name in ("id", "object", "created", "model", "system_fingerprint") if name in event}
    part: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    ended = [{"index": index, **part, "finish_reason": "length"} for index in indexes or [0]]
    return b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps({**beside, "choices": ended})


def _responses(event: dict[str, Any]) -> bytes:
    details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    number = event.get("sequence_number")
    numbered = {"sequence_number": number + 1} if type(number) is int else {}
    identity = {"id": event["response_id"]} if isinstance(event.get("response_id"), str) else {}
    body = {"type": "response.incomplete", **numbered, "response": {"object": "response", **identity, **details}}
    return b"event: response.incomplete\ndata: %b\n\n" % orjson.dumps(body)


def _messages(kind: str) -> bytes:
    stop = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' if "block_delta" in kind else b""
    delta = {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}}
    ended = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    return b"%bevent: message_delta\ndata: %b\n\n%b" % (stop, orjson.dumps(delta), ended)
