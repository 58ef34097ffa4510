"""Routes of each dialect, compiled from the YAML that a user writes, and the same two people in each of its layouts."""

import json
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import ForwardedRequest, Head, Headers, Permit, Refused, Route, Violation

JSON: Headers = [(b"content-type", b"application/json")]
CSV: Headers = [(b"content-type", b"text/csv")]
ASKED = ForwardedRequest(Head(b"POST", b"/p", JSON), b"{}")
"""A request of a fixed path, with a body and without credentials."""
PEOPLE = [{"age": 34, "income": 1000.5, "id": "a"}, {"age": 35, "income": 2000.0, "id": "b"}]
FIELDS = """
max_elements: 100000
input:
  id: {type: string, send: false, sensitivity: personal}
  age: {type: integer, min: 18, max: 120}
  income: {type: number, min: 0, nullable: true}
  tenure: {type: integer, default: 7}
output:
  score: {type: number, min: 0, max: 1}
fallback:
  - rules: [{when: age < 35, answer: {score: 0.25}}, {answer: {score: 0.5}}]
"""


def compiled(text: str, key: str = "POST /p", above: str = "", means: CompileContext | None = None) -> Route:
    """The one route of a policy. `above`: other keys of it."""
    policy = f"version: guard/v1\nservice: t\nupstream: http://127.0.0.1:1\n{above}routes:\n  '{key}':\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(policy + indent(dedent(text).strip("\n"), "    ") + "\n", encoding="utf-8")
        [route] = compile_plan(load(path, environ={}), means or CompileContext()).routes
    return route


def ask(route: Route, headers: Headers, body: bytes, target: bytes = b"/p") -> Permit:
    """What the judges allow. Raises Refused."""
    return judge(Context(Head(b"POST", target, headers), "r", 0.0), route, body, 0.0, 1_800_000_000.0)


def refused(route: Route, headers: Headers, body: bytes) -> list[str]:
    """Why not: the code, or of a contract `pointer code` of each violation."""
    try:
        ask(route, headers, body)
    except Refused as error:
        return [f"{violation.pointer} {violation.code}" for violation in error.violations] or [error.code]
    raise AssertionError("allowed")


def broken(route: Route, headers: Headers, body: bytes) -> Sequence[Violation]:
    """The violations themselves."""
    with pytest.raises(Refused) as caught:
        ask(route, headers, body)
    return caught.value.violations


def forwarded(permit: Permit) -> tuple[Headers, bytes]:
    """What the model server gets."""
    assert isinstance(permit.body, bytes)
    return permit.forward, permit.body


def own(route: Route, permit: Permit) -> Any:
    """The answer of the rules."""
    rules = next(rung for rung in route.ladder if rung.source == "rules")
    return rules.ask(permit, None, 0.0)


@dataclass(frozen=True)
class Layout:
    """One way of a dialect to carry instances. `carry` writes them, `read` reads a body back."""

    dialect: str
    name: str
    headers: Headers
    carry: Callable[[Sequence[Mapping[str, Any]]], bytes]
    read: Callable[[Headers, bytes], list[dict[str, Any]]]
    extra: str = ""
    answer: Callable[[Sequence[float]], tuple[Headers, bytes]] = lambda scores: (JSON, dumps({"predictions": list(scores)}))

    @property
    def route(self) -> Route:
        """Compiled."""
        return compiled(f"dialect: {self.dialect}\n{self.extra}\n{FIELDS}")

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"


def dumps(document: object) -> bytes:
    return json.dumps(document).encode()


def _objects(member: str) -> dict[str, Any]:
    return {
        "headers": JSON,
        "carry": lambda rows: dumps({member: list(rows)}),
        "read": lambda _headers, body: json.loads(body)[member],
    }


def _positional(member: str) -> dict[str, Any]:
    names = ("id", "age", "income", "tenure")
    return {
        "headers": JSON,
        "extra": "columns: [id, age, income, tenure]",
        "carry": lambda rows: dumps({member: [[row.get(name) for name in names] for row in rows]}),
        "read": lambda _headers, body: [dict(zip(names[1:], row, strict=True)) for row in json.loads(body)[member]],
    }


def _columns(member: str) -> dict[str, Any]:
    return {
        "headers": JSON,
        "carry": lambda rows: dumps({member: {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}}),
        "read": lambda _headers, body: _rows(json.loads(body)[member]),
    }


def _rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _split(rows: Sequence[Mapping[str, Any]]) -> bytes:
    names = list(rows[0]) if rows else ["age"]
    return dumps({"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]}})


def _read_split(_headers: Headers, body: bytes) -> list[dict[str, Any]]:
    frame = json.loads(body)["dataframe_split"]
    return [dict(zip(frame["columns"], row, strict=True)) for row in frame["data"]]


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    names = list(rows[0]) if rows else ["age"]
    lines = [names, *[["" if row[name] is None else str(row[name]) for name in names] for row in rows]]
    return "\n".join(",".join(line) for line in lines).encode() + b"\n"


def _read_csv(_headers: Headers, body: bytes) -> list[dict[str, Any]]:
    names, *rows = [line.split(",") for line in body.decode().splitlines()]
    return [{name: (float(cell) if cell else None) for name, cell in zip(names, row, strict=True)} for row in rows]


TYPES = {"id": "BYTES", "age": "INT64", "income": "FP64", "tenure": "INT64"}


def _tensors(rows: Sequence[Mapping[str, Any]]) -> bytes:
    names = list(rows[0]) if rows else ["age"]
    inputs = [
        {"name": name, "shape": [len(rows), 1], "datatype": TYPES[name], "data": [[row[name]] for row in rows]}
        for name in names
    ]
    return dumps({"id": "7", "inputs": inputs, "parameters": {"content_type": "pd"}})


def packed(name: str, values: Sequence[Any]) -> bytes:
    if TYPES[name] == "BYTES":
        return b"".join(struct.pack("<I", len(value)) + value.encode() for value in values)
    letter = "q" if TYPES[name] == "INT64" else "d"
    return struct.pack(f"<{len(values)}{letter}", *(float("nan") if value is None else value for value in values))


def _binary(rows: Sequence[Mapping[str, Any]]) -> tuple[Headers, bytes]:
    names = list(rows[0]) if rows else ["age"]
    parts = [packed(name, [row[name] for row in rows]) for name in names]
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": TYPES[name], "parameters": {"binary_data_size": len(part)}}
        for name, part in zip(names, parts, strict=True)
    ]
    text = dumps({"inputs": inputs})
    headers = [(b"content-type", b"application/octet-stream"), (b"inference-header-content-length", b"%d" % len(text))]
    return headers, text + b"".join(parts)


def read_tensors(headers: Headers, body: bytes) -> list[dict[str, Any]]:
    """As a server reads them, by the specification and nothing of guard's."""
    length = dict(headers).get(b"inference-header-content-length")
    text, raw = (body, b"") if length is None else (body[: int(length)], body[int(length) :])
    columns: dict[str, list[Any]] = {}
    for tensor in json.loads(text)["inputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            data = tensor["data"]
            columns[tensor["name"]] = [row[0] if isinstance(row, list) else row for row in data]
        else:
            part, raw = raw[:size], raw[size:]
            columns[tensor["name"]] = [
                item for (item,) in struct.iter_unpack("<q" if tensor["datatype"] == "INT64" else "<d", part)
            ]
        assert tensor["shape"][0] == len(columns[tensor["name"]])
    assert not raw
    return _rows(columns)


def _tensor_answer(scores: Sequence[float]) -> tuple[Headers, bytes]:
    output = {"name": "score", "shape": [len(scores)], "datatype": "FP64", "data": list(scores)}
    return JSON, dumps({"model_name": "m", "model_version": "3", "outputs": [output]})


OIP_BINARY_HEADERS = _binary(PEOPLE)[0]
LAYOUTS = (
    Layout("kserve-v1", "objects", **_objects("instances")),
    Layout("kserve-v1", "positional", **_positional("instances")),
    Layout("vertex", "objects", **_objects("instances")),
    Layout("tfserving", "rows", **_objects("instances")),
    Layout("tfserving", "columns", **_columns("inputs")),
    Layout("tfserving", "examples", **_objects("examples")),
    Layout("mlflow", "records", **_objects("dataframe_records")),
    Layout("mlflow", "columns", **_columns("inputs")),
    Layout("mlflow", "split", JSON, _split, _read_split),
    Layout("mlflow", "csv", CSV, _csv, _read_csv),
    Layout("sagemaker", "objects", **_objects("instances")),
    Layout("oip", "json", JSON, _tensors, read_tensors, answer=_tensor_answer),
    Layout("oip", "binary", OIP_BINARY_HEADERS, lambda rows: _binary(rows)[1], read_tensors, answer=_tensor_answer),
)


@dataclass(frozen=True)
class Single:
    """A route whose request is one instance: its policy, and a request and an answer that pass."""

    policy: str
    key: str
    body: bytes
    answer: bytes

    @property
    def route(self) -> Route:
        """Compiled."""
        return compiled(self.policy, self.key)

    @property
    def dialect(self) -> str:
        return self.policy.split()[1]

    def __str__(self) -> str:
        return f"{self.dialect}-{self.key.rpartition('/')[2]}"


SINGLES = (
    Single(
        "dialect: json\ninput: {age: {type: integer}}\noutput: {score: {type: number}}\nfallback: {score: 0.5}",
        "POST /score",
        b'{"age":34}',
        b'{"score":0.25}',
    ),
    Single(
        "dialect: oip\ninput: {text_input: {type: string}}\noutput: {text_output: {type: string}}\n"
        "fallback: {text_output: busy}",
        "POST /v2/models/m/generate",
        b'{"text_input":"a"}',
        b'{"text_output":"b","model_version":"3"}',
    ),
    Single(
        "dialect: openai\ninput: {texts: {type: array, items: {type: string}}, kind: {at: /response_format/type, enum: [text]}}\n"
        "output: {finish: {at: /choices/*/finish_reason, enum: [stop]}}\nfallback: {finish: stop}",
        "POST /v1/chat/completions",
        b'{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"text"}}',
        b'{"model":"m","choices":[{"finish_reason":"stop","message":{"content":"b"}}]}',
    ),
    Single(
        "dialect: openai\ninput: {texts: {type: array, items: {type: string}}, tokens: {type: integer, max: 4}}\n"
        "output: {embedding: {at: /data/*/embedding, type: array, items: {type: number}}}",
        "POST /v1/embeddings",
        b'{"model":"m","input":["a","b"]}',
        b'{"model":"m","data":[{"embedding":[0.5,0.25]},{"embedding":"AAAAPw=="}]}',
    ),
    Single(
        "dialect: tei\ninput: {texts: {type: array, items: {type: string}}}\n"
        "output: {embedding: {type: array, items: {type: number}}}",
        "POST /embed",
        b'{"inputs":["a",[1,2]],"truncate":true}',
        b"[[0.5,0.25],[1,0]]",
    ),
    Single(
        "dialect: tei\ninput: {batch: {type: integer, max: 4}}\n"
        "output: {label: {enum: [good, bad]}, score: {type: number, min: 0, max: 1}}\nfallback: {label: bad, score: 0.5}",
        "POST /predict",
        b'{"inputs":[["a"],["b","c"]]}',
        b'[[{"score":0.75,"label":"good"},{"score":0.25,"label":"bad"}],[{"score":1,"label":"bad"}]]',
    ),
    Single(
        "dialect: tei\ninput: {query: {type: string}, texts: {type: array, items: {type: string}}}\n"
        "output: {score: {type: number}}\nfallback: {score: 0}",
        "POST /rerank",
        b'{"query":"a","texts":["b","c"],"return_text":false}',
        b'[{"index":1,"score":0.5},{"index":0,"score":0.25}]',
    ),
)
