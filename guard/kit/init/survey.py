"""Survey of a server: asks every source in this order and joins their findings in one draft.

Families that say what they are come first; an OpenAPI document is read where no family was found, for a family's own
document lists what is for operators, too; a bare `/ping` is the last straw.
"""

import secrets
from dataclasses import replace
from typing import Final

from guard.kit.init import kserve, mlflow, oip, openai, openapi, sagemaker, tei, tfserving
from guard.kit.init.draft import Found, Source, Wanted
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


def survey(server: Server, wanted: Wanted) -> Found | None:
    """The server and its routes; None if no source recognises it."""
    everything = server.get(f"/guard-init-{secrets.token_hex(8)}").fine
    found: list[Found] = []
    for source in (*FAMILIES, *OTHERS):
        if wanted.dialect and wanted.dialect not in source.dialects:
            continue
        if (source in OTHERS and found) or (source.vague and everything and not wanted.dialect):
            continue
        one = source.find(server, wanted)
        if one is not None:
            found.append(one)
    if not found:
        return None
    whole = _together(found)
    if everything:  # then that a path answers says nothing
        whole = replace(whole, probe="", notes=(*whole.notes, "every path answers with success: health is unknown"))
    return whole


def _together(found: list[Found]) -> Found:
    """One server may speak several dialects; of two routes with one key the first found stays."""
    routes = {route.key: route for one in reversed(found) for route in reversed(one.routes)}
    ordered = tuple(dict.fromkeys(route.key for one in found for route in one.routes))
    passed = {key: why for one in reversed(found) for key, why in one.passed.items()}
    return Found(
        server="; ".join(one.server for one in found),
        routes=tuple(routes[key] for key in ordered),
        passed={key: why for key, why in passed.items() if key not in routes},
        probe=next((one.probe for one in found if one.probe), ""),
        service=next((one.service for one in found if one.service), "") or "model",
        notes=tuple(dict.fromkeys(note for one in found for note in one.notes)),
    )
