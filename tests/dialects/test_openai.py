"""Chat, completions and embeddings: what a contract sees of them, and events as they pass."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.dialects import DIALECTS
from guard.dialects.sse import MOST
from guard.policy.errors import PolicyInvalid
from guard.proxy.values import Allow, Answer, Deny, ForwardedRequest, Permit, Problem, Usage
from tests.dialects.speaking import ASKED, JSON, ask, compiled, dumps, forwarded, own, refused

CHAT = """
dialect: openai
input:
  model: {enum: [m-1]}
  roles: {type: array, min_items: 1, max_items: 4, items: {enum: [system, user, assistant]}}
  texts: {type: array, items: {type: string, max_length: 40, detect: [email]}}
  characters: {type: integer, max: 60}
  attachments: {type: integer, max: 1}
  max_tokens: {type: integer, max: 100, default: 64}
output:
  finish_reason: {at: /choices/*/finish_reason, enum: [stop, length]}
  text: {at: /choices/*/message/content, type: string, sensitivity: confidential}
fallback: {finish_reason: stop, text: busy}
"""
EMBED = """
dialect: openai
input: {tokens: {type: integer, max: 4}, texts: {type: array, items: {type: string}}}
output: {embedding: {at: /data/*/embedding, type: array, min_items: 2, max_items: 2, items: {type: number}}}
"""
KEY = "POST /v1/chat/completions"


def chat(*messages: Any, **rest: Any) -> bytes:
    results = [{"role": "user", "content": message} if not isinstance(message, dict) else message for message in messages]
    return dumps({"model": "m-1", "messages": results, **rest})


def test_the_request_reaches_the_model_as_it_was_with_redactions_and_defaults() -> None:
    route = compiled(CHAT, KEY)
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    parts = {"role": "user", "content": [{"type": "text", "text": "or bob@example.com"}, image], "name": "n"}
    permit = ask(route, JSON, chat("I am ann@example.com", parts, temperature=0.5, tools=[], other=1))
    sent = json.loads(forwarded(permit)[1])
    assert sent == {
        "model": "m-1",
        "messages": [
            {"role": "user", "content": "I am [email]"},
            {"role": "user", "content": [{"type": "text", "text": "or [email]"}, image], "name": "n"},
        ],
        "temperature": 0.5, "tools": [], "max_tokens": 64,
    }  # fmt: skip
    assert not permit.streamed
    assert permit.rows is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (chat("hi", model="m-2"), ["/model enum"]),
        (chat({"role": "tool", "content": "x"}), ["/messages/0/role enum"]),
        (chat(*["x"] * 5), ["/messages items"]),
        (chat("x", "y" * 41), ["/messages/1/content length"]),
        (chat("x" * 31, "y" * 31), ["/messages max"]),
        (chat("x", max_completion_tokens=101), ["/max_completion_tokens max"]),
        (chat("x", max_tokens=101, max_completion_tokens=5), ["/max_completion_tokens max"]),
        (chat("x", max_tokens="9"), ["/max_tokens type"]),
        (b'{"model":"m-1"}', ["/roles items"]),
        (b"[]", [" shape"]),
    ],
)
def test_limits_are_told_at_the_clients_own_places(body: bytes, said: list[str]) -> None:
    assert refused(compiled(CHAT, KEY), JSON, body) == said


def test_the_newer_name_of_the_limit_is_kept() -> None:
    permit = ask(compiled(CHAT, KEY), JSON, chat("x", max_completion_tokens=5))
    sent = json.loads(forwarded(permit)[1])
    assert sent["max_completion_tokens"] == 5
    assert "max_tokens" not in sent


def test_undeclared_members_that_the_api_does_not_know() -> None:
    for undeclared, kept in (("strip", False), ("pass", True)):
        route = compiled(CHAT + f"undeclared: {undeclared}\n", KEY)
        assert ("guided_json" in json.loads(forwarded(ask(route, JSON, chat("x", guided_json={})))[1])) is kept
    assert refused(compiled(CHAT + "undeclared: reject\n", KEY), JSON, chat("x", guided_json={})) == [
        "/<undeclared> unknown"
    ]


def answer(**changes: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return dumps({
        "model": "m-1-0613", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}, **changes,
    })  # fmt: skip


def test_answers_tell_version_usage_and_finish() -> None:
    output = compiled(CHAT, KEY).output
    assert output is not None
    verdict = output.judge(answer(), None, JSON)
    assert isinstance(verdict, Allow)
    assert verdict.version == "m-1-0613"
    assert verdict.usage == Usage("chat", 9, 2, "stop")
    assert output.measured(verdict.document) == [["stop"]]
    assert isinstance(
        output.judge(answer(choices=[{"finish_reason": "odd", "message": {"content": "x"}}]), None, JSON), Deny
    )


def test_an_error_inside_a_200_is_the_models_fault() -> None:
    openai = DIALECTS["openai"]
    assert openai.outcome(Answer(200, [], b'{"error": {"message": "x"}}'), ASKED) == "model_fault"
    assert not openai.errs(Answer(200, [], answer()))
    assert openai.outcome(Answer(424, [], b""), ASKED) == "model_fault"


def test_a_model_that_is_not_there_was_named_by_the_client() -> None:
    openai = DIALECTS["openai"]
    message = ask(compiled("dialect: openai\ninput: {model: {type: string}}", KEY), JSON, chat("x")).message
    named = ForwardedRequest(ASKED.head, b"{}", message)
    for body in (
        b'{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","param":"model","code":"model_not_found"}}',
        b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}',
    ):
        assert openai.outcome(Answer(404, [], body), named) == "client_fault"
    for body in (b'{"detail":"Not Found"}', b"", dumps({"detail": '"code": "model_not_found"'})):
        assert openai.outcome(Answer(404, [], body), named) == "unavailable"


def test_an_embedding_of_our_own_is_an_embedding() -> None:
    route = compiled(EMBED + "fallback: {embedding: [0, 0]}\n", "POST /v1/embeddings")
    answer = json.loads(own(route, ask(route, JSON, b'{"input":"a","model":"e"}')).body)
    assert answer == {
        "object": "list", "model": "e", "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "data": [{"object": "embedding", "index": 0, "embedding": [0, 0]}],
    }  # fmt: skip


def test_embeddings_in_base64_are_judged_as_numbers() -> None:
    output = compiled(EMBED, "POST /v1/embeddings").output
    assert output is not None
    for values, fits in (([0.5, 0.25], True), ([0.5], False), ([0.5, float("nan")], False)):
        packed = base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
        for embedding in (packed, values):
            body = dumps({"model": "e", "data": [{"index": 0, "embedding": embedding}]})
            assert isinstance(output.judge(body, None, JSON), Allow) is fits
    for wrong in ("!!", "é", "AAA="):
        assert isinstance(output.judge(dumps({"data": [{"embedding": wrong}]}), None, JSON), Deny)


def test_token_arrays_are_counted() -> None:
    route = compiled(EMBED, "POST /v1/embeddings")
    for body in (b'{"input":[1,2,3,4]}', b'{"input":[[1,2],[3,4]]}', b'{"input":["a","b"]}', b'{"input":"a"}'):
        ask(route, JSON, body)
    assert refused(route, JSON, b'{"input":[[1,2,3],[4,5]]}') == ["/input max"]


def test_rules_answer_whole_or_as_events() -> None:
    route = compiled(CHAT, KEY)
    whole = own(route, ask(route, JSON, chat("x")))
    document = json.loads(whole.body)
    assert document["choices"][0]["message"] == {"role": "assistant", "content": "busy"}
    assert document["object"] == "chat.completion"
    assert document["model"] == "m-1"
    events = own(route, ask(route, JSON, chat("x", stream=True)))
    assert events.headers == [(b"content-type", b"text/event-stream")]
    first, done, _ = events.body.split(b"\n\n")
    assert json.loads(first[6:])["choices"][0]["delta"]["content"] == "busy"
    assert done == b"data: [DONE]"


def test_errors_are_what_clients_parse() -> None:
    _, body = DIALECTS["openai"].error(Problem(503, "overloaded", "r"))
    error = json.loads(body)["error"]
    assert error["type"] == "server_error"
    assert error["code"] == "overloaded"
    assert error["param"] is None


EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]
CHUNKS = [
    {"model": "m-7", "choices": [{"delta": {"role": "assistant"}}]},
    {"model": "m-7", "choices": [{"delta": {"content": "a"}}]},
    {"model": "m-7", "choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]},
    {"model": "m-7", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]


def stream(ending: bytes) -> bytes:
    events = [b": ping", *(b"data: " + dumps(item) for item in CHUNKS), b"event: x" + ending + b"data:[DONE]"]
    return (ending * 2).join(events) + ending * 2


@given(st.sampled_from([b"\n", b"\r", b"\r\n"]), st.lists(st.integers(1, 400), max_size=8))
def test_events_are_heard_in_every_framing_and_passed_byte_by_byte(ending: bytes, cuts: list[int]) -> None:
    inspector = compiled(CHAT, KEY).inspector(None, EVENTS)
    assert inspector is not None
    body, passed, at = stream(ending), b"", 0
    for number, cut in enumerate([*cuts, len(body)]):
        passed += inspector.feed(body[at : at + cut], float(number + 1))
        at += cut
    assert passed + inspector.end() == body
    usage = inspector.parsed.usage
    assert inspector.parsed.version == "m-7"
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.finish, usage.pieces) == (3, 2, "stop", 2)
    assert 1 <= usage.first_at <= usage.last_at


def test_a_stop_in_the_middle_of_an_event_is_a_whole_event() -> None:
    inspector = compiled(CHAT, KEY).inspector(None, EVENTS)
    assert inspector is not None
    sent = inspector.feed(b'data: {"choices":[]}\n\ndata: {"choi', 1.0)
    tail = inspector.stop("mode")
    assert sent == b'data: {"choices":[]}\n\n'
    assert tail.endswith(b"\n\n")
    assert json.loads(tail[6:])["error"]["code"] == "mode"
    assert inspector.parsed.usage is not None
    assert inspector.parsed.usage.finish == "error"


def test_an_event_without_end_passes_unread_and_cannot_be_stopped_well() -> None:
    inspector = compiled(CHAT, KEY).inspector(None, EVENTS)
    assert inspector is not None
    assert inspector.feed(b"x" * (MOST + 1), 1.0) == b"x" * (MOST + 1)
    assert inspector.stop("mode") == b""


def test_an_error_event_is_heard() -> None:
    inspector = compiled(CHAT, KEY).inspector(None, EVENTS)
    assert inspector is not None
    inspector.feed(b'data: {"error":{"message":"x"}}\n\n', 1.0)
    assert inspector.parsed.usage is not None
    assert inspector.parsed.usage.finish == "error"


METERED = "targets: {cost: {per_million_input_tokens: 2 EUR}}\n"


def metered(**changes: Any) -> tuple[Any, Permit]:
    """The inspector of a stream that costs money by the token, and what was allowed."""
    route = compiled(CHAT, KEY, METERED)
    permit = ask(route, JSON, chat("x", stream=True, **changes))
    return route.inspector(permit.message, EVENTS), permit


def test_where_tokens_are_paid_for_a_stream_is_asked_how_many_there_were() -> None:
    inspector, permit = metered()
    assert json.loads(forwarded(permit)[1])["stream_options"] == {"include_usage": True}
    passed = inspector.feed(stream(b"\n"), 1.0) + inspector.end()
    assert inspector.parsed.usage.input_tokens == 3
    assert b"usage" not in passed, "the client did not ask"
    assert passed.count(b"data:") == len(CHUNKS)
    assert passed.endswith(b"data:[DONE]\n\n")


def test_a_client_that_asks_for_usage_gets_it() -> None:
    inspector, permit = metered(stream_options={"include_usage": True, "include_obfuscation": False})
    assert json.loads(forwarded(permit)[1])["stream_options"]["include_obfuscation"] is False
    assert inspector.feed(stream(b"\n"), 1.0) + inspector.end() == stream(b"\n")


def test_usage_is_not_asked_for_where_nobody_pays_by_the_token() -> None:
    permit = ask(compiled(CHAT, KEY), JSON, chat("x", stream=True))
    assert "stream_options" not in json.loads(forwarded(permit)[1])
    _, permit = metered(stream_options="odd")
    assert json.loads(forwarded(permit)[1])["stream_options"] == "odd", "for the server to refuse"


def test_an_answer_that_is_no_stream_of_events_passes_unread() -> None:
    route = compiled(CHAT, KEY)
    for head in ([], JSON, [*EVENTS, (b"content-encoding", b"gzip")]):
        assert route.inspector(None, head) is None


def test_a_policy_can_have_every_answer_whole() -> None:
    whole = CHAT.replace("input:\n", "input:\n  stream: {type: boolean, enum: [false], default: false}\n")
    assert refused(compiled(whole, KEY), JSON, chat("x", stream=True)) == ["/stream enum"]
    assert json.loads(forwarded(ask(compiled(whole, KEY), JSON, chat("x")))[1])["stream"] is False


def test_a_word_that_no_request_has_cannot_be_kept_from_the_model() -> None:
    with pytest.raises(PolicyInvalid, match="texts is not a member of a request"):
        compiled(EMBED.replace("items: {type: string}}}", "items: {type: string}, send: false}}"), KEY)


def test_a_declared_member_that_the_api_does_not_know_is_declared() -> None:
    route = compiled(EMBED.replace("input: {", "input: {pooling: {enum: [mean]}, ") + "undeclared: reject\n", KEY)
    assert b'"pooling":"mean"' in forwarded(ask(route, JSON, b'{"input":"a","pooling":"mean"}'))[1]
    assert refused(route, JSON, b'{"input":"a","pooling":"max"}') == ["/pooling enum"]


@pytest.mark.parametrize("kind", [[], {}, 1, None, True, [[]]])
def test_a_part_whose_type_is_no_word_is_an_attachment_and_no_crash(kind: object) -> None:
    route = compiled("dialect: openai\ninput: {attachments: {type: integer, max: 0}}", "POST /v1/chat/completions")
    body = dumps({"model": "m", "messages": [{"role": "user", "content": [{"type": kind, "content": "a"}]}]})
    assert refused(route, JSON, body)


@pytest.mark.parametrize("place", ["/choices/0/message/content", "/choices/message", "/data/0/embedding", "/data/x"])
def test_a_place_below_a_list_of_the_api_is_each_element_or_an_error_of_the_policy(place: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"where the API has a list: write /(choices|data)/\*"):
        compiled(f"dialect: openai\noutput: {{x: {{at: {place}, type: string}}}}\nfallback: {{x: busy}}", KEY)


@pytest.mark.parametrize("key", [KEY, "POST /v1/completions", "POST /v1/embeddings"])
@pytest.mark.parametrize("place", ["/choices", "/choices/*", "/choices/*/message", "/data", "/data/*", "/other"])
def test_whatever_a_fallback_declares_it_is_written_and_no_crash(key: str, place: str) -> None:
    route = compiled(f"dialect: openai\noutput: {{x: {{at: {place}, type: string}}}}\nfallback: {{x: busy}}", key)
    body = (
        b'{"input": "a"}'
        if key.endswith("embeddings")
        else b'{"prompt": "a"}'
        if key.endswith("/completions") and "chat" not in key
        else chat("x")
    )
    assert own(route, ask(route, JSON, body)).status == 200
