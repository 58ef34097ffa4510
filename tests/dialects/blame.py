"""Model servers that answer a wrong request as the real ones do, and exchanges with them through the real pipeline."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, TypeAlias

from guard.ladder.model import Model
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.proxy.pipeline import handle_request
from guard.proxy.values import Answer, Body, Call, Ending, Head, Headers, Relay, Relayed, Reply
from tests.dialects.speaking import JSON, dumps

KEY: tuple[bytes, bytes] = (b"authorization", b"Bearer good")
Refusal: TypeAlias = tuple[int, Headers, bytes]


def error(text: str, **more: object) -> bytes:
    return dumps({"error": text, **more})


def openai_error(message: str, kind: str, code: object = None, param: str | None = None) -> bytes:
    return dumps({"error": {"message": message, "type": kind, "code": code, "param": param}})


@dataclass(frozen=True)
class Subject:
    """One route of a dialect. `wrong`: how its servers refuse each part of a request, by the name of the part."""

    dialect: str
    key: str
    target: str
    policy: str
    body: Any
    answer: Any
    body_errors: tuple[tuple[int, bytes], ...]
    path_errors: tuple[tuple[int, bytes], ...] = ()
    model_errors: tuple[tuple[int, bytes], ...] = ()
    model: str = ""  # member of the body that names what is asked for
    contract_errors: tuple[tuple[int, bytes], ...] = ()
    """How a request fails that breaks the declared contract, where the route only observes."""
    error: Callable[[str], bytes] = error
    headers: Headers = field(default_factory=lambda: [*JSON, KEY])

    def __str__(self) -> str:
        return f"{self.dialect}-{self.key.rpartition('/')[2]}"


OIP_POLICY = "input: {age: {type: integer, min: 0, max: 120}}\noutput: {score: {type: number}}\nfallback: {score: 0.5}"
ROWS_POLICY = "input: {age: {type: integer, min: 0, max: 120}}\noutput: {score: {type: number}}\nfallback: {score: 0.5}"
FASTAPI = b'{"detail":[{"type":"int_parsing","loc":["body","age"],"msg":"Input should be a valid integer","input":"x"}]}'

SUBJECTS = (
    Subject(
        "json", "POST /score/{version}", "/score/1", ROWS_POLICY, {"age": 34}, {"score": 0.25},
        body_errors=((422, FASTAPI), (400, b"bad"), (413, b""), (409, b"")),
        path_errors=((404, b'{"detail":"Not Found"}'), (307, b""), (405, b'{"detail":"Method Not Allowed"}')),
        contract_errors=((500, b"Internal Server Error"),),
    ),
    Subject(
        "oip", "POST /v2/models/{model}/infer", "/v2/models/iris/infer", OIP_POLICY,
        {"inputs": [{"name": "age", "shape": [1], "datatype": "INT64", "data": [34]}], "outputs": [{"name": "score"}]},
        {"model_name": "iris", "outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [0.25]}]},
        body_errors=(
            (400, error("unexpected inference output 'x' for model 'iris'")), (422, b'{"detail":[]}'),
            (400, error("unexpected shape for input 'age' for model 'iris'. Expected [1], got [3]")),
            (200, error("unexpected inference input 'x' for model 'iris'")),
        ),
        path_errors=(
            (404, error("Model nope with version  not found")), (400, error("Request for unknown model: 'x' is not found")),
            (501, error("Model versioning not supported yet.")), (404, b'{"detail":"Not Found"}'),
        ),
        contract_errors=((500, error("could not broadcast")),),
    ),
    Subject(
        "kserve-v1", "POST /v1/models/{model}:predict", "/v1/models/iris:predict", ROWS_POLICY,
        {"instances": [{"age": 34}]}, {"predictions": [0.25]},
        body_errors=((400, error('Expected "instances" to be a list')), (415, b"")),
        path_errors=((404, error("Model with name nope does not exist.")), (501, error("not implemented"))),
        contract_errors=((500, error("TypeError : float() argument must be a string")),),
    ),
    Subject(
        "tfserving", "POST /v1/models/{model}:predict", "/v1/models/iris:predict", ROWS_POLICY,
        {"instances": [{"age": 34}], "signature_name": "serving_default"}, {"predictions": [0.25]},
        body_errors=((400, error('JSON Value: "x" Type: String is not of expected type: float')), (416, error("out of range"))),
        path_errors=((404, error("Servable not found for request: Latest(nope)")),),
        model_errors=(
            (412, error('Serving signature key "nope" not found.')), (404, error("Serving signature name not found")),
        ),
        model="signature_name",
        contract_errors=((500, error("Tensor shape mismatch")),),
    ),
    Subject(
        "vertex", "POST /v1/endpoints/{endpoint}", "/v1/endpoints/7:predict", ROWS_POLICY,
        {"instances": [{"age": 34}]}, {"predictions": [0.25]},
        body_errors=((400, b"bad"), (422, FASTAPI)), path_errors=((404, b""), (405, b"")),
        contract_errors=((500, b"Internal Server Error"),),
    ),
    Subject(
        "mlflow", "POST /invocations", "/invocations", ROWS_POLICY,
        {"dataframe_records": [{"age": 34}]}, {"predictions": [0.25]},
        body_errors=(
            (400, dumps({"error_code": "BAD_REQUEST", "message": "Invalid input. Ensure that input is a valid JSON"})),
            (400, dumps({"error_code": "BAD_REQUEST", "message": "Failed to predict data 'x'. \nError: Failed to enforce schema"})),
            (415, b"Unrecognized content type parameters"),
        ),
        contract_errors=((400, dumps({"error_code": "BAD_REQUEST", "message": "Failed to predict data 'x'. \nError: x"})),),
    ),
    Subject(
        "sagemaker", "POST /invocations", "/invocations", ROWS_POLICY,
        {"instances": [{"age": 34}]}, {"predictions": [0.25]},
        body_errors=(
            (400, b"bad"), (415, b""),
            (424, b'{"ErrorCode":"ModelError","Message":"x","OriginalStatusCode":415,"OriginalMessage":"x"}'),
        ),
        contract_errors=((424, b'{"ErrorCode":"ModelError","OriginalStatusCode":500,"OriginalMessage":"x"}'),),
    ),
    Subject(
        "openai", "POST /v1/chat/completions", "/v1/chat/completions",
        "input: {model: {type: string}, characters: {type: integer, max: 100}}\n"
        "output: {text: {at: /choices/*/message/content, type: string}}\nfallback: {text: busy}",
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 1},
        {"model": "m", "choices": [{"finish_reason": "stop", "message": {"content": "b"}}]},
        body_errors=(
            (400, openai_error("This model's maximum context length is 8 tokens", "BadRequestError", 400)),
            (422, b'{"detail":[]}'), (200, openai_error("bad n", "invalid_request_error", 400)),
            (200, openai_error("bad n", "BadRequestError")), (500, openai_error("bad n", "invalid_request_error")),
            (400, b'{"error":{"code":400,"message":"exceeds","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}'),
        ),
        model_errors=(
            (404, openai_error("The model `x` does not exist.", "NotFoundError", 404, "model")),
            (404, openai_error("The model 'x' does not exist", "invalid_request_error", "model_not_found")),
            (404, b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}'),
            (404, openai_error('model "x" not found, try pulling it first', "not_found_error")),
            (200, openai_error("The model does not exist", "invalid_request_error", "model_not_found")),
        ),
        model="model",
        contract_errors=((500, openai_error("boom", "InternalServerError", 500)), (200, openai_error("boom", "server_error"))),
        error=lambda text: openai_error(text, "invalid_request_error"),
    ),
    Subject(
        "tei", "POST /embed", "/embed",
        "input: {batch: {type: integer, max: 4}}\noutput: {embedding: {type: array, items: {type: number}}}\n"
        "fallback: {embedding: [0]}",
        {"inputs": ["a"], "truncate": True}, [[0.5, 0.25]],
        body_errors=(
            (413, error("Input validation error: `inputs` must have less than 512 tokens. Given: 600", error_type="Validation")),
            (422, error("batch size 33 > maximum allowed batch size 32", error_type="Validation")), (422, b"Failed to deserialize"),
            (415, b"Expected request with `Content-Type: application/json`"),
        ),
        contract_errors=((424, error("backend", error_type="Backend")),),
    ),
)  # fmt: skip


def head_of(
    subject: Subject, *also: tuple[bytes, bytes], target: str = "", method: bytes = b"POST", keyed: bool = True
) -> Head:
    headers = [pair for pair in subject.headers if keyed or pair != KEY]
    return Head(method, (target or subject.target).encode(), [*headers, *also])


class Ticks:
    """Seconds, of which a millisecond passes at each look."""

    def __init__(self) -> None:
        self._now = 100.0

    def __call__(self) -> float:
        self._now += 0.001
        return self._now


NOW = Ticks()


def plan_of(
    subject: Subject, *, observe: bool, breaker: str = "{consecutive_failures: 1, minimum_calls: 1}"
) -> CompiledPlan:
    """A policy of that one route, whose breaker opens at the first failure that counts."""
    route = f"dialect: {subject.dialect}\ndeadline_header: x-request-timeout\nbreaker: {breaker}\n{subject.policy}"
    route += "\nenforcement: observe" if observe else ""
    text = "version: guard/v1\nservice: t\nupstream: http://127.0.0.1:1\nroutes:\n  '%s':\n%s\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(text % (subject.key, indent(dedent(route), "    ")), encoding="utf-8")
        return compile_plan(load(path, environ={}), CompileContext())


@dataclass
class Exchange:
    head: Head
    request_id: str = "r"
    fault: None = None


Server: TypeAlias = Callable[[Call], Answer | Exception]


def converse(plan: CompiledPlan, head: Head, body: bytes, server: Server) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, fields and body of what the client gets."""
    pipeline: Any = handle_request(Exchange(head), plan, NOW)  # type: ignore[arg-type]
    command = next(pipeline)
    while not isinstance(command, Reply | Ending):
        value: object = body
        if isinstance(command, Call):
            value = server(command)
        elif isinstance(command, Relay):
            value = Relayed(0, NOW())
        else:
            assert isinstance(command, Body)
        command = pipeline.throw(value) if isinstance(value, Exception) else pipeline.send(value)
    pipeline.close()
    assert isinstance(command, Reply)
    return command.status, dict(command.headers), command.body


def answering(status: int, headers: Headers, body: bytes) -> Server:
    return lambda _call: Answer(status, [*headers], body)


def state_of(plan: CompiledPlan) -> dict[str, Any]:
    [route] = plan.routes
    model = route.ladder[0]
    assert isinstance(model, Model)
    return model.breaker.snapshot(NOW())  # type: ignore[attr-defined,no-any-return]


WRONG: tuple[Any, ...] = (None, "x", "", -1, 1e300, [], {}, True, "y" * 500, [[["z"]]], {"a": {"b": 1}})


def wrong_bodies(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bytes]]:
    """The body with garbage in place of each of its parts, and without each of them."""

    def bent(change: Callable[[Any, Any], None]) -> bytes:
        copy = json.loads(json.dumps(tree))
        node = copy
        for part in at[:-1]:
            node = node[part]
        change(node, at[-1])
        return dumps(copy)

    node = tree
    for part in at:
        node = node[part]
    if at:
        for value in WRONG:
            if value != node:
                yield at, bent(lambda parent, last, value=value: parent.__setitem__(last, value))
        yield at, bent(lambda parent, last: parent.__delitem__(last))
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for part, _ in parts:
        yield from wrong_bodies(tree, (*at, part))
