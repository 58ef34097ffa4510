"""What is wrong with a request, as servers word it, reaches the client in the dialect's own words and with nothing of theirs."""

import json

import pytest

from guard.dialects import DIALECTS
from guard.dialects.error_words import error_word, hidden_error
from guard.dialects.problem import WORDS
from guard.proxy.values import ERROR_WORDS, Problem
from tests.dialects.blame import SUBJECTS, Subject, answering, converse, head_of, openai_error, plan_of
from tests.dialects.speaking import JSON, dumps

VLLM = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (Ann's secret)."
SERVERS = (
    (openai_error(VLLM, "invalid_request_error", "context_length_exceeded", "messages"), "context_length_exceeded", 8192),
    (dumps({"object": "error", "message": VLLM, "type": "BadRequestError", "code": 400}), "context_length_exceeded", 8192),
    (openai_error("The decoder prompt (length 9) is longer than the maximum model length of 8.", "BadRequestError"), "context_length_exceeded", 8),
    (b'{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":512}}', "context_length_exceeded", 512),
    (openai_error("The input (9 tokens) is longer than the model's context length (8 tokens).", "BadRequestError"), "context_length_exceeded", 8),
    (dumps({"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600"}), "context_length_exceeded", 512),
    (dumps({"error": "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 9"}), "context_length_exceeded", 2048),
    (dumps({"error": "batch size 33 > maximum allowed batch size 32", "error_type": "Validation"}), "batch_too_large", 32),
    (dumps({"error": "[request id: 1] inference request batch-size must be <= 8 for 'm'"}), "batch_too_large", 8),
    (openai_error("The model `x` does not exist", "invalid_request_error", "model_not_found"), "model_not_found", 0),
    (openai_error('model "x" not found, try pulling it first', "not_found_error"), "model_not_found", 0),
    (openai_error("Incorrect API key provided: sk-1", "invalid_request_error", "invalid_api_key"), "invalid_api_key", 0),
    (openai_error("You exceeded your quota", "insufficient_quota", "insufficient_quota"), "insufficient_quota", 0),
    (openai_error("x", "invalid_request_error", "unsupported_parameter"), "unsupported_parameter", 0),
    (openai_error("x", "invalid_request_error", "some_new_word"), "", 0),
    (b"<html>", "", 0),
    (b"", "", 0),
)  # fmt: skip


@pytest.mark.parametrize(("body", "word", "limit"), SERVERS)
def test_words_of_servers(body: bytes, word: str, limit: int) -> None:
    assert error_word(body) == (word, limit)


def test_every_word_has_a_sentence() -> None:
    assert set(WORDS) == {word for word in ERROR_WORDS if word}


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_the_word_and_the_limit_reach_the_client_and_nothing_else_does(subject: Subject) -> None:
    plan = plan_of(subject, observe=False)
    error_read = (
        subject.error(VLLM) if subject.dialect != "mlflow" else dumps({"error_code": "BAD_REQUEST", "message": VLLM})
    )
    status = 422 if subject.dialect == "oip" else 400
    got, _, body = converse(plan, head_of(subject), dumps(subject.body), answering(status, JSON, error_read))
    assert got == status
    assert b"context_length_exceeded" in body
    assert b"8192" in body
    assert b"Ann" not in body
    if subject.dialect == "openai":
        error = json.loads(body)["error"]
        assert (error["code"], error["type"]) == ("context_length_exceeded", "invalid_request_error")
        assert "maximum context length of 8192 tokens" in error["message"]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("word", [word for word in ERROR_WORDS if word])
def test_every_dialect_says_every_word(name: str, word: str) -> None:
    assert word in DIALECTS[name].error(Problem(400, "upstream_refused", "r", word=word))[1].decode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        (b'{"error":"x"}', True), (b' { "error" : {"message":"x"}}', True), (b'{"error_code":"BAD"}', True),
        (b'{"object":"error","error":"x"}', True), (b'{"id":"1","error":{"a":1}}', True), (b'{"error":null,"outputs":[]}', False),
        (b'{"error":"","a":1}', False), (b'{"error":{},"a":1}', False), (b'{"errors":[1]}', False),
        (b'{"choices":[{"text":"\\"error\\": 1"}]}', False), (b'{"error_rate":1}', False), (b"[]", False), (b"", False),
        (b'{"error":  null}', False),
    ],
)  # fmt: skip
def test_an_error_inside_a_200_is_a_member_with_something_in_it(body: bytes, hidden: bool) -> None:
    assert hidden_error(body) is hidden
