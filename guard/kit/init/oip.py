"""The Open Inference Protocol V2: MLServer, Triton, KServe, OpenVINO. Its metadata names tensors, datatypes and shapes.

Models are listed by `POST /v2/repository/index`, which reads and changes nothing (Triton's model repository extension);
it is asked only of servers that say they are Triton or MLServer, or that they have the extension.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from guard.contract.fields import join
from guard.dialects.oip import OpenInference
from guard.kit.init.draft import MOST_MODELS, Field, Route, Shape, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, ServerAnswer, answering, listed, mapping
from guard.kit.init.words import line, nameable, route, slug

NAME: Final = OpenInference.name
TYPES: Final = {
    "BOOL": "boolean", "UINT8": "integer", "UINT16": "integer", "UINT32": "integer", "UINT64": "integer",
    "INT8": "integer", "INT16": "integer", "INT32": "integer", "INT64": "integer", "FP16": "number", "FP32": "number",
    "FP64": "number", "BF16": "number", "BYTES": "string",
}  # fmt: skip
ASKED: Final = ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/docs", "/v2/docs/dataplane.json", "/v1/models")
OWN: Final = {
    "mlserver": ("GET /v2/models/{model}/docs", "GET /v2/models/{model}/docs/dataplane.json"),
    "triton": ("GET /v2/models/{model}/config", "GET /v2/models/{model}/stats"),
}
"""Paths that clients of a server read about a model, by the server's name."""
_MOST_RANK: Final = 16
_MOST_TENSORS: Final = 1000
_READY: Final = "/v2/health/ready"


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """A route for each model, with what its metadata declares."""
    metadata = _server_metadata(server.get("/v2"))
    names = list(wanted.models)
    if metadata is None and wanted.dialect != NAME and not any(_is_model(server.get(_metadata(name))) for name in names):
        return None
    metadata = metadata or {}
    notes: list[str] = []
    if not names:
        names, notes = _models(server, metadata)
    routes: list[Route] = []
    for name in names[:MOST_MODELS]:
        route = _route(server, name, columns=metadata.get("name") == "mlserver")
        if route is not None and metadata.get("name") == "triton":
            route = _batched(server, name, route)
        if route is None:
            notes.append(f"not listed: the model {line(name)}: its name does not fit into a path")
        else:
            routes.append(route)
    if len(names) > MOST_MODELS:
        notes.append(f"not listed: {len(names) - MOST_MODELS} more models")
    if not routes:
        routes.append(_any())
    details = " ".join(line(metadata[key], 40) for key in ("name", "version") if metadata.get(key))
    passed = answering(server, *(path for path in ASKED if path != "/v1/models"))
    passed |= dict.fromkeys(
        ("GET /v2/models/{model}", "GET /v2/models/{model}/ready", "GET /v2/models/{model}/versions/{version}",
         "GET /v2/models/{model}/versions/{version}/ready"), "metadata and readiness of models"
    )  # fmt: skip
    passed |= dict.fromkeys(OWN.get(str(metadata.get("name")), ()), "what else this server reports about a model")
    return SurveyResult(
        server=f"{details or 'a server'}, which speaks the Open Inference Protocol",
        routes=tuple(routes),
        passed=passed,
        probe=_READY if f"GET {_READY}" in passed else "",
        service=slug(names[0]) if len(names) == 1 else slug(metadata.get("name", "")),
        notes=tuple(notes),
    )


def _server_metadata(answer: ServerAnswer) -> dict[str, Any] | None:
    """The server's metadata, if it is that: `{name, version, extensions}`."""
    document = mapping(answer.document)
    return document if isinstance(document.get("name"), str) and isinstance(document.get("extensions", []), list) else None


def _is_model(answer: ServerAnswer) -> bool:
    document = mapping(answer.document)
    return isinstance(document.get("name"), str) and ("inputs" in document or "platform" in document)


def _metadata(name: str) -> str:
    key = route("GET", "/v2/models/", name)
    return key.removeprefix("GET ") if key else "/v2"


def _models(server: Server, metadata: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The names of its models, and what is to be said of them."""
    listing = [name for name in listed(mapping(server.get("/v1/models").document).get("models")) if isinstance(name, str)]
    if listing:
        return list(dict.fromkeys(listing)), []
    has_index = "model_repository" in listed(metadata.get("extensions")) or metadata.get("name") in ("triton", "mlserver")
    if not has_index:
        return [], ["the server does not list its models: --model NAME asks for the metadata of one"]
    entries = [mapping(member) for member in listed(server.post("/v2/repository/index", b"{}").document)]
    named = [entry for entry in entries if isinstance(entry.get("name"), str)]
    away = {item["name"] for item in named if item.get("state") not in (None, "", "READY")}
    ready = [item["name"] for item in named if item["name"] not in away]
    notes = [f"not listed: the model {line(name)} is not ready" for name in sorted(away)[:20]]
    if not ready:
        notes.append("POST /v2/repository/index lists no model that is ready: --model NAME asks for the metadata of one")
    return list(dict.fromkeys(ready)), notes


def _any() -> Route:
    return Route(
        key="POST /v2/models/{model}/infer",
        dialect=NAME,
        why="the server reports it in GET /v2",
        notes=("No model is known, so nothing is declared.",),
    )


def _route(server: Server, name: str, *, columns: bool) -> Route | None:
    """The route of one model. `columns`: the server reads [N] and [N, 1] alike, and its clients send both."""
    key = route("POST", "/v2/models/", name, "/infer")
    if key is None:
        return None
    path = _metadata(name)
    answer = server.get(path)
    draft = Route(key=key, dialect=NAME, why="the server speaks the Open Inference Protocol (GET /v2)")
    if answer.document is None:
        return draft.noted(f"Nothing declared: GET {line(path)} {line(answer.why or f'answered {answer.status}')}.")
    document = mapping(answer.document)
    notes: list[str] = []
    inputs = dict(_fields(listed(document.get("inputs")), path, notes))
    if columns:
        inputs = {name: _loose(field) for name, field in inputs.items()}
    outputs = {name: _answered(name, field) for name, field in _fields(listed(document.get("outputs")), path, notes)}
    if len(outputs) > 1:  # a request may ask for some of them
        outputs = {name: Field({**output.shape, "required": False}, output.source) for name, output in outputs.items()}
    if empty := [side for side, fields in (("inputs", inputs), ("outputs", outputs)) if not fields]:
        notes.append(f"Nothing declared: GET {line(path)} declares no {' and no '.join(empty)}.")
    if versions := [line(version, 20) for version in listed(document.get("versions"))[:5]]:
        copied = f"{key.removeprefix('POST ').removesuffix('/infer')}/versions/{{version}}/infer"
        notes.append(f"Versions {', '.join(versions)}. Clients that name one need a copy of this route at {copied}")
    if document.get("platform"):
        notes.insert(0, f"Its platform is {line(document['platform'], 40)}.")
    settings, reasons = {}, {}
    if inputs and len(inputs) < len(listed(document.get("inputs"))):
        settings["undeclared"] = "pass"
        reasons["undeclared"] = "an input could not be declared, see above"
    return Route(key, NAME, draft.why, settings, reasons, inputs, outputs, notes=tuple(notes))


def _fields(entries: list[Any], path: str, notes: list[str]) -> Iterator[tuple[str, Field]]:
    for entry in entries[:_MOST_TENSORS]:
        tensor_entry = mapping(entry)
        name, datatype = tensor_entry.get("name"), tensor_entry.get("datatype")
        datatype = "BYTES" if datatype == "STRING" else datatype
        if not nameable(name) or not isinstance(datatype, str) or datatype not in TYPES:
            notes.append(f"Not declared: the tensor {line(name, 40)} of datatype {line(datatype, 20)}.")
            continue
        shape = _shape(tensor_entry.get("shape"))
        shown = "no shape" if shape is None else str(shape)
        text = "; text, where it is UTF-8" if datatype == "BYTES" else ""
        yield str(name), Field(tensor(datatype, shape), f"from GET {line(path)}: {datatype} {shown}{text}")


def tensor(datatype: str, shape: list[int] | None) -> Shape:
    """The field of a tensor. Where the first dimension is -1 it counts instances, and else the tensor is one instance.

    One value for each instance is a scalar, of the shape [-1] or [-1, 1]. The second is kept: most servers take no other.
    """
    declared: Shape = {"type": TYPES[datatype], "datatype": datatype}
    if shape is None:
        return {**declared, "type": "array"}
    if shape == [-1]:
        return declared
    if shape == [-1, 1]:
        return {**declared, "shape": shape}
    if set(shape) <= {1}:
        return {**declared, "shape": shape} if shape else declared
    return {**declared, "type": "array", "shape": shape, "items": {"type": TYPES[datatype]}}


def _batched(server: Server, name: str, route: Route) -> Route:
    """The route with the largest batch of the model's configuration: Triton refuses more. 0: the model has no batches."""
    path = f"{_metadata(name)}/config"
    most = mapping(server.get(path).document).get("max_batch_size")
    if type(most) is not int or most < 1 or not route.inputs:
        return route
    reason = f"from GET {line(path)}: max_batch_size {most}"
    return replace(route, settings={**route.settings, "max_rows": most}, reasons={**route.reasons, "max_rows": reason})


def _loose(field: Field) -> Field:
    """An input of one value for each instance, in any of the two shapes that such a tensor may have."""
    if field.shape.get("shape") != [-1, 1]:
        return field
    return Field({key: value for key, value in field.shape.items() if key != "shape"}, field.source)


def _answered(name: str, field: Field) -> Field:
    """An output whose first dimension is a size does not count instances: it is there as a whole."""
    if field.shape.get("shape", [-1])[0] in (-1, 1):
        return field
    shape = {key: value for key, value in field.shape.items() if key != "items"}
    return Field({"at": join((name,)), **shape}, field.source)


def _shape(value: Any) -> list[int] | None:
    """Dimensions, -1 for any; None where they cannot be read."""
    dimensions = [
        int(item) if isinstance(item, str) and item.isascii() and item.lstrip("-").isdecimal() else item
        for item in listed(value)
    ]
    fine = len(dimensions) <= _MOST_RANK and all(type(size) is int and -1 <= size < 1 << 53 for size in dimensions)
    return dimensions if isinstance(value, list) and fine else None


SOURCE: Final = Source((NAME,), find, ASKED)
