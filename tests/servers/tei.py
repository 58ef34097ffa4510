"""A server of Hugging Face's Text Embeddings Inference, from its specification: no release of it can be installed here.

Source: docs/openapi.json 1.7.1 and router/src/http of huggingface/text-embeddings-inference. Nothing of guard's is used. What
a model would say is arithmetic on the text; what the router does about it is what the specification says.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.threaded import threaded

SHA = "fca14538aa9956a46526bd1d0d11d69e19b5a101"
STATUSES = {"Unhealthy": 503, "Backend": 424, "Overloaded": 429, "Tokenizer": 422, "Validation": 413}
MOST_INPUTS, MOST_TOKENS = 32, 512
Kind = Literal["embedding", "classifier", "reranker"]


class TeiError(Exception):
    """An ErrorResponse."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Rejected(Exception):
    """What the router's JSON extractor refuses, in plain text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TextEmbeddings:
    """One model. `fault`: what befalls the next requests; `asked`: the documents that arrived."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.fault, self.port = kind, "", 0
        self.sha: str | None = SHA
        self.asked: list[Any] = []

    def info(self) -> dict[str, Any]:
        labels = {"id2label": {"0": "negative", "1": "positive"}, "label2id": {"negative": 0, "positive": 1}}
        return {
            "model_id": "a/model", "model_sha": self.sha, "model_dtype": "float32",
            "model_type": {self.kind: {"pooling": "cls"} if self.kind == "embedding" else labels},
            "max_concurrent_requests": 512, "max_input_length": MOST_TOKENS, "max_batch_tokens": 16384,
            "max_batch_requests": None, "max_client_batch_size": MOST_INPUTS, "auto_truncate": False,
            "tokenization_workers": 1, "version": "1.7.1", "sha": None, "docker_label": None,
        }  # fmt: skip

    def answer(self, path: str, tree: Any) -> tuple[Any, int]:
        """(document, tokens). Raises TeiError and Rejected."""
        routes: dict[str, tuple[Kind, Callable[[Any], tuple[Any, int]]]] = {
            "/embed": ("embedding", self._embed), "/predict": ("classifier", self._predict),
            "/rerank": ("reranker", self._rerank),
        }  # fmt: skip
        kind, run = routes[path]
        if not isinstance(tree, dict):
            raise Rejected(422, "invalid type")
        self.asked.append(tree)
        if kind != self.kind:
            raise TeiError("Backend", f"model is not a {kind} model")
        if self.fault:
            raise TeiError(self.fault, "Inference failed")
        return run(tree)

    def _embed(self, tree: Any) -> tuple[Any, int]:
        inputs = _field(tree, "inputs", str, list)
        one = isinstance(inputs, str) or (bool(inputs) and type(inputs[0]) is int)
        texts = [inputs] if one else inputs
        _bounded(texts, "inputs")
        counted = sum(_tokens(text, truncate=bool(tree.get("truncate"))) for text in texts)
        return [_vector(text, normalize=tree.get("normalize", True)) for text in texts], counted

    def _predict(self, tree: Any) -> tuple[Any, int]:
        inputs = _field(tree, "inputs", str, list)
        single = isinstance(inputs, str) or (bool(inputs) and isinstance(inputs[0], str))
        sequences = [[inputs] if isinstance(inputs, str) else inputs] if single else inputs
        _bounded(sequences, "inputs")
        if not all(isinstance(sequence, list) and len(sequence) in (1, 2) for sequence in sequences):
            raise Rejected(422, "invalid length")
        counted = sum(_tokens(" ".join(sequence), truncate=False) for sequence in sequences)
        results = [_classified(" ".join(sequence)) for sequence in sequences]
        return results[0] if single else results, counted

    def _rerank(self, tree: Any) -> tuple[Any, int]:
        query, texts = _field(tree, "query", str), _field(tree, "texts", list)
        _bounded(texts, "texts")
        counted = sum(_tokens(f"{query} {text}", truncate=False) for text in texts)
        words = set(query.split())
        ranks = [{"index": at, "score": len(words & set(text.split())) / len(words)} for at, text in enumerate(texts)]
        if tree.get("return_text"):
            ranks = [{**rank, "text": texts[int(rank["index"])]} for rank in ranks]
        return sorted(ranks, key=lambda item: item["score"], reverse=True), counted


def _field(tree: Any, name: str, *types: type) -> Any:
    if name not in tree:
        raise Rejected(422, f"missing field `{name}`")
    if not isinstance(tree[name], types):
        raise Rejected(422, "data did not match any variant of untagged enum")
    return tree[name]


def _bounded(inputs: list[Any], name: str) -> None:
    if not inputs:
        raise TeiError("Validation", f"`{name}` cannot be empty")
    if len(inputs) > MOST_INPUTS:
        raise TeiError("Validation", f"batch size {len(inputs)} > maximum allowed batch size {MOST_INPUTS}")


def _tokens(text: str | list[int], *, truncate: bool) -> int:
    """A word is a token; two more begin and end a text."""
    found = (len(text.split()) if isinstance(text, str) else len(text)) + 2
    if found > MOST_TOKENS and not truncate:
        raise TeiError("Validation", f"`inputs` must have less than {MOST_TOKENS} tokens. Given: {found}")
    return min(found, MOST_TOKENS)


def _vector(text: str | list[int], *, normalize: bool) -> list[float]:
    values = [byte / 255 for byte in blake2b(repr(text).encode(), digest_size=4).digest()]
    length = math.hypot(*values) if normalize else 1.0
    return [value / length for value in values]


def _classified(text: str) -> list[dict[str, Any]]:
    positive = 0.9 if "good" in text else 0.2
    both = [{"score": positive, "label": "positive"}, {"score": 1 - positive, "label": "negative"}]
    return sorted(both, key=lambda item: item["score"], reverse=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: TextEmbeddings

    def do_GET(self) -> None:
        if self.path == "/info":
            self._say(200, self.model.info())
        else:
            self._say(200 if self.path in ("/", "/health", "/ping") else 404, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            if self.headers.get("content-type") != "application/json":
                raise Rejected(415, "Expected request with `Content-Type: application/json`")
            document, tokens = self.model.answer(self.path, json.loads(body))
        except TeiError as error:
            self._say(STATUSES[error.kind], {"error": str(error), "error_type": error.kind})
        except Rejected as error:
            self._say(error.status, str(error))
        except ValueError:
            self._say(400, "Failed to parse the request body as JSON")
        except KeyError:
            self._say(404, "")
        else:
            self._say(200, document, [("x-compute-type", "cpu"), ("x-compute-tokens", str(tokens))])

    def _say(self, status: int, document: Any, more: list[tuple[str, str]] | None = None) -> None:
        plain = isinstance(document, str)
        body = document.encode() if plain else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=utf-8" if plain else "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in more or ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — as it is inherited
        """Say nothing."""


@contextmanager
def tei(kind: Kind) -> Iterator[TextEmbeddings]:
    """A server that serves one model, on a free port of loopback."""
    model = TextEmbeddings(kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model": model}))
    server.daemon_threads = True
    model.port = server.server_address[1]
    with threaded(server):
        yield model
