"""Asks model servers which version they serve, where their answers do not say it; each again every ten seconds.

Servers that list their models are asked for the names, too: many answer with the client's own word for the model, and one
that the server lists is its own (`guard.proxy.served_version`).

The order of the sources (the reference's discovery order): the answer itself, its `x-model-version` header, the route's
path, what is asked for here, the environment (AIP_DEPLOYED_MODEL_ID), and the policy's release.
"""

import asyncio
import json
from collections.abc import Callable, Iterable

from guard.ladder.model import Model
from guard.policy.compiled import CompiledPlan
from guard.proxy.probe import Probe
from guard.proxy.values import Dialect, Target

EVERY = 10.0
WITHIN = 2.0
MOST_LISTED = 100
"""Names of a server's list that are believed: each may become a label."""


async def follow(plan: Callable[[], CompiledPlan]) -> None:
    """Keep `version` of every target that can be asked, for ever."""
    while True:
        await asyncio.gather(*(ask(dialect, page, targets) for dialect, page, targets in pages(plan())))
        await asyncio.sleep(EVERY)


def pages(plan: CompiledPlan) -> Iterable[tuple[Dialect, str, list[Target]]]:
    """A page to request, and the targets that it describes: routes of one model share a page."""
    targets: dict[tuple[str, str], tuple[Dialect, str, list[Target]]] = {}
    for route in plan.routes:
        page = route.dialect.status(route.template) if not route.dialect.version(route.template) else ""
        for target in (rung.target for rung in route.ladder if page and isinstance(rung, Model)):
            targets.setdefault((target.url, page), (route.dialect, page, []))[2].append(target)
    return targets.values()


async def ask(dialect: Dialect, page: str, targets: list[Target]) -> None:
    """One page. A server that does not answer, or not so, leaves what is known."""
    probe = Probe(targets[0], page)
    if not await probe.ask(WITHIN):
        return
    try:
        page = json.loads(probe.page)
        served, listed = dialect.served(page), dialect.listed(page)
    except (ValueError, RecursionError):
        return
    for target in targets:
        target.version = served[:128] or target.version
        target.own_words.update(name for name in listed[:MOST_LISTED] if 0 < len(name) <= 128)
