"""Text Embeddings Inference behind a real guard: what passes, what is refused, and what a fault of the model comes to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.servers.tei import SHA, Kind, TextEmbeddings, tei
from tests.sidecar import Sidecar, sidecar

POLICY = """
version: guard/v1
service: t
drain: 0s
upstream: http://127.0.0.1:{port}
routes:
  POST /embed:
    dialect: tei
    input:
      texts: {{type: array, items: {{type: string, max_length: 40, detect: [email]}}}}
      batch: {{type: integer, max: 40}}
      normalize: {{type: boolean, default: false}}
    output: {{embedding: {{type: array, min_items: 4, max_items: 4, items: {{type: number, min: 0, max: 1}}}}}}
  POST /predict:
    dialect: tei
    input: {{batch: {{type: integer}}}}
    output: {{label: {{enum: [positive, negative]}}, score: {{type: number, min: 0, max: 1}}}}
    fallback: {{label: negative, score: 0.5}}
  POST /rerank:
    dialect: tei
    input: {{query: {{type: string}}, texts: {{type: array, items: {{type: string}}}}}}
    output: {{score: {{type: number}}}}
    fallback: {{score: 0}}
"""


@contextmanager
def guarded(kind: Kind, folder: Path) -> Iterator[tuple[Sidecar, TextEmbeddings]]:
    with tei(kind) as server:
        (folder / "policy.yaml").write_text(POLICY.format(port=server.port))
        with sidecar("policy.yaml", folder=folder) as guard:
            yield guard, server


def ask(guard: Sidecar, path: str, document: Any) -> tuple[int, Any, dict[str, str]]:
    """(status, document, guard's headers)."""
    client = guard.connect()
    client.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
    response = client.getresponse()
    by_name = {name.removeprefix("x-guard-"): value for name, value in response.getheaders() if name.startswith("x-guard-")}
    return response.status, json.loads(response.read()), by_name


def test_embeddings_pass_with_what_the_contract_amended(tmp_path: Path) -> None:
    with guarded("embedding", tmp_path) as (guard, server):
        status, vectors, told = ask(guard, "/embed", {"inputs": ["a", "mail ann@example.com", [1, 2]], "truncate": True})
        assert (status, len(vectors), told["source"]) == (200, 3, "model")
        assert server.asked == [{"inputs": ["a", "mail [email]", [1, 2]], "truncate": True, "normalize": False}]


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ({"inputs": ["a", "x" * 41]}, "/inputs/1", "length"),
        ({"inputs": ["a"] * 41}, "/inputs", "max"),
        ({"inputs": "a", "normalize": "no"}, "/normalize", "type"),
        ({"inputs": [{"text": "a"}]}, "/inputs/0", "type"),
        ({"input": "a"}, "/inputs", "missing"),
    ],
)
def test_what_breaks_the_contract_never_reaches_the_server(tmp_path: Path, document: Any, pointer: str, code: str) -> None:
    with guarded("embedding", tmp_path) as (guard, server):
        status, error, _ = ask(guard, "/embed", document)
        assert (status, error["error_type"]) == (422, "Validation")
        assert error["violations"] == [{"pointer": pointer, "code": code}]
        assert server.asked == []


def test_what_the_server_refuses_is_the_clients_to_hear_in_words_of_ours(tmp_path: Path) -> None:
    with guarded("embedding", tmp_path) as (guard, _):
        status, error, told = ask(guard, "/embed", {"inputs": ["secret"] * 33})
        assert (status, error["code"], error["error_type"]) == (413, "upstream_refused", "Validation")
        assert "33" not in error["error"]
        assert "source" not in told


@pytest.mark.parametrize(("fault", "reason"), [("Backend", "status"), ("Overloaded", "backoff")])
def test_a_fault_of_the_model_is_answered_by_rules_for_each_input(tmp_path: Path, fault: str, reason: str) -> None:
    with guarded("classifier", tmp_path) as (guard, server):
        both = {"inputs": [["a good day"], ["a day", "so so"]]}
        said = ask(guard, "/predict", both)[1]
        assert [[class_["label"] for class_ in classes] for classes in said] == [
            ["positive", "negative"],
            ["negative", "positive"],
        ]
        server.fault = fault
        status, document, told = ask(guard, "/predict", both)
        assert (status, told["source"], told["reason"]) == (200, "rules", reason)
        assert document == [[{"score": 0.5, "label": "negative"}]] * 2
        assert ask(guard, "/predict", {"inputs": "a"})[1] == [{"score": 0.5, "label": "negative"}]


def test_a_route_that_the_model_is_not_for_is_no_fault_of_a_client(tmp_path: Path) -> None:
    with guarded("embedding", tmp_path) as (guard, _):
        _, ranks, told = ask(guard, "/rerank", {"query": "a b", "texts": ["a", "b"]})
        assert (told["source"], told["reason"]) == ("rules", "status")
        assert ranks == [{"score": 0, "index": 0}, {"score": 0, "index": 1}]


def test_the_revision_that_the_server_names_is_the_version(tmp_path: Path) -> None:
    with guarded("reranker", tmp_path) as (guard, _):
        answers = (ask(guard, "/rerank", {"query": "a b", "texts": ["a", "a b"]}) for _ in range(5000))
        first = list(takewhile(lambda answer: "model-version" not in answer[2], answers))
        assert len(first) < 5000
        _, ranks, told = ask(guard, "/rerank", {"query": "a b", "texts": ["a", "a b"]})
        assert told["model-version"] == SHA
        assert ranks == [{"index": 1, "score": 1.0}, {"index": 0, "score": 0.5}]
