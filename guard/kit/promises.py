"""Promises of monitoring for a policy, before it runs: how long a shift of each signal takes to be seen.

`targets.expected_rate` is the rate of all watched routes together, shared evenly; at most `monitor.rate` of it is looked
at. Until a reference is longer, it is the first 2,000 requests.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from guard.monitoring.promise import POINTS, Promise, promises
from guard.monitoring.stages import GROSS_REQUESTS
from guard.monitoring.watch import RouteWatch
from guard.policy.compiled import CompiledPlan
from guard.policy.models import Policy
from guard.policy.monitor import Monitor

NEVER: Final = "never"


class RoutePromises(NamedTuple):
    """The promises of one route. `rate`: its requests a second that are looked at; `rows`: those of its reference."""

    route: str
    rate: float
    rows: int
    promises: list[Promise]


def promised(policy: Policy, plan: CompiledPlan) -> Iterator[RoutePromises]:
    """The promises of each watched route; none where no rate is expected or monitoring is off."""
    monitor, expected = policy.monitor, policy.targets.expected_rate
    watched = [(route.key, route.watch.config) for route in plan.routes if isinstance(route.watch, RouteWatch)]
    if expected is None or not watched or not isinstance(monitor, Monitor):
        return
    rate = min(monitor.rate, expected / len(watched))
    for key, config in watched:
        rows = GROSS_REQUESTS if config.reference is None else config.reference.rows
        listed = promises(
            config.fields, threshold=config.threshold, rate=rate, rows=rows, tolerate=config.tolerate,
            fixed=config.season == "none",
        )  # fmt: skip
        yield RoutePromises(key, rate, rows, listed)


def lines(listed: RoutePromises) -> Iterator[str]:
    """The promises of a route as a table: a line for each signal, a column for each shift."""
    yield f"  {listed.route}: requests until a shift is seen, at {listed.rate:.3g}/s with a reference of {listed.rows:,}"
    wide = max(len(promise.signal) for promise in listed.promises)
    yield f"    {'signal':{wide}}  {'from':>5}" + "".join(f"  {f'+{points:.0%}':>16}" for points in POINTS)
    for place in range(0, len(listed.promises), len(POINTS)):
        some = listed.promises[place : place + len(POINTS)]
        yield f"    {some[0].signal:{wide}}  {some[0].before:5.0%}" + "".join(f"  {_cell(promise):>16}" for promise in some)


def document(listed: RoutePromises) -> dict[str, Any]:
    """The promises of a route as JSON; null where a shift is within the tolerance, and never seen."""
    return {
        "route": listed.route,
        "rate": listed.rate,
        "reference_rows": listed.rows,
        "shifts": [
            {"signal": promise.signal, "from": promise.before, "to": promise.after, "requests": promise.requests,
             "minutes": promise.minutes}
            for promise in listed.promises
        ],
    }  # fmt: skip


def _cell(promise: Promise) -> str:
    if promise.requests is None or promise.minutes is None:
        return NEVER
    minutes = promise.minutes
    time = f"{minutes * 60:.0f} s" if minutes < 1 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    return f"{promise.requests:,.0f} ({time})"
