"""Hugging Face Text Embeddings Inference: /embed, /embed_all, /embed_sparse, /similarity, /predict, /rerank.

Source: huggingface/text-embeddings-inference, docs/openapi.json 1.7.1, router/src/http. A contract sees the request as one
instance: the members it declares, and computed fields. The server's behaviour beyond the specification:
`error_type` is capitalised; 413 is a batch, 422 a text, 424 the model or a route that the model is not for; 503 comes from
/health only; a NaN in a vector is written as null; the head of an answer counts the tokens (x-compute-tokens).
"""

import copy
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from guard.dialects.common import Common
from guard.dialects.faults import STATUSES
from guard.dialects.layout import UNDECLARED, BaseMessage, error_member, in_order, pointer, referred, violation
from guard.dialects.requested_outputs import tei_outputs
from guard.dialects.texts import Texts
from guard.proxy.values import (
    CodecSpec,
    Fault,
    Field,
    Head,
    Headers,
    Message,
    ParsedAnswer,
    Problem,
    RequestedOutputs,
    RequestLayout,
    RouteCodec,
    StreamParser,
    Usage,
)

KNOWN: Final = frozenset((
    "inputs", "query", "texts", "parameters", "normalize", "truncate", "truncation_direction", "prompt_name",
    "raw_scores", "return_text",
))  # fmt: skip
"""Members of a request that the API documents: they reach the model unless the policy declares otherwise."""

ROUTES: Final = ("embed", "embed_all", "embed_sparse", "similarity", "predict", "rerank")
VIRTUAL: Final = ("texts", "characters", "tokens", "batch")
MEMBERS: Final = frozenset(("label", "score", "labels", "scores", "index", "text"))
"""Outputs that are a member of an input's answer, and not the whole answer."""

CARRIERS: Final = frozenset(("inputs", "query", "texts"))
_SEARCHED: Final = frozenset(("query", "texts"))
_DIRECTIONS: Final = ("left", "right", "Left", "Right")
_PROMPT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}\Z")
"""A name of the model's own prompts: a single word, so it cannot hold a private value."""

Place: TypeAlias = tuple[str | int, ...]


class TextEmbeddings(Common):
    """The Dialect of Text Embeddings Inference. It has no management paths: a server has one model from its start."""

    name = "tei"
    streams = True
    request_layout = RequestLayout(
        words=dict.fromkeys(VIRTUAL, "/inputs"),
        notes=("Members that the API documents reach the model, whether or not they are declared here.",),
    )
    hides_errors = True
    faults: Mapping[int, Fault] = {
        **STATUSES,
        404: Fault("never", "unavailable", "a server has one model, and its routes have fixed paths"),
        424: Fault("never", "model_fault", "the model, or a route that it is not for"),
        429: Fault("never", "overload", "the server's own queue is full for every client"),
    }

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of a route's requests, each one instance. Raises ValueError for a path that is none of the server's."""
        route = spec.template.rpartition("/")[2]
        if route not in ROUTES:
            raise ValueError(f"tei knows the routes {', '.join(f'/{item}' for item in ROUTES)}")
        if spec.columns is not None:
            raise ValueError("tei has no columns")
        return _Codec(spec, route)

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The JSON pointer of an output: the answer to each input, or a member of it."""
        del outputs, rows
        return f"/*/{name}" if name in MEMBERS else "/*"

    def status(self, template: str) -> str:
        """The path of the page that describes the server."""
        del template
        return "/info"

    def served(self, page: Any) -> str:
        """The model's revision; empty for a model of a local folder."""
        sha = page.get("model_sha") if isinstance(page, dict) else None
        return sha if isinstance(sha, str) else ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, `{"error": text, "error_type": …}`, and its content type."""
        kind = "Validation" if 400 <= problem.status < 500 else "Backend"
        if problem.status in (429, 503):
            kind = "Overloaded" if problem.code in ("overloaded", "backoff") else "Unhealthy"
        return error_member(problem, error_type=kind)


class Question(BaseMessage):
    """A Message of a request to Text Embeddings Inference."""

    stream = once = chosen = False
    searched = True
    named = ""
    free_model = False

    def __init__(
        self, tree: object, route: str, spec: CodecSpec, referred: frozenset[str], virtual: frozenset[str]
    ) -> None:
        """Read the texts and computed fields of a request. Raises LayoutError."""
        if not isinstance(tree, dict):
            raise violation((), "shape")
        self._tree, self._dumps, self._virtual = tree, spec.dumps, virtual
        unknown = tree.keys() - KNOWN - (referred - virtual)
        if unknown and spec.undeclared == "reject":
            raise violation((UNDECLARED,), "unknown")
        self._places, self._tokens, self.batch = _read(tree, route)
        inputs = tree.get("inputs")
        self.alone = isinstance(inputs, str) or (isinstance(inputs, list) and isinstance(inputs[0], str))  # of /predict
        own = {name: value for name, value in tree.items() if name in referred and name not in virtual}
        dropped = unknown if spec.undeclared == "strip" else frozenset()
        others = tree.keys() - own.keys() - dropped
        self.beside: dict[str, Any] = {name: value for name, value in tree.items() if name in others}
        _hold({name: value for name, value in self.beside.items() if name not in unknown})
        self._others = Texts({name: tree[name] for name in unknown - dropped}, KNOWN)
        if route == "rerank" and self._others.places and _SEARCHED & spec.inputs.keys():
            raise violation((UNDECLARED,), "unknown")  # texts of other members would not be searched
        fields = self._virtual_fields()
        self.document: object = {**own, **{name: fields[name] for name in virtual}}

    def _virtual_fields(self) -> dict[str, object]:
        """The computed fields, which no request has."""
        texts = [text for _, text in self._places] + self._others.texts
        return {"texts": texts, "characters": sum(map(len, texts)), "tokens": self._tokens, "batch": self.batch}

    def write(self, document: Any) -> bytes:
        """Write the document in the layout of the request; see Message."""
        body = {**self.beside, **{name: value for name, value in document.items() if name not in self._virtual}}
        if "texts" in self._virtual and document["texts"] != self._virtual_fields()["texts"]:
            body = copy.deepcopy(body)
            for (place, _), text in zip(self._places, document["texts"], strict=False):
                _put(body, place, text)
            body = self._others.written(body, document["texts"][len(self._places) :])
        return self._dumps(in_order(self._tree, body))

    def requested_outputs(self, outputs: Mapping[str, Field]) -> RequestedOutputs | None:
        """The outputs that the request asks for, None for all; see Message."""
        return tei_outputs(self._tree, outputs)

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer into the client's own document for a path of the contract's document; see Message."""
        first, *rest = path or ("",)
        if first not in self._virtual:
            return pointer(path)
        if first == "texts" and rest and isinstance(rest[0], int):
            own = len(self._places)
            return pointer(self._places[rest[0]][0]) if rest[0] < own else self._others.pointer(rest[0] - own)
        return pointer(("texts",) if "texts" in self._tree else ("inputs",))


def _read(tree: Mapping[str, Any], route: str) -> tuple[list[tuple[Place, str]], int, int]:
    """Every text with its place, the number of token numbers, and the number of inputs. Raises LayoutError."""
    if route == "rerank":
        leaves, batch = _items(tree, "query", "texts")
    elif route == "similarity":
        leaves, batch = _items(_member(tree, "inputs", dict), "source_sentence", "sentences", "inputs")
    else:
        leaves, batch = _inputs(_member(tree, "inputs", str, list), pairs=route == "predict")
    places: list[tuple[Place, str]] = []
    for place, value in leaves:
        if isinstance(value, str):
            places.append((place, value))
        elif type(value) is not int or value < 0 or not route.startswith("embed"):
            raise violation(place, "type")
    return places, len(leaves) - len(places), batch


def _hold(members: Mapping[str, Any], above: Place = ()) -> None:
    """Prove that members that are not texts hold none. Raises LayoutError."""
    for name, value in members.items():
        if name == "parameters" and not above and isinstance(value, dict):
            if not value.keys() <= KNOWN:
                raise violation((name, UNDECLARED), "unknown")
            _hold(value, (name,))
        elif name == "prompt_name" and isinstance(value, str):
            if not _PROMPT_NAME.match(value):
                raise violation((*above, name), "format")
        elif name not in CARRIERS and not (value is None or isinstance(value, bool)) and value not in _DIRECTIONS:
            raise violation((*above, name), "type")


def _items(tree: Mapping[str, Any], single_name: str, list_name: str, *above: str) -> tuple[list[tuple[Place, Any]], int]:
    """One text and the texts that it is compared with. Raises LayoutError."""
    first, others = _member(tree, single_name, str, above=above), _member(tree, list_name, list, above=above)
    if not others:
        raise violation((*above, list_name), "items")
    leaves: list[tuple[Place, Any]] = [((*above, single_name), first)]
    leaves += [((*above, list_name, index), text) for index, text in enumerate(others)]
    return leaves, len(others)


def _inputs(inputs: Any, *, pairs: bool) -> tuple[list[tuple[Place, Any]], int]:
    """The inputs: one text (with `pairs`, one or two; else also token numbers), or a list of such. Raises LayoutError."""
    if isinstance(inputs, str):
        return [(("inputs",), inputs)], 1
    if not inputs:
        raise violation(("inputs",), "items")
    if type(inputs[0]) is (str if pairs else int):
        if pairs and len(inputs) > 2:
            raise violation(("inputs",), "shape")
        return [(("inputs", index), field) for index, field in enumerate(inputs)], 1
    leaves: list[tuple[Place, Any]] = []
    for index, field in enumerate(inputs):
        if pairs and not (isinstance(field, list) and len(field) in (1, 2)):
            raise violation(("inputs", index), "shape")
        if isinstance(field, list):
            leaves += [(("inputs", index, number), part) for number, part in enumerate(field)]
        else:
            leaves.append((("inputs", index), field))
    return leaves, len(inputs)


def _member(tree: Mapping[str, Any], name: str, *types: type, above: Place = ()) -> Any:
    if name not in tree:
        raise violation((*above, name), "missing")
    if not isinstance(tree[name], types):
        raise violation((*above, name), "type")
    return tree[name]


def _put(body: Any, place: Place, text: str) -> None:
    for part in place[:-1]:
        body = body[part]
    body[place[-1]] = text


class _Codec:
    """A RouteCodec of one path of the server."""

    single = True

    def __init__(self, spec: CodecSpec, route: str) -> None:
        """Check the declared fields. Raises ValueError."""
        self._spec, self._route, self._referred = spec, route, referred(spec)
        words = [name for name in VIRTUAL if name in spec.inputs and not (name == "texts" and route == "rerank")]
        if unsent := [name for name in words if not spec.inputs[name].send]:
            raise ValueError(f"{unsent[0]} is not a member of a request: `send: false` cannot keep it from the model")
        self._virtual = frozenset(words)
        if route == "rerank" and "texts" in spec.inputs and "query" not in spec.inputs:
            raise ValueError("/rerank has a `query` beside its `texts`, which the model reads too: declare both")

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; None for a content type that the route does not take; see RouteCodec."""
        if not self._spec.is_json(head):
            return None
        return Question(self._spec.loads(body, False), self._route, self._spec, self._referred, self._virtual)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Read an answer; the likeliest class of /predict is the answer to one input; see RouteCodec."""
        del without
        tree = self._spec.loads(body, False)
        if not isinstance(tree, list):
            raise violation((), "shape")
        if self._route == "predict":
            tree = [_likeliest(member, index) for index, member in enumerate(tree if _batched(tree) else [tree])]
        elif self._route == "rerank":
            _unique(tree)
        return ParsedAnswer(tree, usage=_usage(headers, self._route))

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write an answer; a rule's outputs apply to each input, and ranks keep the request's order; see RouteCodec."""
        batch = message.batch if isinstance(message, Question) else 1
        answers = document * batch if isinstance(document, list) and len(document) == 1 else document
        if self._route == "rerank":
            answers = [{**answer, "index": index} for index, answer in enumerate(answers)]
        elif self._route == "predict":
            answers = [_classes(answer) for answer in answers]
            if isinstance(message, Question) and message.alone:
                [answers] = answers
        return b"application/json", self._spec.dumps(answers)

    def inspector(self, message: Message | None, headers: Headers) -> StreamParser | None:
        """None: answers are not streamed."""
        del message, headers
        return None


def _batched(tree: list[Any]) -> bool:
    return not tree or isinstance(tree[0], list)


def _likeliest(classes: object, index: int) -> dict[str, object]:
    """The likeliest class of one input of /predict, with all labels and scores. Raises LayoutError."""
    if not isinstance(classes, list) or not classes:
        raise violation((index,), "shape")
    for number, class_ in enumerate(classes):
        if (
            not isinstance(class_, dict)
            or type(class_.get("score")) not in (int, float)
            or not isinstance(class_.get("label"), str)
        ):
            raise violation((index, number), "shape")
    first = max(classes, key=lambda item: item["score"])
    return {**first, "labels": [class_["label"] for class_ in classes], "scores": [class_["score"] for class_ in classes]}


def _classes(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The classes that clients of /predict read, from an answer that guard made."""
    labels, scores = answer.get("labels"), answer.get("scores")
    if labels and scores and len(labels) == len(scores):
        return [{"score": score, "label": label} for label, score in zip(labels, scores, strict=True)]
    return [{name: answer[name] for name in ("score", "label") if name in answer}]


def _unique(ranks: list[Any]) -> None:
    """Prove that each text has one rank. Raises LayoutError."""
    seen: set[int] = set()
    for number, rank in enumerate(ranks):
        index = rank.get("index") if isinstance(rank, dict) else None
        if type(index) is not int or not 0 <= index < len(ranks) or index in seen:
            raise violation((number, "index"), "items")
        seen.add(index)


def _usage(headers: Headers, route: str) -> Usage | None:
    """The tokens that the head of an answer counts."""
    tokens = next((value for name, value in headers if name == b"x-compute-tokens"), b"")
    if not tokens.isdigit() or len(tokens) > 12:
        return None
    return Usage("embeddings" if route.startswith("embed") else "", int(tokens))
