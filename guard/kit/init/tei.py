"""Text Embeddings Inference: `/info` names the model, its kind and the limits of a request."""

from typing import Any, Final

from guard.dialects.openai import OpenAI
from guard.dialects.tei import TextEmbeddings
from guard.kit.init.draft import Field, Route, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, answering, mapping
from guard.kit.init.words import line, nameable, slug

NAME: Final = TextEmbeddings.name
ASKED: Final = ("/info", "/health", "/docs")
KINDS: Final = {
    "embedding": ("/embed", "/embed_all", "/similarity"),
    "classifier": ("/predict",),
    "reranker": ("/rerank",),
}
"""Answers of each kind of model, by TEI's docs/openapi.json."""
_INFO: Final = "from GET /info:"
_MOST_LABELS: Final = 500


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The routes of its kind: how many inputs there may be, and the labels."""
    del wanted  # a server has one model, and says which
    info = mapping(server.get("/info").document)
    kind = next((item for item in KINDS if item in mapping(info.get("model_type"))), None)
    if kind is None or not isinstance(info.get("model_id"), str):
        return None
    details = mapping(mapping(info["model_type"])[kind])
    why = f"GET /info names a model of kind {kind}, as Text Embeddings Inference does"
    inputs, most = {}, info.get("max_client_batch_size")
    if type(most) is int and 0 < most < 1 << 53:
        shape = {"type": "integer", "min": 1, "max": most}
        inputs["batch"] = Field(shape, f"{_INFO} max_client_batch_size; the dialect's word for how many there are")
    outputs = _outputs(details)
    paths = ("/embed_sparse",) if details.get("pooling") == "splade" else KINDS[kind]
    routes = [Route(f"POST {path}", NAME, why, inputs=inputs, outputs=outputs) for path in paths]
    if kind == "embedding":
        routes.append(Route("POST /v1/embeddings", OpenAI.name, "it has OpenAI's route beside its own"))
    passed = answering(server, *ASKED)
    name = line(info["model_id"], 80)
    version = f" {line(info['version'], 20)}" if info.get("version") else ""
    return SurveyResult(
        server=f"Text Embeddings Inference{version} with {name}",
        routes=tuple(routes),
        passed=passed,
        probe="/health" if "GET /health" in passed else "",
        service=slug(name.rpartition("/")[2]),
    )


def _outputs(details: dict[str, Any]) -> dict[str, Field]:
    """The label of a classifier: one of those that the model's configuration names."""
    labels = list(mapping(details.get("id2label")).values())
    if not 0 < len(labels) <= _MOST_LABELS or not all(nameable(label) for label in labels):
        return {}
    return {"label": Field({"enum": list(dict.fromkeys(labels))}, f"{_INFO} id2label")}


SOURCE: Final = Source((NAME,), find, ASKED)
