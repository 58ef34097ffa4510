"""Whatever a server says, the draft loads and says no more than a draft may, or init says plainly why there is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kit.init import mlmodel
from guard.kit.init.draft import Draft, Wanted
from guard.kit.init.server import ServerAnswer
from guard.kit.init.settle import Unsettled, settle
from guard.kit.init.survey import survey
from guard.kit.init.words import MOST_NAME, line, quoted, scalar
from guard.policy import typed
from guard.policy.document import Tree
from guard.policy.loading import load
from guard.policy.loading.parse import parse
from guard.policy.models import Passthrough
from guard.policy.route import Route
from tests.kit.init.fake import Fake, drafted, said

INJECTED = (
    "x\nfallback: {label: y}", "a: b", "'", '"', "# x", "}", "]", "{", "*a", "&a", "!t", "| x", "> x", "- x", "? x", "%YAML",
    "null", "~", "true", "no", "1e3", "0x10", "1:30", ".nan", "", " ", "\t", "\u2028", "\x85", "\x00", "\x1b[31m", "\u202e",
    "\ufeff", "\U0001f600", "é", "a/b", "a~b", "*", "/", "..", "%2f", "x" * 2000, "schema", "at", "<<", "=",
)  # fmt: skip
"""Text that YAML, a terminal, a pointer or a path could take for something else."""
NASTY = st.sampled_from(INJECTED) | st.text(max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | NASTY
ANY = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NASTY, below, max_size=3), max_leaves=8
)


def outcome(server: Fake, wanted: Wanted) -> str:
    """The draft, which must load and be nothing but a draft; or why there is none."""
    found = survey(server, wanted)
    if found is None:
        return "nothing"
    if not found.routes and not found.passed:
        with pytest.raises(Unsettled, match="every route"):  # one strange thing does not cost the others
            settle(Draft("http://127.0.0.1:8080", found))
        return "nothing"
    text, _ = settle(Draft("http://127.0.0.1:8080", found))
    loaded = load("draft", environ={}, read=lambda _: text.encode())
    assert loaded.policy.model_fields_set == {"version", "service", "upstream", "routes"}
    assert str(loaded.policy.upstream.url) == "http://127.0.0.1:8080"
    for route in loaded.policy.routes.values():
        assert isinstance(route, Passthrough) or (
            isinstance(route, Route) and route.enforcement == "observe" and "fallback" not in route.model_fields_set
        )
    assert all(item.isprintable() for item in text.replace("\n", ""))
    return text


def page(document: Any) -> bytes:
    return json.dumps(document).encode()


def tensor(name: Any, datatype: Any, shape: Any) -> Any:
    return {"name": name, "datatype": datatype, "shape": shape}


ENTRIES = ANY | st.lists(
    st.fixed_dictionaries({"name": NASTY | ANY}, optional={"state": st.just("READY") | ANY}), max_size=3
)
TENSORS = st.lists(
    st.builds(
        tensor,
        NASTY,
        st.sampled_from(["FP32", "INT64", "BYTES", "BOOL", "STRING", "FP8"]) | ANY,
        st.lists(st.integers(-3, 1 << 60), max_size=4) | ANY,
    ),
    min_size=1,
    max_size=4,
)


@given(
    name=NASTY,
    inputs=TENSORS | TENSORS | ANY,
    outputs=TENSORS | ANY,
    versions=ANY,
    listing=st.lists(NASTY, max_size=3) | ANY,
)
def test_metadata_of_the_open_inference_protocol(name: str, inputs: Any, outputs: Any, versions: Any, listing: Any) -> None:
    pages = {
        "GET /v2": {"name": name, "version": versions, "extensions": []},
        "GET /v1/models": {"models": listing},
    }
    model = {"name": name, "versions": versions, "platform": name, "inputs": inputs, "outputs": outputs}
    server = Fake({key: ServerAnswer(200, page(item)) for key, item in pages.items()}, ServerAnswer(200, page(model)))
    outcome(server, Wanted(models=(name, "iris")))
    outcome(server, Wanted())
    index = {"GET /v2": {"name": "triton", "version": versions}, "POST /v2/repository/index": listing}
    outcome(Fake({key: ServerAnswer(200, page(value)) for key, value in index.items()}), Wanted())


DIMENSIONS = st.lists(st.integers(-2, 9).map(lambda size: {"size": str(size)}), min_size=1, max_size=4)
TYPED = st.builds(
    lambda dtype, dim: {"dtype": dtype, "tensor_shape": {"dim": dim}},
    st.sampled_from(["DT_FLOAT", "DT_INT64", "DT_BOOL", "DT_STRING"]) | ANY, DIMENSIONS | ANY,
)  # fmt: skip
TYPES = st.dictionaries(NASTY, TYPED, min_size=1, max_size=3)


@given(name=NASTY, info=ANY, inputs=TYPES, outputs=TYPES)
def test_signatures_of_tensorflow_serving(name: str, info: Any, inputs: Any, outputs: Any) -> None:
    signatures = {"serving_default": {"inputs": inputs, "outputs": outputs, "method_name": name}, name: info}
    pages = {
        "GET /v1/models/m": {"model_version_status": info},
        "GET /v1/models/m/metadata": {"metadata": {"signature_def": {"signature_def": signatures}}},
    }
    outcome(said(pages), Wanted(models=("m", name)))


SCHEMAS = st.recursive(
    st.sampled_from([{"type": "number"}, {"$ref": "#/components/schemas/S"}, {"$ref": "#/components/schemas/T"}, {}]) | ANY,
    lambda below: st.builds(
        lambda properties, rest: {"type": "object", "properties": properties, **rest},
        st.dictionaries(NASTY, below, max_size=3),
        st.dictionaries(st.sampled_from(["required", "nullable", "description", "default", "additionalProperties"]), ANY, max_size=2),
    )
    | st.builds(lambda items, rest: {"type": "array", "items": items, **rest}, below, st.dictionaries(
        st.sampled_from(["minItems", "maxItems", "default", "uniqueItems", "prefixItems"]), st.integers() | ANY, max_size=2))
    | st.builds(lambda rest: {"type": "string", **rest}, st.dictionaries(
        st.sampled_from(["pattern", "enum", "default", "minLength", "maxLength", "format", "const"]), ANY, max_size=3))
    | st.builds(lambda kind, rest: {"type": kind, **rest}, st.sampled_from(["integer", "number"]), st.dictionaries(
        st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "enum", "default"]), st.integers() | st.floats() | ANY, max_size=3))
    | st.builds(lambda word, parts: {word: parts}, st.sampled_from(["anyOf", "allOf", "oneOf"]), st.lists(below, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@given(
    paths=st.lists(NASTY, max_size=3), title=ANY, s=SCHEMAS, t=SCHEMAS,
    bodies=st.lists(st.dictionaries(NASTY, SCHEMAS, min_size=1, max_size=4).map(
        lambda properties: {"type": "object", "properties": properties, "required": list(properties)}
    ) | SCHEMAS, min_size=2, max_size=2),
)  # fmt: skip
def test_openapi_documents(paths: list[str], title: Any, s: Any, t: Any, bodies: list[Any]) -> None:
    body, answer = bodies
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }
    items = {f"/{path}": {"post": operation, "get": {"x": 1}} for path in (*paths, "predict", "{x}", "a/{y}")}
    document = {
        "openapi": "3.1.0", "info": {"title": title, "version": title}, "paths": items,
        "components": {"schemas": {"S": s, "T": t}},
    }  # fmt: skip
    server = said({"GET /openapi.json": document})
    outcome(server, Wanted())
    outcome(server, Wanted(dialect="vertex"))


@given(document=ANY, status=st.sampled_from([200, 204, 400, 500]))
def test_any_document_everywhere(document: Any, status: int) -> None:
    for other in (page(document), b"\xff\xfe", b"[" * 5000, b'{"a":NaN,"a":1}', b""):
        server = Fake({}, ServerAnswer(status, other))
        outcome(server, Wanted())
        for dialect in ("oip", "kserve-v1", "tfserving", "mlflow", "openai", "sagemaker", "tei", "json", "vertex"):
            outcome(server, Wanted(models=("m",), dialect=dialect))


@given(model=NASTY | ANY, info=ANY, labels=st.dictionaries(NASTY, NASTY | ANY, max_size=3))
def test_lists_of_models_and_pages_of_information(model: Any, info: Any, labels: Any) -> None:
    outcome(said({"GET /v1/models": {"object": "list", "data": [{"id": model}, info]}}), Wanted())
    kind = {"classifier": {"id2label": labels}}
    outcome(said({"GET /info": {"model_id": model, "model_type": kind, "version": info}}), Wanted())


@given(st.lists(st.builds(lambda name, kind, rest: {"name": name, "type": kind, **rest}, NASTY | ANY,
    st.sampled_from(["double", "long", "string", "datetime", "tensor", "array", "object", "map", "any"]) | ANY,
    st.fixed_dictionaries({}, optional={"required": st.booleans(), "items": ANY, "properties": ANY, "tensor-spec": ANY, "default": ANY}),
), max_size=4))  # fmt: skip
def test_signatures_of_mlflow(entries: list[Any]) -> None:
    import tempfile
    from pathlib import Path

    text = json.dumps(json.dumps(entries))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text(f"signature:\n  inputs: {text}\n  outputs: {text}\n  params: {text}\n")
        signature = mlmodel.read(Path(folder))
    outcome(said({}), Wanted(dialect="mlflow", mlmodel=signature))


@given(st.text())
def test_text_is_the_same_after_a_reader_of_yaml(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    for written in (scalar(text), quoted(text)):
        inner = parse(f"a: {{b: {written}}}\n".encode(), "x")["a"]
        assert isinstance(inner, Tree)
        assert typed.plain(inner["b"]) == text
        if len(text) <= MOST_NAME:
            assert list(parse(f"a: {{{written}: c}}\n".encode(), "x")["a"]) == [text]
            assert list(parse(f"{written}: c\n".encode(), "x")) == [text]


@given(st.text())
def test_a_comment_is_one_printable_line(text: str) -> None:
    assert line(text).isprintable()
    assert len(line(text)) <= 100


@pytest.mark.parametrize("name", INJECTED)
def test_a_name_of_a_server_stays_in_its_place(name: str) -> None:
    pages = {
        "GET /v2": {"name": name, "version": name, "extensions": []},
        "GET /v1/models": {"models": ["m"]},
        "GET /v2/models/m": {
            "name": name,
            "platform": name,
            "inputs": [tensor(name, "FP32", [-1]), tensor("b", name, [-1])],
        },
    }
    text = drafted(said(pages))
    loaded = load("draft", environ={}, read=lambda _: text.encode())
    route = loaded.policy.routes["POST /v2/models/m/infer"]
    assert isinstance(route, Route)
    assert set(route.inputs) <= {name}
    assert (name in route.inputs) is (0 < len(name) <= 200)
