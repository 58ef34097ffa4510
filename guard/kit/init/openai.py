"""Servers with OpenAI's API: vLLM, llama.cpp, SGLang, TGI and others. They list models, not what those accept."""

from typing import Final

from guard.dialects.openai import OpenAI
from guard.kit.init.draft import GENERATES, Route, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, answering, listed, mapping
from guard.kit.init.words import line, slug

NAME: Final = OpenAI.name
ROUTES: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
ASKED: Final = ("/v1/models", "/openai/v1/models", "/health", "/openapi.json")


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The three routes of the server, or those that its OpenAPI document lists."""
    for prefix in ("", "/openai"):
        listing = mapping(server.get(f"{prefix}/v1/models").document)
        if listing.get("object") == "list" or (wanted.dialect == NAME and not prefix):
            return _draft(server, prefix, [mapping(row).get("id") for row in listed(listing.get("data"))], wanted)
    return None


def _draft(server: Server, prefix: str, models: list[object], wanted: Wanted) -> SurveyResult:
    documented = mapping(mapping(server.get("/openapi.json").document).get("paths"))
    served = [path for path in ROUTES if prefix + path in documented]
    note = () if served else ("The server does not report which of these it serves; it answers 404 for the others.",)
    why = "by --dialect" if wanted.dialect else f"GET {prefix}/v1/models lists models as OpenAI's API does"
    routes = tuple(
        Route(f"POST {prefix}{path}", NAME, why, limits=GENERATES, notes=note if index == 0 else ())
        for index, path in enumerate(served or ROUTES)
    )
    passed = answering(server, f"{prefix}/v1/models", "/health")
    passed[f"GET {prefix}/v1/models/*"] = "the description of one model; names contain slashes"
    names = [line(model, 60) for model in models if isinstance(model, str)]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return SurveyResult(
        server="OpenAI's API" + (f", with {shown}" if names else ""),
        routes=routes,
        passed=passed,
        probe="/health" if "GET /health" in passed else "",
        service=slug(names[0].rpartition("/")[2]) if len(names) == 1 else "",
    )


SOURCE: Final = Source((NAME,), find, ASKED)
