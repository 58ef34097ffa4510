"""KServe's V1 protocol: it lists its models, and says nothing of what they take."""

from typing import Final

from guard.dialects.kserve import KServe
from guard.kit.init.draft import MOST_MODELS, Route, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, answering, listed, mapping
from guard.kit.init.words import line, route, slug

NAME: Final = KServe.name
ASKED = ("/v1/models", "/")


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """A route for each model; nothing declared, for V1 has no metadata."""
    names = [name for name in listed(mapping(server.get("/v1/models").document).get("models")) if isinstance(name, str)]
    if wanted.dialect == NAME:
        names = list(wanted.models) or names
    elif wanted.models:
        known = frozenset(names)
        names = [name for name in wanted.models if name in known or _ready(server, name)]
    if not names and wanted.dialect != NAME:
        return None
    keys = {name: route("POST", "/v1/models/", name, ":predict") for name in dict.fromkeys(names[:MOST_MODELS])}
    why = "GET /v1/models lists models as KServe does; another server may list its models in the same way"
    if wanted.dialect == NAME:
        why = "by --dialect"
    nothing = "Nothing declared: V1 does not describe what a model takes and returns."
    routes = [Route(key, NAME, why, notes=(nothing,)) for key in keys.values() if key is not None]
    unlisted = [line(name) for name, key in keys.items() if key is None]
    notes = [f"not listed: the model {name}: its name does not fit into a path" for name in unlisted]
    if not routes:
        routes.append(Route("POST /v1/models/{model}:predict", NAME, why, notes=(nothing,)))
    passed = answering(server, *ASKED) | {"GET /v1/models/{model}": "readiness of models"}
    service = slug(names[0]) if len(names) == 1 else ""
    return SurveyResult("KServe's V1 protocol", tuple(routes), passed, "", service, tuple(notes))


def _ready(server: Server, name: str) -> bool:
    key = route("GET", "/v1/models/", name)
    document = mapping(server.get(key.removeprefix("GET ")).document) if key else {}
    return "ready" in document and "name" in document


SOURCE: Final = Source((NAME,), find, ASKED)
