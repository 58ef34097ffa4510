"""Answers are judged with their request: what the client did not ask for is not missing, and a form it asked for not wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from guard.dialects import DIALECTS
from tests.dialects.blame import SUBJECTS, Subject, answering, converse, head_of, plan_of, state_of
from tests.dialects.speaking import JSON, dumps


def tensor(name: str, data: list[Any], datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


@dataclass(frozen=True)
class Case:
    """A request that asks for less, or for something else, and what a server then answers. `verdict`: served, or why not."""

    dialect: str
    outputs: str
    asked: Mapping[str, Any]
    answer: Any
    verdict: str = "served"
    route: str = ""

    def __str__(self) -> str:
        return f"{self.dialect}-{'-'.join(self.asked)}-{self.verdict}"


TWO = "{score: {type: number, min: 0, max: 1}, label: {enum: [a, b]}}"
CLASS = "{score: {type: number, min: 0, max: 1, datatype: FP64}}"
CHAT = "{text: {at: /choices/*/message/content, enum: [a, b]}, finish: {at: /choices/*/finish_reason, enum: [stop]}}"
LOGS = "{logs: {at: /choices/*/logprobs/content, type: array}, text: {at: /choices/*/message/content, type: string}}"
CALLS = "{text: {at: /choices/*/message/content, type: string}, calls: {at: /choices/*/message/tool_calls, type: array}}"
VECTOR = "{v: {at: /data/*/embedding, type: array, min_items: 3, max_items: 3, items: {type: number, min: -1, max: 1}}}"
TOOL = {"tools": [{"type": "function", "function": {"name": "f"}}]}
CALL = {"choices": [{"finish_reason": "stop", "message": {"content": None, "tool_calls": [{"id": "1"}]}}]}


def said(text: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"finish_reason": finish, "message": {"content": text}, **more}]}


CASES = (
    Case("oip", TWO, {"outputs": [{"name": "score"}]}, {"outputs": [tensor("score", [0.5])]}),
    Case("oip", TWO, {"outputs": [{"name": "score"}]}, {"outputs": [tensor("score", [1.5])]}, "invalid"),
    Case("oip", TWO, {"outputs": [{"name": "score"}]}, {"outputs": []}, "invalid"),
    Case("oip", TWO, {"outputs": [{"name": "other"}]}, {"outputs": [tensor("other", [7])]}),
    Case("oip", TWO, {"outputs": []}, {"outputs": [tensor("score", [0.5])]}, "invalid"),
    Case("oip", TWO, {"outputs": [{"name": "score", "parameters": {"classification": 2}}]},
         {"outputs": [tensor("score", ["0.5:1:b", "0.4:0:a"], "BYTES", [1, 2])]}),
    Case("oip", CLASS, {"outputs": [{"name": "score", "parameters": {"classification": 1}}]},
         {"outputs": [tensor("score", ["0.5:1"], "BYTES", [1, 1])]}),
    Case("oip", TWO, {"outputs": [{"name": "score", "parameters": {"binary_data": False}}, {"name": "label"}]},
         {"outputs": [tensor("score", [0.5]), tensor("label", ["a"], "BYTES")]}),
    Case("oip", TWO, {"parameters": {"content_type": "base64"}}, {"outputs": [tensor("score", [0.5])]}, "bent"),
    Case("openai", LOGS, {}, said("a", logprobs=None)),
    Case("openai", LOGS, {"logprobs": False}, said("a", logprobs=None)),
    Case("openai", LOGS, {"logprobs": True}, said("a", logprobs=None), "bent"),
    Case("openai", LOGS, {"logprobs": True}, said("a", logprobs={"content": []})),
    Case("openai", CALLS, TOOL, CALL), Case("openai", CALLS, TOOL, said("a")),
    Case("openai", CALLS, {**TOOL, "tool_choice": "none"}, said("a")),
    Case("openai", CALLS, {**TOOL, "tool_choice": "required"}, CALL),
    Case("openai", CALLS, {**TOOL, "tool_choice": "required"}, said("a"), "bent"),
    Case("openai", CALLS, {}, said(None), "invalid"),
    Case("openai", CHAT, {"response_format": {"type": "json_object"}}, said("{}"), "bent"),
    Case("openai", CHAT, {"max_tokens": 1}, said("a", "length"), "bent"),
    Case("openai", CHAT, {"n": 2}, {"choices": [*said("a")["choices"], *said("b")["choices"]]}),
    Case("openai", CHAT, {}, said("c"), "invalid"),
    Case("openai", CALLS, {"modalities": ["text", "audio"]}, said(None)),
    Case("openai", VECTOR, {"input": "x", "dimensions": 2}, {"data": [{"embedding": [0.5, 0.25]}]}, route="/v1/embeddings"),
    Case("openai", VECTOR, {"input": "x", "dimensions": 2}, {"data": [{"embedding": [0.5, 7]}]}, "invalid", "/v1/embeddings"),
    Case("openai", VECTOR, {"input": "x"}, {"data": [{"embedding": [0.5, 0.25]}]}, "invalid", "/v1/embeddings"),
    Case("openai", VECTOR, {"input": "x", "encoding_format": "base64"}, {"data": [{"embedding": "AAAAPwAAgD4AAAAA"}]},
         route="/v1/embeddings"),
    Case("tei", "{index: {type: integer}, text: {type: string}}", {}, [{"index": 0, "score": 1}], route="/rerank"),
    Case("tei", "{index: {type: integer}, text: {type: string}}", {"return_text": True}, [{"index": 0, "score": 1}], "invalid",
         "/rerank"),
    Case("tei", "{score: {type: number, max: 1}}", {"raw_scores": True}, [{"index": 0, "score": 9.5}], route="/rerank"),
    Case("tei", "{score: {type: number, max: 1}}", {}, [{"index": 0, "score": 9.5}], "invalid", "/rerank"),
    Case("tei", "{v: {type: array, items: {type: number, max: 1}}}", {"inputs": "a", "normalize": False}, [[3.5]], "served",
         "/embed"),
    *(Case(dialect, "{score: {type: number, max: 1}}", asked, {"predictions": [7]}, "bent") for dialect, asked in (
        ("kserve-v1", {"parameters": {"x": 1}}), ("vertex", {"parameters": {"x": 1}}), ("mlflow", {"params": {"x": 1}}),
        ("sagemaker", {"configuration": {"x": 1}}), ("tfserving", {"signature_name": "other"}),
    )),
    *(Case(dialect, "{score: {type: number, max: 1}}", {}, {"predictions": [7]}, "invalid") for dialect in (
        "kserve-v1", "vertex", "mlflow", "sagemaker", "tfserving",
    )),
    Case("json", "{score: {type: number, max: 1}}", {}, {"score": 7}, "invalid"),
)  # fmt: skip
INPUTS = {"/rerank": {"query": "a", "texts": ["b"]}, "/v1/embeddings": {"model": "m"}, "/embed": {}}


def subject_of(case: Case) -> Subject:
    base = next(item for item in SUBJECTS if item.dialect == case.dialect)
    body = {**(INPUTS[case.route] if case.route else base.body), **case.asked}
    if case.dialect == "oip" and "outputs" not in case.asked:
        del body["outputs"]
    if case.dialect == "tfserving" and not case.asked:
        del body["signature_name"]
    if case.dialect == "openai" and "n" not in case.asked:
        body.pop("n", None)
    where = {"key": f"POST {case.route}", "target": case.route} if case.route else {}
    inputs = "" if case.route or case.dialect != "json" else "input: {age: {type: integer}}\n"
    policy = f"{inputs}output: {case.outputs}"
    return Subject(**{**vars(base), **where, "body": body, "policy": policy})


def test_every_dialect_of_the_registry_is_held() -> None:
    assert {case.dialect for case in CASES} == set(DIALECTS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_answer_is_judged_as_far_as_its_request_asked_for_it(case: Case) -> None:
    subject = subject_of(case)
    plan = plan_of(subject, observe=False)
    answer = answering(200, JSON, dumps(case.answer))
    status, headers, body = converse(plan, head_of(subject), dumps(subject.body), answer)
    state = state_of(plan)
    if case.verdict == "served":
        assert (status, headers[b"x-guard-source"], json.loads(body)) == (200, b"model", case.answer)
    else:
        assert (headers[b"x-guard-source"], headers[b"x-guard-reason"]) == (b"disabled", b"invalid")
    assert state["invalid"] == (1 if case.verdict == "invalid" else 0), "a breach that was asked for blames nobody"


@pytest.mark.parametrize(
    ("also", "target", "counts"),
    [
        ((b"accept", b"text/csv"), "", 0),
        ((b"accept", b"text/html, */*;q=0.8"), "", 1),
        ((b"x", b"y"), "/score/1?format=csv", 0),
    ],
)
def test_another_form_of_answer_that_the_client_chose_blames_nobody(
    also: tuple[bytes, bytes], target: str, counts: int
) -> None:
    subject = SUBJECTS[0]
    plan = plan_of(subject, observe=False, breaker="{consecutive_failures: 5, minimum_calls: 20}")
    head = head_of(subject, also, target=target)
    _, headers, _ = converse(plan, head, dumps(subject.body), answering(200, [(b"content-type", b"text/csv")], b"0.5"))
    assert headers[b"x-guard-reason"] == b"invalid"
    assert state_of(plan)["invalid"] == counts
