"""The OpenAI API as vLLM, llama.cpp, TGI, SGLang, LiteLLM and others serve it: chat, completions, embeddings.

Source: OpenAI's API reference, openai-python's `_streaming.py`. A contract sees the request as one instance: the members it
declares, and the computed fields `roles`, `texts`, `characters`, `attachments` and `tokens`.
"""

import base64
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from guard.dialects import openai_errors
from guard.dialects.common import Common
from guard.dialects.error_words import error_object
from guard.dialects.layout import BaseMessage, answer_tree, in_order, one_line, pointer, referred, violation
from guard.dialects.openai_length import end_at_length
from guard.dialects.requested_outputs import openai_outputs
from guard.dialects.sse import Events, StreamFacts, is_events
from guard.dialects.texts import Texts
from guard.proxy.values import (
    Answer,
    CodecSpec,
    Field,
    ForwardedRequest,
    Head,
    Headers,
    Message,
    Outcome,
    ParsedAnswer,
    Problem,
    RequestedOutputs,
    RequestLayout,
    RouteCodec,
    StreamParser,
)

KNOWN: Final = frozenset((
    "model", "messages", "prompt", "input", "stream", "stream_options", "n", "best_of", "max_tokens",
    "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "stop", "seed", "tools", "tool_choice",
    "parallel_tool_calls", "response_format", "logprobs", "top_logprobs", "logit_bias", "presence_penalty",
    "frequency_penalty", "repetition_penalty", "user", "suffix", "echo", "encoding_format", "dimensions", "metadata",
    "store", "service_tier", "reasoning_effort", "modalities", "audio", "prediction", "verbosity",
    "web_search_options", "safety_identifier", "prompt_cache_key", "functions", "function_call",
    # /v1/responses
    "instructions", "max_output_tokens", "max_tool_calls", "reasoning", "text", "truncation", "include", "background",
    "previous_response_id", "conversation",
    # /v1/messages
    "system", "stop_sequences", "thinking", "container",
    # /v1/rerank, /v1/score
    "query", "documents", "top_n", "return_documents", "text_1", "text_2",
))  # fmt: skip
"""Members of a request that the API documents: they reach the model unless the policy declares otherwise."""

OPERATIONS: Final = {"/chat/": "chat", "/completions": "text_completion", "/embeddings": "embeddings"}
"""The `gen_ai.operation.name` of a route, by a part of its path."""
FINISHES: Final = frozenset(("stop", "length", "tool_calls", "function_call", "content_filter"))
"""Finish reasons of the API; a server's own word is reported as `other`, because it may hold anything."""
FRAMING: Final = frozenset(("role", "index", "id", "type", "name"))
"""Members that identify a delta; every other member (text, reasoning, tool calls, audio) is output."""
ENDINGS: Final = {
    "response.completed": "stop", "response.incomplete": "length", "response.failed": "error", "error": "error",
    "message_stop": "stop",
}  # fmt: skip
CARRIERS: Final = frozenset(
    ("messages", "prompt", "input", "suffix", "tools", "system", "instructions", "query", "documents")
)
"""Members whose texts belong to `texts` even if a policy declares them."""
TEXTUAL: Final = frozenset((
    "text", "input_text", "output_text", "refusal", "tool_use", "tool_result", "thinking", "redacted_thinking",
    "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
    "item_reference",
))  # fmt: skip
"""Types of parts that do not count as attachments."""
_COUNTED: Final = frozenset(("texts", "characters"))
VIRTUAL: Final = ("roles", "texts", "characters", "attachments", "tokens")


class OpenAI(Common):
    """The Dialect of the OpenAI API. Answers name the model, which is their version."""

    name = "openai"
    streams = counts_tokens = True
    request_layout = RequestLayout(
        words=dict(
            zip(VIRTUAL, ("/messages/*/role", "/messages/*/content", "/messages", "/messages", "/input"), strict=True)
        ),
        notes=("Members that the API documents reach the model, whether or not they are declared here.",),
    )
    hides_errors = True
    faults = openai_errors.FAULTS
    management = (
        "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/sleep", "/wake_up", "/reset_prefix_cache",
        "/collective_rpc", "/flush_cache", "/update_weights_from_disk", "/start_profile", "/stop_profile", "/slots/*",
    )  # fmt: skip

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The party at fault for an error, by its object if that is more precise than the status."""
        return openai_errors.outcome(answer, request)

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """The party at fault for an error with status 2xx, by its object."""
        return openai_errors.of_object(openai_errors.error_of(error_object(body)), request)

    def error_status(self, answer: Answer) -> int:
        """The status of an error; for one that came with a 2xx, the status that its type or code means, else 400."""
        meant = openai_errors.status_of(openai_errors.error_of(error_object(answer.body))) if answer.status < 300 else 0
        return meant or super().error_status(answer)

    def status(self, template: str) -> str:
        """The path of the list of models, below the same prefix as the route; empty if the prefix is open."""
        prefix, version, _ = template.partition("/v1/")
        return f"{prefix}/v1/models" if version and not _OPEN.search(prefix) else ""

    def listed(self, page: Any) -> list[str]:
        """The names of the models that the server lists."""
        rows = page.get("data") if isinstance(page, dict) else None
        return [row["id"] for row in _list(rows) if isinstance(row, dict) and isinstance(row.get("id"), str)]

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of requests that are one instance. Raises ValueError for a computed field with `send: false`."""
        if unsent := [name for name in VIRTUAL if name in spec.inputs and not spec.inputs[name].send]:
            raise ValueError(f"{unsent[0]} is not a member of a request: `send: false` cannot keep it from the model")
        for name, field in spec.outputs.items():
            if _BELOW_LIST.match(place := field.at or ""):
                known = "/".join((*place.split("/")[:2], "*", *place.split("/")[3:]))
                raise ValueError(
                    f"{name} stands at {place}, where the API has a list: write {known}, which is each element"
                )
        return _Codec(spec)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, `{"error": {message, type, param, code}}`, and its content type."""
        violations = [{"pointer": item.pointer, "code": item.code} for item in problem.violations]
        code = problem.word or problem.code
        error = {**_error(code, f"guard: {one_line(problem)}", problem.status), "request_id": problem.request_id}
        error["param"] = violations[0]["pointer"] if violations else "model" if problem.word == "model_not_found" else None
        return b"application/json", orjson.dumps({"error": {**error, "violations": violations}})


def _error(code: str, message: str, status: int) -> dict[str, object]:
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return {"message": message, "type": kind, "param": None, "code": code}


_OPEN: Final = re.compile(r"[{*]")
"""A part of a path that the client chooses."""
_BELOW_LIST: Final = re.compile(r"/(?:choices|data)/(?!\*(?:/|$))")
"""A place in an element of a list of the API's, by something else than `*`: no answer has it."""
_NO_TEXTS: Final = Texts({}, ())


class Prompt(BaseMessage):
    """A Message of a request to the OpenAI API."""

    once = False
    searched = True

    def __init__(self, tree: dict[str, Any], spec: CodecSpec, referred: frozenset[str]) -> None:
        """Read the texts and computed fields of a request. Raises LayoutError."""
        self._tree, self._dumps = tree, spec.dumps
        unknown = tree.keys() - KNOWN - referred
        if unknown and spec.undeclared == "reject":
            raise violation(("<undeclared>",), "unknown")
        dropped = unknown if spec.undeclared == "strip" else frozenset()
        self.stream = tree.get("stream") is True
        self.counted = False  # guard, and not the client, asked the model server for the usage
        self._count = self.stream and spec.metered and "stream_options" not in spec.inputs
        self.model = tree["model"] if isinstance(tree.get("model"), str) else ""
        model = spec.inputs.get("model")
        self.chosen = model is None or model.enum is None or self.model not in model.enum
        self.free_model = self.chosen  # llama.cpp and others repeat it
        self.named = "" if self.chosen else self.model
        self._limit = "max_completion_tokens" if "max_completion_tokens" in tree else "max_tokens"
        declared = spec.inputs
        document = {name: value for name, value in tree.items() if name in referred}
        if "max_tokens" in declared and self._limit in tree:
            document["max_tokens"] = max((tree[name] for name in ("max_tokens", self._limit) if name in tree), key=_size)
        self._virtual = {name for name in VIRTUAL if name in declared}
        self._texts = Texts(tree, KNOWN, referred - CARRIERS | dropped) if _COUNTED & self._virtual else _NO_TEXTS
        document.update((name, value) for name, value in self._virtual_fields().items() if name in self._virtual)
        others = tree.keys() - referred - dropped
        self.beside: dict[str, Any] = {name: value for name, value in tree.items() if name in others}
        self.document: object = document

    def _virtual_fields(self) -> dict[str, Any]:
        """The computed fields, which no request has."""
        messages = [
            item for name in ("messages", "input") for item in _list(self._tree.get(name)) if isinstance(item, dict)
        ]
        texts = self._texts.texts
        parts = [part for message in messages for part in _parts(message.get("content"))]
        parts += [message for message in messages if "role" not in message]  # items of /v1/responses
        sent = self._tree.get("input", self._tree.get("prompt"))
        lists = sent if isinstance(sent, list) and sent and isinstance(sent[0], list) else [sent]
        return {
            "roles": [
                message.get("role")
                for message in messages
                if "role" in message or message.get("type", "message") == "message"
            ],
            "texts": texts,
            "characters": sum(map(len, texts)),
            "attachments": sum(isinstance(part, dict) and not _textual(part.get("type")) for part in parts),
            "tokens": sum(type(token) is int for list_ in lists for token in _list(list_)),
        }

    def write(self, document: Any) -> bytes:
        """Write the document in the layout of the request; see Message."""
        body = {**self.beside, **{name: value for name, value in document.items() if name not in self._virtual}}
        if "max_tokens" in document and self._limit != "max_tokens":
            body[self._limit] = document["max_tokens"]
            if "max_tokens" not in self._tree:
                del body["max_tokens"]
        texts = document.get("texts") if "texts" in self._virtual else None
        if texts is not None:
            body = self._texts.written(body, texts)
        options = body.get("stream_options")
        if self._count and (options is None or (isinstance(options, dict) and options.get("include_usage") is not True)):
            body["stream_options"] = {**(options or {}), "include_usage": True}
            self.counted = True
        return self._dumps(in_order(self._tree, body))

    def requested_outputs(self, outputs: Mapping[str, Field]) -> RequestedOutputs | None:
        """The outputs that the request asks for, None for all; see Message."""
        return openai_outputs(self._tree, outputs)

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer into the client's own document for a path of the contract's document; see Message."""
        first, *rest = path or ("",)
        if first not in self._virtual:
            return pointer((self._limit, *rest) if first == "max_tokens" else path)
        if first == "texts" and rest and isinstance(rest[0], int):
            return self._texts.pointer(rest[0])
        if first == "roles" and rest:
            return pointer(("messages" if "messages" in self._tree else "input", *rest, "role"))
        return pointer(
            (next((name for name in ("messages", "prompt", "input", "query") if name in self._tree), str(first)),)
        )


def _size(value: object) -> float:
    """A limit as a number, so that the larger of two can be taken; infinity for a value that the contract will refuse."""
    return float(value) if isinstance(value, int | float) else float("inf")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _textual(kind: object) -> bool:
    """Whether a part of that type is a text; a client may write anything for the type."""
    return isinstance(kind, str) and kind in TEXTUAL


def _parts(content: object) -> list[Any]:
    """The parts of a content, which may be one part without a list."""
    return [content] if isinstance(content, dict) else _list(content)


class _Codec:
    """A RouteCodec of the OpenAI API."""

    single = True

    def __init__(self, spec: CodecSpec) -> None:
        self._spec, self._referred = spec, referred(spec)
        self._operation = next((word for path, word in OPERATIONS.items() if path in spec.template), "")

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; None for a content type that the route does not take; see RouteCodec."""
        if not self._spec.is_json(head):
            return None
        tree = self._spec.loads(body, False)
        if not isinstance(tree, dict):
            raise violation((), "shape")
        return Prompt(tree, self._spec, self._referred)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Read an answer; embeddings in base64 become numbers; see RouteCodec."""
        del headers, without
        tree = answer_tree(self._spec, body)
        if not isinstance(tree, dict):
            return ParsedAnswer(tree)
        facts = StreamFacts()
        _read_event(tree, facts)
        data = _list(tree.get("data"))
        if any(isinstance(row, dict) and isinstance(row.get("embedding"), str) for row in data):
            tree = {**tree, "data": [_decoded(row, index) for index, row in enumerate(data)]}
        return facts.answer(tree, self._operation)

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write an answer with the members that clients require, as events if the client asked for them; see RouteCodec."""
        stream = isinstance(message, Prompt) and message.stream
        chat, part = self._operation == "chat", "delta" if stream else "message"
        answer: dict[str, Any] = {
            "id": "guard", "object": "chat.completion" if chat else "text_completion", "created": 0,
            "model": message.model if isinstance(message, Prompt) else "", **document,
        }  # fmt: skip
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        if self._operation == "embeddings":
            rows = _list(document.get("data"))
            data = [{"object": "embedding", "index": index, **_object(row)} for index, row in enumerate(rows)]
            body = {"object": "list", "model": answer["model"], "usage": usage, **document, "data": data}
            return b"application/json", self._spec.dumps(body)
        answer["choices"] = [
            {"index": index, "finish_reason": "stop", "logprobs": None, **(_choice(choice, part) if chat else choice)}
            for index, choice in enumerate(map(_object, _list(document.get("choices"))))
        ]
        if not stream:
            return b"application/json", self._spec.dumps({"usage": usage, **answer})
        if chat:
            answer["object"] = "chat.completion.chunk"
        return b"text/event-stream", b"data: %b\n\ndata: [DONE]\n\n" % self._spec.dumps(answer)

    def inspector(self, message: Message | None, headers: Headers) -> StreamParser | None:
        """The parser of a stream's chunks. It withholds the chunk with the usage from a client that did not ask for it."""
        if not is_events(headers):
            return None
        hear = _read_event_type if isinstance(message, Prompt) and message.counted else _read_event
        ends = self._operation in ("chat", "text_completion")
        problem = lambda code: {"error": _error(code, f"guard: {code}", 502)}  # noqa: E731
        return Events(hear, problem, self._operation, ends=ends, at_length=end_at_length)


def _choice(choice: Mapping[str, Any], part: str) -> dict[str, Any]:
    """A choice with its output in `part`: `message` for a chat, `delta` for a chunk of one."""
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, part: {"role": "assistant", **_object(choice.get("message"))}}


def _object(value: Any) -> Mapping[str, Any]:
    """The members of an object; none where a policy declared something else in its place."""
    return value if isinstance(value, dict) else {}


def _decoded(entry: Any, index: int) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("embedding"), str):
        return entry
    try:
        raw = base64.b64decode(entry["embedding"], validate=True)
        return {**entry, "embedding": list(struct.unpack(f"<{len(raw) // 4}f", raw))}
    except (ValueError, struct.error):
        raise violation(("data", index, "embedding"), "format") from None


def _read_event_type(event: dict[str, Any], facts: StreamFacts) -> bool:
    """Record the facts of an event; true if it is a chunk that holds nothing but usage."""
    return _read_event(event, facts) or (event.get("choices") == [] and isinstance(event.get("usage"), dict))


def _read_event(event: dict[str, Any], facts: StreamFacts) -> bool:
    """Record the facts of an answer, of a chunk, or of an event of the Responses or Messages API, which has a `type`."""
    if isinstance(event.get("type"), str):
        _read_typed_event(event, event["type"], facts)
    if isinstance(event.get("model"), str):
        facts.version = event["model"][:128]
    if event.get("error") or event.get("object") == "error":
        facts.finish = "error"
    for choice in _list(event.get("choices")):
        if not isinstance(choice, dict):
            continue
        delta = choice.get("delta")
        if choice.get("text") or (isinstance(delta, dict) and any(delta[name] for name in delta.keys() - FRAMING)):
            facts.piece()
        if isinstance(choice.get("finish_reason"), str) and facts.finish != "error":
            facts.finish = choice["finish_reason"] if choice["finish_reason"] in FINISHES else "other"
    for place in (event, event.get("response"), event.get("message")):  # the last two: of /v1/responses and /v1/messages
        usage = place.get("usage") if isinstance(place, dict) else None
        if isinstance(usage, dict):
            _read_usage(usage, facts)
    return False


def _read_usage(usage: Mapping[str, Any], facts: StreamFacts) -> None:
    """Record the counted tokens; each of the APIs has its own names, and one may count input and output apart."""
    for name in ("prompt_tokens", "input_tokens"):
        if name in usage:
            facts.input_tokens = _count(usage[name])
    for name in ("completion_tokens", "output_tokens"):
        if name in usage:
            facts.output_tokens = _count(usage[name])


def _read_typed_event(event: Mapping[str, Any], kind: str, facts: StreamFacts) -> None:
    if kind.endswith("delta") and event.get("delta"):
        facts.piece()
    if kind in ENDINGS:
        facts.finish = ENDINGS[kind]


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 40 else 0
