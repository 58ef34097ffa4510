"""Text Embeddings Inference: `/info` names the model, its kind and the limits of a request."""

from typing import Any, Final

from guard.kit.init.draft import Found, Route, Wanted
from guard.kit.init.server import Server, answering, mapping
from guard.kit.init.words import line, slug

ASKED: Final = ("/info", "/health", "/docs")
KINDS: Final = {
    "embedding": ("/embed", "/embed_all", "/similarity"),
    "classifier": ("/predict",),
    "reranker": ("/rerank",),
}
"""What each kind of model answers, by TEI's docs/openapi.json."""
_LIMITS: Final = ("max_input_length", "max_client_batch_size", "max_batch_tokens")


def find(server: Server, wanted: Wanted) -> Found | None:
    """The routes of its kind; their `inputs` may be a text, a list or a list of lists, so nothing is declared."""
    info = mapping(server.get("/info").document)
    kind = next((one for one in KINDS if one in mapping(info.get("model_type"))), None)
    if kind is None or not isinstance(info.get("model_id"), str) or wanted.dialect not in ("", "json"):
        return None
    why = f"GET /info names a model of kind {kind}, as Text Embeddings Inference does"
    limits = ", ".join(f"{name} {line(info[name], 20)}" for name in _LIMITS if name in info)
    notes = ["Nothing declared: `inputs` is a text, a list or a list of lists, and one type cannot say so."]
    notes += [f"GET /info: {limits}."] if limits else []
    notes += _labels(mapping(info["model_type"])[kind])
    routes = [
        Route(f"POST {path}", "json", why, notes=tuple(notes) if index == 0 else ())
        for index, path in enumerate(KINDS[kind])
    ]
    if kind == "embedding":
        routes.append(Route("POST /v1/embeddings", "openai", "it has OpenAI's route beside its own"))
    passed = answering(server, *ASKED)
    name = line(info["model_id"], 80)
    version = f" {line(info['version'], 20)}" if info.get("version") else ""
    return Found(
        server=f"Text Embeddings Inference{version} with {name}",
        routes=tuple(routes),
        passed=passed,
        probe="/health" if "GET /health" in passed else "",
        service=slug(name.rpartition("/")[2]),
    )


def _labels(said: Any) -> list[str]:
    labels = [line(one, 30) for one in mapping(mapping(said).get("id2label")).values()]
    return [f"Its labels: {', '.join(labels[:20])}{', …' if len(labels) > 20 else ''}."] if labels else []
