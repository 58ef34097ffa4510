"""An OpenAI-compatible server, from OpenAI's API reference and what vLLM and llama.cpp add to it.

Its model says the last message back, word by word; `boom` is a failure: before the first word a 500, after it an error
event inside the 200; at `hang` it says nothing more. What is held to: chat.completion and chat.completion.chunk, a role in the first delta, finish_reason
in the last, usage in a chunk with no choices where stream_options asks for it, then [DONE]; embeddings as numbers, or in
base64 of little-endian FP32 where encoding_format asks for that, which openai-python does by default; errors are
`{"error": {message, type, param, code}}`. Keep-alive comments stand between events, as sse-starlette sends them.
"""

import asyncio
import base64
import json
import struct

from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

MODEL = "parrot-1-2026-11"


def failed(status, text, kind="invalid_request_error", param=None, code=None):
    """An error as the API says it."""
    return JSONResponse({"error": {"message": text, "type": kind, "param": param, "code": code}}, status)


def words_of(tree):
    """What the model says, word by word, and how long the prompt was."""
    texts = [message["content"] for message in tree["messages"]] if "messages" in tree else [tree["prompt"]]
    parts = [part if isinstance(part, str) else " ".join(item.get("text", "") for item in part) for part in texts]
    most = tree.get("max_completion_tokens") or tree.get("max_tokens") or 1000
    return parts[-1].split()[:most], sum(len(part.split()) for part in parts)


def chunk(kind, delta, finish=None, *, text=False):
    """One event's object."""
    choice = {"index": 0, "text" if text else "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "cmpl-1", "object": kind, "created": 1, "model": MODEL, "choices": [choice]}


async def stream(tree, words, prompt, *, chat):
    """Events of a streamed answer."""
    kind = "chat.completion.chunk" if chat else "text_completion"
    if chat:
        yield event(chunk(kind, {"role": "assistant", "content": ""}))
    yield ": ping\n\n"
    for word in words:
        if word == "boom":
            yield event({"error": {"message": "the decoder broke", "type": "server_error", "param": None, "code": None}})
            return
        if word == "hang":
            await asyncio.Event().wait()
        yield event(chunk(kind, {"content": f"{word} "} if chat else f"{word} ", text=not chat))
    yield event(chunk(kind, {} if chat else "", "stop", text=not chat))
    if (tree.get("stream_options") or {}).get("include_usage"):
        yield event({**chunk(kind, {}), "choices": [], "usage": usage(prompt, len(words))})
    yield "data: [DONE]\n\n"


def event(document):
    """As it goes over the wire."""
    return f"data: {json.dumps(document)}\n\n"


def usage(prompt, said):
    """Tokens, which are words here."""
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


async def complete(request):
    """Chat, or completion."""
    chat = "chat" in request.url.path
    try:
        tree = await request.json()
    except ValueError:
        return failed(400, "We could not parse the JSON body of your request.")
    if ("messages" if chat else "prompt") not in tree:
        return failed(400, "Missing required parameter.", param="messages" if chat else "prompt")
    if tree.get("model") == "overloaded":
        return failed(429, "Rate limit reached", "requests", code="rate_limit_exceeded")
    if tree.get("model") != "parrot-1":
        return failed(404, "The model does not exist", param="model", code="model_not_found")
    words, prompt = words_of(tree)
    if words[:1] == ["boom"]:
        return failed(500, "the engine died", "server_error")
    if tree.get("stream"):
        return StreamingResponse(stream(tree, words, prompt, chat=chat), media_type="text/event-stream")
    said = " ".join(words)
    part = {"message": {"role": "assistant", "content": said, "refusal": None}} if chat else {"text": said}
    return JSONResponse({
        "id": "cmpl-1", "object": "chat.completion" if chat else "text_completion", "created": 1, "model": MODEL,
        "system_fingerprint": "fp_1", "usage": usage(prompt, len(words)),
        "choices": [{"index": 0, **part, "finish_reason": "stop", "logprobs": None}],
    })  # fmt: skip


async def embed(request):
    """A vector of three for each text, or for each list of tokens."""
    tree = await request.json()
    sent = tree["input"]
    inputs = [sent] if isinstance(sent, str) or (sent and isinstance(sent[0], int)) else sent
    data = []
    for index, field in enumerate(inputs):
        vector = [0.6, 0.8, 2.0 if field == "boom" else 0.0]
        packed = base64.b64encode(struct.pack("<3f", *vector)).decode()
        embedding = packed if tree.get("encoding_format") == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    used = {"prompt_tokens": 1, "total_tokens": 1}
    return JSONResponse({"object": "list", "data": data, "model": MODEL, "usage": used})


async def models(_request):
    """GET /v1/models."""
    return JSONResponse({"object": "list", "data": [{"id": "parrot-1", "object": "model", "created": 1, "owned_by": "us"}]})


async def operate(_request):
    """What only operators use: health is for anybody, the rest no client may reach."""
    return JSONResponse({})


app = Starlette(routes=[
    Route("/v1/chat/completions", complete, methods=["POST"]), Route("/v1/completions", complete, methods=["POST"]),
    Route("/v1/embeddings", embed, methods=["POST"]), Route("/v1/models", models), Route("/health", operate),
    Route("/v1/load_lora_adapter", operate, methods=["POST"]), Route("/sleep", operate, methods=["POST"]),
])  # fmt: skip
