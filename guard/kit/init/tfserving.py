"""TensorFlow Serving: the signature of a model by `GET /v1/models/{model}/metadata`. It lists no models.

Source: tensorflow/serving http_rest_api_handler.cc; the metadata is a GetModelMetadataResponse in protobuf's JSON, whose
64 bit sizes are strings.
"""

from collections.abc import Iterator
from typing import Any, Final

from guard.contract.fields import join
from guard.dialects.tfserving import TensorFlowServing
from guard.kit.init.draft import MOST_MODELS, Field, Route, Shape, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, listed, mapping
from guard.kit.init.words import line, nameable, route, slug

NAME: Final = TensorFlowServing.name
TYPES: Final = {
    "DT_FLOAT": "number", "DT_DOUBLE": "number", "DT_HALF": "number", "DT_BFLOAT16": "number", "DT_INT8": "integer",
    "DT_INT16": "integer", "DT_INT32": "integer", "DT_INT64": "integer", "DT_UINT8": "integer", "DT_UINT16": "integer",
    "DT_UINT32": "integer", "DT_UINT64": "integer", "DT_BOOL": "boolean",
}  # fmt: skip
"""DT_STRING is not there: it goes as text or as `{"b64": …}`, and the signature does not say which."""
_MISSING: Final = "Missing model name in request"
_VERBS: Final = {"classify": "classify", "regress": "regress"}
_DEFAULT: Final = "serving_default"
_MOST_RANK: Final = 8


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """A route for each model that was named, with what its signature declares."""
    here = wanted.dialect == NAME or _MISSING in str(mapping(server.get("/v1/models").json).get("error", ""))
    routes: list[Route] = []
    service = ""
    for name in wanted.models[:MOST_MODELS]:
        page = route("GET", "/v1/models/", name)
        status = mapping(server.get(page.removeprefix("GET ")).document) if page else {}
        if page and (here or "model_version_status" in status):
            routes += _model(server, page.removeprefix("GET "))
            service = service or slug(name)
    if not routes and not here:
        return None
    notes = () if routes else ("TensorFlow Serving lists no models: --model NAME asks for the signature of one",)
    if not routes:
        why = "GET /v1/models answers in TensorFlow Serving's words"
        nothing = "No model is known, so nothing is declared."
        routes = [Route("POST /v1/models/{model}:predict", NAME, why, notes=(nothing,))]
    passed = {"GET /v1/models/{model}": "status of models", "GET /v1/models/{model}/metadata": "signatures of models"}
    return SurveyResult("TensorFlow Serving", tuple(routes), passed, "", service, notes)


def _model(server: Server, page: str) -> Iterator[Route]:
    path = f"{page}/metadata"
    answer = server.get(path)
    document = mapping(answer.document)
    signatures = mapping(mapping(mapping(document.get("metadata")).get("signature_def")).get("signature_def"))
    usable = {key: mapping(value) for key, value in signatures.items() if not key.startswith("__")}
    why = f"GET {line(page)} shows TensorFlow Serving's versions"
    predict = Route(f"POST {page}:predict", NAME, why)
    chosen = usable.get(_DEFAULT)
    if chosen is None:
        known = f"; its signatures are {', '.join(line(item, 40) for item in list(usable)[:5])}" if usable else ""
        yield predict.noted(f"Nothing declared: GET {line(path)} shows no signature {_DEFAULT}{known}.")
    else:
        yield _predict(predict, chosen, path, [item for item in usable if item != _DEFAULT])
    for verb in _VERBS:
        if any(str(item.get("method_name", "")).endswith(f"/{verb}") for item in usable.values()):
            nothing = "Takes examples, which the signature does not describe."
            yield Route(f"POST {page}:{verb}", NAME, f"a signature is made for {verb}", notes=(nothing,))


def _predict(route: Route, signature: dict[str, Any], path: str, others: list[str]) -> Route:
    notes: list[str] = []
    source = f"from GET {line(path)}, {_DEFAULT}"
    inputs = dict(_fields(mapping(signature.get("inputs")), source, notes))
    outputs = dict(_fields(mapping(signature.get("outputs")), source, notes))
    several = len(mapping(signature.get("outputs"))) > 1
    if several and len(outputs) == 1:  # alone here, but not in the answer: it stands under its name
        [(name, output)] = outputs.items()
        outputs = {name: Field({"at": join(("predictions", "*", name)), **output.shape}, output.source)}
    settings = reasons = {}
    if len(inputs) < len(mapping(signature.get("inputs"))):
        settings, reasons = {"undeclared": "pass"}, {"undeclared": "an input could not be declared, see above"}
        if len(inputs) == 1:  # a bare row would be taken for it
            inputs = {}
            notes.append("No input is declared: a single one would be taken for the whole row.")
    if others:
        names = ", ".join(line(output, 40) for output in others[:5])
        notes.append(f"Requests that name another signature ({names}) are checked against this one too.")
    return Route(route.key, route.dialect, route.why, settings, reasons, inputs, outputs, notes=tuple(notes))


def _fields(tensors: dict[str, Any], source: str, notes: list[str]) -> Iterator[tuple[str, Field]]:
    for name, value in list(tensors.items())[:1000]:
        entry = mapping(value)
        dtype = entry.get("dtype")
        if not nameable(name) or not isinstance(dtype, str) or dtype not in TYPES:
            why = ", which goes as text or as base64" if dtype == "DT_STRING" else ""
            notes.append(f"Not declared: {line(name, 40)}, {line(dtype, 20)}{why}.")
            continue
        shape = _shape(mapping(entry.get("tensor_shape")))
        if shape is None:
            notes.append(f"Not declared: {line(name, 40)}, {dtype} of unknown rank.")
            continue
        yield name, Field(_nested(TYPES[dtype], shape[1:]), f"{source}: {dtype} {shape}")


def _shape(entry: dict[str, Any]) -> list[int] | None:
    """Dimensions; None where the rank is not known."""
    sizes = [mapping(item).get("size") for item in listed(entry.get("dim"))]
    if entry.get("unknown_rank") is True or not 0 < len(sizes) <= _MOST_RANK:
        return None
    dimensions = [
        int(size)
        for size in sizes
        if isinstance(size, str | int) and str(size).isascii() and str(size).lstrip("-").isdecimal()
    ]
    return dimensions if len(dimensions) == len(sizes) and all(-1 <= item < 1 << 53 for item in dimensions) else None


def _nested(kind: str, shape: list[int]) -> Shape:
    """A value of a row: lists in lists, as long as the dimensions say."""
    if not shape:
        return {"type": kind}
    size: Shape = {} if shape[0] == -1 else {"min_items": shape[0], "max_items": shape[0]}
    return {"type": "array", **size, "items": _nested(kind, shape[1:])}


SOURCE: Final = Source((NAME,), find)
