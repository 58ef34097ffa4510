"""Connections to model servers, as the policy declares them, and the wait for the first answer of one."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from guard.control.tls import client_context
from guard.policy.compiled import CompiledPlan
from guard.policy.ladder import TargetLimits, TargetTls
from guard.policy.loading import Loaded
from guard.policy.scalars import Origin
from guard.proxy.answer_heads import HeadLimits
from guard.proxy.budget import Budget
from guard.proxy.pool import Pool
from guard.proxy.probe import Probe

PROBE_EVERY: Final = 1.0
"""Seconds between two probes, and the longest that one may take."""


def upstream_pool(origin: Origin, declared: TargetTls | None, limits: TargetLimits, budget: Budget) -> Pool:
    """A pool for one origin. Raises OSError for its certificates."""
    declared = declared or TargetTls()
    context = None
    if origin.scheme == "https":
        files = (file.path if file is not None else None for file in (declared.ca, declared.cert, declared.key))
        context = client_context(*files)
    return Pool(
        host=origin.host,
        port=origin.port,
        path=origin.socket or None,
        tls=context,
        server_name=(declared.server_name or origin.host) if context is not None else None,
        max_age=limits.max_connection_age,
        keep=limits.idle,
        limits=HeadLimits(**{name: getattr(limits, name) for name in HeadLimits.__dataclass_fields__}),
        budget=budget,
    )


async def seen_once(in_force: Callable[[], tuple[Loaded, CompiledPlan]]) -> None:
    """Ask each second until the model server answers; a lower rung is enough where the policy says so."""
    while True:
        loaded, plan = in_force()
        if loaded.policy.ready != "model":
            return
        begun = monotonic()
        if await Probe(plan.probe, loaded.policy.upstream.probe).ask(PROBE_EVERY):
            return
        await asyncio.sleep(max(0.0, begun + PROBE_EVERY - monotonic()))
