"""openai-python, unmodified, through guard: chat, streams, completions, embeddings, and every error as it parses them."""

import asyncio
from collections.abc import Callable, Iterator

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.servers.model_server import ModelServer
from tests.sidecar import Sidecar
from tests.upstreams.front import fronted

CHAT = """
dialect: openai
input:
  model: {type: string, max_length: 40}
  roles: {type: array, min_items: 1, max_items: 4, items: {enum: [system, user, assistant]}}
  texts: {type: array, items: {type: string, detect: [email]}}
  characters: {type: integer, max: 100}
  max_tokens: {type: integer, min: 1, max: 50, required: false}
output:
  text: {at: /choices/*/message/content, type: string, sensitivity: confidential}
  finish_reason: {at: /choices/*/finish_reason, enum: [stop, length]}
fallback: {text: come back later, finish_reason: stop}
"""
COMPLETE = """
dialect: openai
input: {model: {type: string}, texts: {type: array, items: {type: string}}}
output: {text: {at: /choices/*/text, type: string, sensitivity: confidential}}
"""
EMBED = """
dialect: openai
input:
  model: {type: string}
  tokens: {type: integer, max: 8}
output:
  embedding: {at: /data/*/embedding, type: array, min_items: 3, max_items: 3, items: {type: number, min: -1, max: 1}}
"""
ROUTES = {
    "POST /v1/chat/completions": CHAT,
    "POST /v1/completions": COMPLETE,
    "POST /v1/embeddings": EMBED,
    "GET /v1/models": "",
    "POST /*": "",
}
LENIENT = "{minimum_calls: 1000, consecutive_failures: 1000}"
FOR_GOOD = "{minimum_calls: 1000, consecutive_failures: 3, open_for: 1h, max_open_for: 1h}"


def said(*texts: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text} for text in texts]


@pytest.fixture(scope="module")
def server(servers: Callable[[str], ModelServer]) -> ModelServer:
    return servers("openai")


@pytest.fixture(scope="module")
def guard(server: ModelServer) -> Iterator[Sidecar]:
    with fronted(server, ROUTES, breaker=LENIENT) as found:
        yield found


def client_of(guard: Sidecar) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{guard.port}/v1", api_key="k", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def client(guard: Sidecar) -> Iterator[openai.OpenAI]:
    with client_of(guard) as found:
        yield found


def test_chat(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="parrot-1", messages=said("hello there"), temperature=0.5, max_completion_tokens=20
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == "hello there"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2
    assert answer.system_fingerprint == "fp_1"
    assert raw.headers["x-guard-source"] == "model"
    assert answer.model == "parrot-1-2026-11"
    assert (
        "x-guard-model-version" not in raw.headers
    )  # the contract leaves the model's name to the client: it may be its word


def test_what_should_not_reach_the_model_does_not(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="parrot-1", messages=said("I am ann@example.com"))
    assert answer.choices[0].message.content == "I am [email]"


@pytest.mark.parametrize("counted", [False, True])
def test_a_stream(client: openai.OpenAI, counted: bool) -> None:
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": counted}
    with client.chat.completions.create(
        model="parrot-1", messages=said("one two three"), stream=True, stream_options=options
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three "
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([6] if counted else [])
    assert all(chunk.choices for chunk in chunks) is not counted


def test_the_clients_own_helper_for_streams(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="parrot-1", messages=said("one two three")) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.done" in events
    assert final.choices[0].message.content == "one two three "


def test_many_at_once(guard: Sidecar) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        stream = await client.chat.completions.create(model="parrot-1", messages=said(f"number {number}"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def everybody() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{guard.port}/v1", api_key="k", max_retries=0, timeout=60
        ) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(30)))

    assert asyncio.run(everybody()) == [f"number {number} " for number in range(30)]


def test_completions(client: openai.OpenAI) -> None:
    assert client.completions.create(model="parrot-1", prompt="once upon").choices[0].text == "once upon"
    stream = client.completions.create(model="parrot-1", prompt="once upon", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "once upon "


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["parrot-1"]


@pytest.mark.parametrize("sent", ["a", ["a", "b"], [1, 2], [[1, 2], [3]]])
def test_embeddings_in_base64_as_the_client_asks_by_default(client: openai.OpenAI, sent: list[str]) -> None:
    answer = client.embeddings.create(model="parrot-1", input=sent)
    count = len(sent) if not isinstance(sent, str) and not isinstance(sent[0], int) else 1
    assert [row.embedding for row in answer.data] == [pytest.approx([0.6, 0.8, 0.0])] * count
    plain = client.embeddings.create(model="parrot-1", input=sent, encoding_format="float")
    assert [row.embedding for row in plain.data] == [[0.6, 0.8, 0.0]] * count


def test_an_embedding_that_breaks_its_contract_is_not_given_out(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        client.embeddings.create(model="parrot-1", input="boom")
    assert (raised.value.status_code, raised.value.code, raised.value.type) == (502, "invalid", "server_error")


def test_a_request_that_breaks_the_contract(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.chat.completions.create(model="parrot-1", messages=said("secret " * 20), max_tokens=1000)
    error = raised.value
    assert (error.code, error.type, error.param) == ("contract", "invalid_request_error", "/messages")
    assert isinstance(error.body, dict)
    results = [(violation["pointer"], violation["code"]) for violation in error.body["violations"]]
    assert results == [("/messages", "max"), ("/max_tokens", "max")]
    assert "guard" in error.message
    assert "secret" not in str(error.body)


def test_a_role_that_is_not_allowed_is_named_in_place(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [*said("hi"), {"role": "developer", "content": "obey"}]
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.chat.completions.create(model="parrot-1", messages=messages)
    assert raised.value.param == "/messages/1/role"


def test_too_many_tokens_to_embed(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.embeddings.create(model="parrot-1", input=[[1] * 5, [1] * 4])
    assert raised.value.param == "/input"


def test_what_the_server_refuses_keeps_its_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="parrot-9", messages=said("hi"))
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="parrot-1", prompt=openai.omit)  # type: ignore[arg-type]
    assert refused.value.code == "upstream_refused"


@pytest.mark.parametrize(("model", "text", "reason"), [("parrot-1", "boom", "status"), ("overloaded", "hi", "backoff")])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_fails_is_answered_for_in_the_form_that_was_asked(
    client: openai.OpenAI, model: str, text: str, reason: str, streamed: bool
) -> None:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=said(text), stream=streamed)
    assert (raw.headers["x-guard-source"], raw.headers["x-guard-reason"]) == ("rules", reason)
    answer = raw.parse()
    if isinstance(answer, openai.Stream):
        chunks = list(answer)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "come back later"
        assert chunks[-1].choices[0].finish_reason == "stop"
    else:
        assert answer.choices[0].message.content == "come back later"
        assert answer.choices[0].message.role == "assistant"


def test_without_a_fallback_the_client_gets_a_server_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(model="parrot-1", messages=said("boom"), extra_headers={"x-guard-no-fallback": "1"})
    assert (raised.value.status_code, raised.value.code) == (502, "status")


def test_an_error_inside_a_stream_is_an_error(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="parrot-1", messages=said("one boom two"), stream=True)
    results = []
    with pytest.raises(openai.APIError, match="the decoder broke"):
        results.extend(chunk.choices[0].delta.content for chunk in stream)
    with client.chat.completions.create(model="parrot-1", messages=said("still here"), stream=True) as fine:
        assert len(list(fine)) == 4


def test_a_server_that_dies_in_the_middle_is_an_error_that_the_client_parses(
    client: openai.OpenAI, server: ModelServer
) -> None:
    stream = client.chat.completions.create(model="parrot-1", messages=said("one hang two"), stream=True)
    try:
        assert next(stream).choices[0].delta.role == "assistant"
        assert next(stream).choices[0].delta.content == "one "
        server.kill()
        with pytest.raises(openai.APIError) as raised:
            next(stream)
        assert (type(raised.value), raised.value.code) == (openai.APIError, "reset")
    finally:
        server.start()


def test_the_breaker_counts_failed_streams_and_no_clients_fault(server: ModelServer) -> None:
    with fronted(server, ROUTES, breaker=FOR_GOOD) as guard, client_of(guard) as client:
        for _ in range(4):
            with pytest.raises(openai.NotFoundError):
                client.chat.completions.create(model="parrot-9", messages=said("hi"))
        for _ in range(3):
            with pytest.raises(openai.APIError, match="the decoder broke"):
                list(client.chat.completions.create(model="parrot-1", messages=said("one boom"), stream=True))
        raw = client.chat.completions.with_raw_response.create(model="parrot-1", messages=said("hi"))
        assert (raw.headers["x-guard-source"], raw.headers["x-guard-reason"]) == ("rules", "breaker_open")


def test_what_only_operators_use_is_not_there(guard: Sidecar) -> None:
    for path in ("/v1/load_lora_adapter", "/sleep"):
        assert httpx2.post(f"http://127.0.0.1:{guard.port}{path}", json={}).status_code == 404
