"""Warnings about targets that act, and about times that contradict `targets.latency_p95`."""

from collections.abc import Iterator
from typing import Final

from guard.policy.errors import Path as Pointer
from guard.policy.models import Policy, Route
from guard.policy.scalars import write_duration
from guard.proxy.values import CACHED, DISABLED, LEVEL, PREVIOUS, RULES, Source

FAST: Final = 14.4
REACHABLE: Final = 0.8
"""Share of the highest possible burn rate that a factor is at most (`guard.targets.burn`)."""
LATENCY_BUDGET: Final = 0.05


def burning(policy: Policy) -> Iterator[tuple[Pointer, str]]:
    """Warnings about a `targets.burn` that cannot act, below `targets`."""
    targets, burn = policy.targets, policy.targets.burn
    if burn is None:
        return
    shares = {
        "error_rate": targets.error_rate,
        "availability": None if targets.availability is None else 1 - targets.availability,
        "model_share": None if targets.model_share is None else 1 - targets.model_share,
    }
    budgets = {name: round(share, 12) for name, share in shares.items() if share is not None and 0 < share < 1}
    if not budgets and targets.latency_p95 is None:
        yield ("burn",), "no target has a budget that could burn: latency_p95, error_rate, availability or model_share"
    for name, budget in budgets.items():
        if (factor := REACHABLE / budget) < FAST:
            yield (
                (name,),
                f"a budget of {budget:.4g} cannot burn {FAST} times as fast as it may: `fast` begins at {factor:.3g} times",
            )
    if "descend" in burn.act and burn.descend is not None:
        if targets.latency_p95 is None and targets.error_rate is None:
            yield ("burn", "act"), "only latency_p95 and error_rate lead to a descent, and neither is declared"
        routes = {key: route for key, route in policy.routes.items() if isinstance(route, Route)}
        without = [key for key, route in routes.items() if not _descends(route, LEVEL[burn.descend])]
        if burn.descend != DISABLED and without:
            named = "no route has" if len(without) == len(routes) else f"{', '.join(without[:3])} has not"
            yield ("burn", "descend"), f"{named} a rung that answers at {burn.descend} or below: nothing descends there"


def _descends(route: Route, level: int) -> bool:
    fallback = route.fallback
    rungs: dict[Source, object] = {PREVIOUS: fallback.previous, CACHED: fallback.cached, RULES: fallback.rules}
    return any(declared is not None and LEVEL[rung] >= level for rung, declared in rungs.items())


def late(policy: Policy, route: Route) -> Iterator[tuple[Pointer, str]]:
    """Times of a route that contradict the latency target, below the route."""
    target = policy.targets.latency_p95
    if target is None:
        return
    limits = route.limits.queue_timeout if route.limits is not None else None
    waits = limits if limits is not None else policy.upstream.limits.queue_timeout
    if waits > target:
        text = f"a call waits up to {write_duration(waits)} for a slot, longer than targets.latency_p95"
        yield ("limits", "queue_timeout"), f"{text}, {write_duration(target)}"
    slow = route.breaker.slow if route.breaker is not None else None
    if slow is not None and slow.duration > target:
        text = f"a call is slow from {write_duration(slow.duration)}, later than targets.latency_p95"
        yield ("breaker", "slow", "duration"), f"{text}, {write_duration(target)}"
