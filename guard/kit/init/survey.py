"""Survey of a server: asks every source in this order and joins their findings in one draft.

Families that say what they are come first; an OpenAPI document is read where no family was found, for a family's own
document lists what is for operators, too; a bare `/ping` is the last straw.
"""

import secrets
from dataclasses import replace
from typing import Final

from guard.kit.init import kserve, mlflow, oip, openai, openapi, sagemaker, tei, tfserving
from guard.kit.init.draft import Source, SurveyResult, Wanted
from guard.kit.init.server import Server

FAMILIES: Final[tuple[Source, ...]] = (
    oip.SOURCE,
    kserve.SOURCE,
    tfserving.SOURCE,
    mlflow.SOURCE,
    openai.SOURCE,
    tei.SOURCE,
)
OTHERS: Final[tuple[Source, ...]] = (openapi.SOURCE, sagemaker.SOURCE)
"""Asked where no family was found."""

ASKED: Final = tuple(dict.fromkeys(path for source in (*FAMILIES, *OTHERS) for path in source.asked))
"""Requests that are sent to every server."""


def survey(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The server and its routes; None if no source recognises it."""
    everything = server.get(f"/guard-init-{secrets.token_hex(8)}").fine
    results: list[SurveyResult] = []
    for source in (*FAMILIES, *OTHERS):
        if wanted.dialect and wanted.dialect not in source.dialects:
            continue
        if (source in OTHERS and results) or (source.vague and everything and not wanted.dialect):
            continue
        result = source.find(server, wanted)
        if result is not None:
            results.append(result)
    if not results:
        return None
    combined = _together(results)
    if everything:  # then that a path answers says nothing
        combined = replace(
            combined, probe="", notes=(*combined.notes, "every path answers with success: health is unknown")
        )
    return combined


def _together(results: list[SurveyResult]) -> SurveyResult:
    """One server may speak several dialects; of two routes with one key the first found stays."""
    routes = {route.key: route for item in reversed(results) for route in reversed(item.routes)}
    ordered = tuple(dict.fromkeys(route.key for item in results for route in item.routes))
    passed = {key: why for item in reversed(results) for key, why in item.passed.items()}
    return SurveyResult(
        server="; ".join(item.server for item in results),
        routes=tuple(routes[key] for key in ordered),
        passed={key: why for key, why in passed.items() if key not in routes},
        probe=next((item.probe for item in results if item.probe), ""),
        service=next((item.service for item in results if item.service), "") or "model",
        notes=tuple(dict.fromkeys(note for item in results for note in item.notes)),
    )
