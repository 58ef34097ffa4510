"""Embeddings, classes and ranks of Text Embeddings Inference: what a contract sees of them, and what clients are told."""

import json
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.policy.errors import PolicyInvalid
from guard.proxy.values import Allow, Answer, Deny, Problem, Usage
from tests.dialects.speaking import ASKED, JSON, ask, compiled, dumps, forwarded, own, refused

WORDS = """
dialect: tei
input:
  texts: {type: array, items: {type: string, max_length: 30, detect: [email]}}
  characters: {type: integer, max: 50}
  tokens: {type: integer, max: 4}
  batch: {type: integer, max: 2}
"""
EMBED = WORDS + "output: {embedding: {type: array, min_items: 2, max_items: 2, items: {type: number}}}\n"
PREDICT = """
dialect: tei
output:
  label: {enum: [good, bad]}
  score: {type: number, min: 0, max: 1}
  labels: {type: array, items: {type: string}, required: false}
fallback: {label: bad, score: 0.5}
"""
RERANK = """
dialect: tei
input:
  query: {type: string, max_length: 9}
  texts: {type: array, max_items: 3, items: {type: string, detect: [email]}}
output: {index: {type: integer, min: 0, from: model}, score: {type: number}}
fallback: {score: 0}
"""


@pytest.mark.parametrize(
    ("route", "document", "said"),
    [
        ("embed", {"inputs": "x" * 31}, ["/inputs length"]),
        ("embed", {"inputs": ["a", "x" * 31]}, ["/inputs/1 length"]),
        ("embed", {"inputs": ["x" * 26, "x" * 26]}, ["/inputs max"]),
        ("embed", {"inputs": [1, 2, 3, 4, 5]}, ["/inputs max"]),
        ("embed", {"inputs": [[1, 2, 3], [4, 5]]}, ["/inputs max"]),
        ("embed", {"inputs": ["a", "b", "c"]}, ["/inputs max"]),
        ("embed", {"inputs": []}, ["/inputs items"]),
        ("embed", {"inputs": {"a": "b"}}, ["/inputs type"]),
        ("embed", {"inputs": ["a", {"b": "ann@example.com"}]}, ["/inputs/1 type"]),
        ("embed", {"inputs": [["a", ["b"]]]}, ["/inputs/0/1 type"]),
        ("embed", {"inputs": [1, True]}, ["/inputs/1 type"]),
        ("embed", {"inputs": [1, -1]}, ["/inputs/1 type"]),
        ("embed", {}, ["/inputs missing"]),
        ("embed", [], [" shape"]),
        ("predict", {"inputs": ["a", "b", "c"]}, ["/inputs shape"]),
        ("predict", {"inputs": [["a", "b", "c"]]}, ["/inputs/0 shape"]),
        ("predict", {"inputs": [["a"], "b"]}, ["/inputs/1 shape"]),
        ("predict", {"inputs": [1]}, ["/inputs/0 shape"]),
        ("predict", {"inputs": [["a"], ["x" * 31, "b"]]}, ["/inputs/1/0 length"]),
        ("similarity", {"inputs": {"source_sentence": "a"}}, ["/inputs/sentences missing"]),
        ("similarity", {"inputs": {"source_sentence": "a", "sentences": ["b", "x" * 31]}}, ["/inputs/sentences/1 length"]),
        ("similarity", {"inputs": "a"}, ["/inputs type"]),
    ],
)
def test_words_and_layouts_are_held_at_the_clients_own_places(route: str, document: Any, said: list[str]) -> None:
    assert refused(compiled(WORDS, f"POST /{route}"), JSON, dumps(document)) == said


@pytest.mark.parametrize(
    ("route", "inputs", "sent"),
    [
        ("embed", "ann@example.com", "[email]"),
        ("embed", ["a", "ann@example.com"], ["a", "[email]"]),
        ("embed", [1, 2], [1, 2]),
        ("embed_sparse", [[1], "b"], [[1], "b"]),
        ("predict", ["a", "ann@example.com"], ["a", "[email]"]),
        ("predict", [["a"], ["b", "ann@example.com"]], [["a"], ["b", "[email]"]]),
        ("similarity", {"source_sentence": "ann@example.com", "sentences": ["b"]},
         {"source_sentence": "[email]", "sentences": ["b"]}),
    ],
)  # fmt: skip
def test_texts_are_redacted_where_they_stand_and_all_else_is_as_it_was(route: str, inputs: Any, sent: Any) -> None:
    body = dumps({"truncate": True, "inputs": inputs, "odd": 1})
    permit = ask(compiled(WORDS, f"POST /{route}"), JSON, body)
    assert forwarded(permit)[1] == dumps({"truncate": True, "inputs": sent}).replace(b" ", b"")


def test_of_a_rerank_query_and_texts_are_members() -> None:
    route = compiled(RERANK, "POST /rerank")
    sent = json.loads(
        forwarded(ask(route, JSON, dumps({"query": "a", "texts": ["ann@example.com"], "raw_scores": True})))[1]
    )
    assert sent == {"query": "a", "texts": ["[email]"], "raw_scores": True}
    assert refused(route, JSON, dumps({"query": "x" * 10, "texts": ["b"]})) == ["/query length"]
    assert refused(route, JSON, dumps({"query": "a", "texts": ["b"] * 4})) == ["/texts items"]
    assert refused(route, JSON, dumps({"query": "a", "texts": [1]})) == ["/texts/0 type"]
    assert refused(route, JSON, dumps({"texts": ["b"]})) == ["/query missing"]


@pytest.mark.parametrize(
    ("body", "fits"),
    [(b"[[0.5,1]]", True), (b"[[0.5,1],[1,2]]", True), (b"[[0.5]]", False), (b"[[0.5,null]]", False), (b"{}", False)],
)
def test_vectors_are_held_against_the_contract(body: bytes, fits: bool) -> None:
    output = compiled(EMBED, "POST /embed").output
    assert output is not None
    assert isinstance(output.judge(body, None, JSON), Allow) is fits


def test_the_likeliest_class_is_the_answer_to_an_input() -> None:
    output = compiled(PREDICT, "POST /predict").output
    assert output is not None
    one = [{"label": "bad", "score": 0.25}, {"label": "good", "score": 0.75}]
    for body, labels, scores in ((one, ["good"], [0.75]), ([one, one[:1]], ["good", "bad"], [0.75, 0.25])):
        verdict = output.judge(dumps(body), None, JSON)
        assert isinstance(verdict, Allow)
        assert output.measured(verdict.document)[:2] == [labels, scores]
    for wrong in ([[]], [{"label": "good"}], [{"label": "odd", "score": 1}], [{"label": "good", "score": True}], [one, 1]):
        assert isinstance(output.judge(dumps(wrong), None, JSON), Deny)


def test_every_text_has_one_rank() -> None:
    output = compiled(RERANK, "POST /rerank").output
    assert output is not None
    for indexes, fits in (([1, 0], True), ([0, 0], False), ([0, 2], False), ([-1, 0], False), ([True, 0], False)):
        body = dumps([{"index": index, "score": 0.5} for index in indexes])
        assert isinstance(output.judge(body, None, JSON), Allow) is fits


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("a", [{"score": 0.5, "label": "bad"}]),
        (["a", "b"], [{"score": 0.5, "label": "bad"}]),
        ([["a"]], [[{"score": 0.5, "label": "bad"}]]),
        ([["a"], ["b", "c"]], [[{"score": 0.5, "label": "bad"}]] * 2),
    ],
)
def test_rules_answer_for_each_input_in_the_form_that_was_asked_for(inputs: Any, said: Any) -> None:
    route = compiled(PREDICT + "input: {batch: {type: integer}}\n", "POST /predict")
    assert json.loads(own(route, ask(route, JSON, dumps({"inputs": inputs}))).body) == said


def test_where_rules_answer_ranks_are_in_the_order_that_was_sent() -> None:
    route = compiled(RERANK, "POST /rerank")
    answer = own(route, ask(route, JSON, dumps({"query": "a", "texts": ["b", "c"]})))
    assert json.loads(answer.body) == [{"index": 0, "score": 0}, {"index": 1, "score": 0}]


@pytest.mark.parametrize(("told", "usage"), [(b"12", Usage("embeddings", 12)), (b"-1", None), (b"9" * 13, None)])
def test_the_head_counts_the_tokens(told: bytes, usage: Usage | None) -> None:
    output = compiled(EMBED, "POST /embed").output
    assert output is not None
    verdict = output.judge(b"[[0.5,1]]", None, [*JSON, (b"x-compute-tokens", told)])
    assert isinstance(verdict, Allow)
    assert verdict.usage == usage


def test_whose_doing_an_answer_is() -> None:
    by_name = {status: DIALECTS["tei"].outcome(Answer(status, [], b""), ASKED) for status in (413, 422, 424, 429, 503, 404)}
    assert by_name == {
        413: "client_fault", 422: "client_fault", 424: "model_fault", 429: "overload", 503: "overload",
        404: "unavailable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "contract", "Validation"), (503, "overloaded", "Overloaded"), (503, "backoff", "Overloaded"),
        (503, "kill_file", "Unhealthy"), (502, "status", "Backend"), (500, "internal", "Backend"),
    ],
)  # fmt: skip
def test_errors_are_what_clients_parse(status: int, code: str, kind: str) -> None:
    document = json.loads(DIALECTS["tei"].error(Problem(status, code, "r"))[1])
    assert document["error"].startswith("guard: ")
    assert document["error_type"] == kind


def test_the_server_says_which_revision_it_serves() -> None:
    tei = DIALECTS["tei"]
    assert tei.status("/embed") == "/info"
    assert tei.served({"model_id": "a/b", "model_sha": "fca1"}) == "fca1"
    for odd in ({"model_id": "a/b", "model_sha": None}, {}, [], None, {"model_sha": 3}):
        assert tei.served(odd) == ""


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (WORDS, "POST /invocations", "tei knows the routes /embed, "),
        (WORDS.replace("max: 2", "max: 2, send: false"), "POST /embed", "batch is not a member of a request"),
        ("dialect: tei\ncolumns: [batch]\ninput: {batch: {type: integer}}\n", "POST /embed", "tei has no columns"),
    ],
)
def test_what_it_does_not_have_is_a_mistake_of_the_policy(text: str, key: str, message: str) -> None:
    with pytest.raises(PolicyInvalid, match=message):
        compiled(text, key)
