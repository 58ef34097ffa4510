"""Where a field of a route has `detect`, no place of a request, in any dialect, carries a private value to the model."""

import copy
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.proxy.values import Headers, Refused, Route
from tests.dialects.speaking import CSV, JSON, ask, compiled, dumps, forwarded, refused
from tests.dialects.test_every_text import places, planted

CANARY = "jane@example.com"
FIELDS = """
  note: {type: string, detect: [email]}
  age: {type: number, nullable: true}
  bag: {type: object, required: false}
  tags: {type: array, required: false}
  form: {type: object, required: false, fields: {kind: {type: string, detect: [email]}, deep: {type: object, required: false}}}
"""
ROW = {
    "note": "n",
    "age": 34.5,
    "bag": {"k": "v", "more": [{"a": "b"}]},
    "tags": ["t", {"u": "w"}],
    "form": {"kind": "k", "deep": {"d": "e"}, "extra": "f"},
    "extra": {"x": "y"},
}
FREE = {"mode": "m", "nested": {"a": ["b"]}}
TEXTS = "\n  texts: {type: array, items: {type: string, detect: [email]}}\n"
REST = "\n  query: {type: string, detect: [email]}"


def tensor(name: str, *data: str, **also: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data), **also}


OIP = {
    "id": "r", "parameters": FREE,
    "inputs": [
        tensor("note", "n", parameters={"content_type": "str", "more": {"a": "b"}}), tensor("extra", "x"),
        {"name": "age", "datatype": "FP64", "shape": [1], "data": [34.5], "parameters": {"k": "v"}},
    ],
    "outputs": [{"name": "score", "parameters": {"k": "v"}}],
}  # fmt: skip
SPLIT = {
    "dataframe_split": {"columns": ["note", "age", "extra"], "index": ["i"], "data": [["n", 34.5, "x"]]},
    "params": FREE,
}
COLUMNS = {"inputs": {"note": ["n"], "age": [34.5], "extra": ["x"]}}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "c"}], "metadata": FREE, "extra": FREE}
GENERATE = {"text_input": "t", "parameters": FREE, "extra": FREE}

REQUESTS: list[tuple[str, str, str, Any]] = [
    ("json", "POST /p", FIELDS, ROW),
    ("json", "POST /p", FIELDS, {"rows": [ROW], "beside": FREE}),
    ("json", "POST /p", "\n  note: {type: string, detect: [email], at: /a/b}", {"a": {"b": "n", "c": "d"}, "e": "f"}),
    ("oip", "POST /v2/models/m/infer", "\n  note: {type: string, detect: [email]}\n  age: {type: number}", OIP),
    ("oip", "POST /v2/models/m/generate", "\n  text_input: {type: string, detect: [email]}", GENERATE),
    ("kserve-v1", "POST /p", FIELDS, {"instances": [ROW], "parameters": FREE, "extra": FREE}),
    ("kserve-v1", "POST /p", FIELDS, {"inputs": [ROW], "parameters": "p"}),
    ("kserve-v1", "POST /p", "\n  note: {type: string, detect: [email]}\n  parameters: {type: object}",
     {"instances": [{"note": "n"}], "parameters": FREE}),
    ("kserve-v1", "POST /p", "\n  note: {type: string, detect: [email]}", {"instances": ["n"], "parameters": FREE}),
    ("vertex", "POST /p", FIELDS, {"instances": [ROW], "parameters": FREE, "extra": FREE}),
    ("tfserving", "POST /p", FIELDS, {"instances": [ROW], "signature_name": "s", "context": FREE, "extra": "e"}),
    ("tfserving", "POST /p", FIELDS, {**COLUMNS, "signature_name": "s", "context": "c"}),
    ("tfserving", "POST /p", FIELDS, {"examples": [ROW], "context": FREE}),
    ("mlflow", "POST /p", FIELDS, {"dataframe_records": [ROW], "params": FREE, "extra": FREE}),
    ("mlflow", "POST /p", FIELDS, SPLIT),
    ("mlflow", "POST /p", FIELDS, {**COLUMNS, "params": FREE}),
    ("sagemaker", "POST /p", FIELDS, {"instances": [ROW], "configuration": FREE, "extra": FREE}),
    ("openai", "POST /v1/chat/completions", TEXTS, CHAT),
    ("tei", "POST /embed", TEXTS, {"inputs": ["a"], "prompt_name": "q", "extra": FREE}),
    ("tei", "POST /rerank", TEXTS + REST, {"query": "q", "texts": ["a"], "extra": FREE}),
]  # fmt: skip
CASES = [pytest.param(*item, id=f"{number}-{item[0]}") for number, item in enumerate(REQUESTS)]


def test_every_dialect_has_requests() -> None:
    assert {item[0] for item in REQUESTS} == set(DIALECTS)


def route_of(dialect: str, key: str, fields: str, undeclared: str, more: str = "") -> Route:
    return compiled(f"dialect: {dialect}\nundeclared: {undeclared}\n{more}input:{fields}", key)


def received(route: Route, headers: Headers, body: bytes) -> bytes:
    """What the model server gets; nothing where the request is refused."""
    try:
        return forwarded(ask(route, headers, body, route_target(route)))[1]
    except Refused:
        return b""


def route_target(route: Route) -> bytes:
    return route.template.encode() if isinstance(route.template, str) else b"/p"


def forms(text: str) -> Iterator[str]:
    """Ways in which a value stands in a string."""
    yield text
    yield f"mail {text}. Thanks"
    yield json.dumps({"to": text})


@pytest.mark.parametrize("undeclared", ["strip", "pass", "reject"])
@pytest.mark.parametrize(("dialect", "key", "fields", "tree"), CASES)
def test_no_string_and_no_name_carries_a_find_to_the_model(
    dialect: str, key: str, fields: str, tree: Any, undeclared: str
) -> None:
    route = route_of(dialect, key, fields, undeclared, "rows: /rows\n" if dialect == "json" and "rows" in tree else "")
    leaks = [
        (place, form)
        for place in places(tree)
        for form in forms(CANARY)
        if b"example.com" in received(route, JSON, dumps(planted(tree, place, form)))
    ]
    assert leaks == []


@pytest.mark.parametrize(("dialect", "key", "fields", "tree"), CASES)
def test_without_a_find_the_model_gets_what_was_sent(dialect: str, key: str, fields: str, tree: Any) -> None:
    route = route_of(dialect, key, fields, "pass", "rows: /rows\n" if dialect == "json" and "rows" in tree else "")
    sent = received(route, JSON, dumps(tree))
    assert sent == b"" or json.loads(sent) == tree
    assert sent or dialect == "tei"  # /rerank refuses texts that nobody reads


def framed(tree: Any, *parts: bytes) -> tuple[Headers, bytes]:
    head = dumps(tree)
    return [(b"inference-header-content-length", b"%d" % len(head))], head + b"".join(parts)


def raw(name: str, part: bytes, **also: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(part), **also}}


@pytest.mark.parametrize("bad", [b"", b"\xff"], ids=["utf8", "not-utf8"])
@pytest.mark.parametrize("undeclared", ["strip", "pass", "reject"])
def test_raw_tensors_and_the_json_before_them_are_searched(undeclared: str, bad: bytes) -> None:
    route = route_of("oip", "POST /v2/models/m/infer", "\n  note: {type: string, detect: [email]}", undeclared)

    def packed(text: bytes) -> bytes:
        return struct.pack("<I", len(text)) + text

    for place in range(3):
        texts = [CANARY.encode() + bad if index == place else b"x" for index in range(3)]
        parts = [packed(texts[0]), packed(texts[1])]
        tree = {"inputs": [raw("note", parts[0]), raw("extra", parts[1], k=texts[2].decode(errors="ignore"))]}
        headers, body = framed(tree, *parts)
        assert b"example.com" not in received(route, headers, body)


def test_names_and_cells_of_csv_are_searched() -> None:
    for undeclared in ("strip", "pass", "reject"):
        route = route_of("mlflow", "POST /invocations", "\n  note: {type: string, detect: [email]}", undeclared)
        for body in (f"note,extra\n{CANARY},x\n", f"note,extra\nn,{CANARY}\n", f"note,{CANARY}\nn,x\n"):
            assert b"example.com" not in received(route, CSV, body.encode())
    route = route_of(
        "sagemaker", "POST /invocations", "\n  note: {type: string, detect: [email]}", "pass", "columns: [note]\n"
    )
    assert b"example.com" not in received(route, CSV, f"{CANARY}\n".encode())


def test_every_detector_of_the_route_looks_at_what_is_not_declared() -> None:
    fields = "\n  note: {type: string, detect: [email]}\n  more: {type: string, detect: [card, token]}"
    route = route_of("vertex", "POST /p", fields, "strip")
    parameters = {
        "pan": 4111111111111111,
        "password": "hunter 22",
        "seed": 4111111111111111,
        "n": 7,
        "m": ["x", None, True],
    }
    tree = {"instances": [{"note": "n", "more": "m"}], "parameters": parameters}
    sent = json.loads(received(route, JSON, dumps(tree)))
    assert sent["parameters"] == {**parameters, "pan": "[card]", "password": "[token]"}


@pytest.mark.parametrize(("dialect", "key", "fields", "tree"), CASES)
def test_the_limit_of_searched_characters_counts_every_text(dialect: str, key: str, fields: str, tree: Any) -> None:
    rows = "rows: /rows\n" if dialect == "json" and "rows" in tree else ""
    for undeclared in ("strip", "pass"):
        route = route_of(dialect, key, fields, undeclared, rows + "max_searched: 2000\n")
        for place in places(tree):
            long = planted(tree, place, "x" * 2001)
            assert b"x" * 2001 not in received(route, JSON, dumps(long)), place


def test_a_refusal_names_no_member_of_the_client() -> None:
    route = route_of("vertex", "POST /p", "\n  note: {type: string, detect: [email]}", "pass", "max_searched: 20\n")
    for tree in (
        {"instances": [{"note": "n"}], "parameters": {"secret": "x" * 30}},
        {"instances": [{"note": "n", "secret": "x" * 30}]},
    ):
        [found] = refused(route, JSON, dumps(tree))
        assert found.endswith(" length")
        assert "secret" not in found


LARGE = 2**53 + 1
NUMBERS = [
    pytest.param(dialect, key, fields, copy.deepcopy(tree), id=f"{number}-{dialect}")
    for number, (dialect, key, fields, tree) in enumerate(REQUESTS)
    if dialect != "oip" or "text_input" in tree  # tensors have integers of 64 bits
]


@pytest.mark.parametrize(("dialect", "key", "fields", "tree"), NUMBERS)
def test_no_integer_that_readers_round_reaches_the_model(dialect: str, key: str, fields: str, tree: Any) -> None:
    rows = "rows: /rows\n" if dialect == "json" and "rows" in tree else ""
    for undeclared in ("strip", "pass"):
        route = route_of(dialect, key, fields, undeclared, rows)
        exact = route_of(dialect, key, fields, undeclared, rows + "integers: exact\n")
        for place in places(tree):
            if place[-1] is None:
                continue
            for value, text in (
                (LARGE, b"9007199254740993"),
                ([LARGE], b"9007199254740993"),
                (2**64, b"18446744073709551616"),
            ):
                sent = dumps(planted(tree, place, value))
                assert dialect == "oip" or text not in received(route, JSON, sent), (place, value)
                assert value != 2**64 or text not in received(exact, JSON, sent), (place, value)


def test_members_beside_tensors_have_integers_of_64_bits_at_most() -> None:
    route = route_of("oip", "POST /v2/models/m/infer", "\n  note: {type: string}", "strip")
    for value, passes in ((2**63, True), (2**64 - 1, True), (-(2**63), True), (2**64, False), (-(2**63) - 1, False)):
        for tree in (
            {"inputs": [tensor("note", "n")], "parameters": {"sequence_id": value}},
            {"inputs": [tensor("note", "n", parameters={"k": [value]})]},
            {"inputs": [tensor("note", "n")], "outputs": [{"name": "y", "parameters": {"k": value}}]},
        ):
            assert (str(value).encode() in received(route, JSON, dumps(tree))) is passes
