"""The bounds of the histograms of durations: every promise of the policy is one, so that each can be measured exactly.

All routes share them, as queries sum over routes: buckets of different bounds do not add up.
"""

from typing import Final

from guard.policy.models import Policy, Route
from guard.telemetry.instruments import SECONDS

MOST_TIMEOUTS: Final = 8
"""Different timeouts that are bounds; of more than these only the longest."""
_STEPS: Final = (10.0, 25.0, 50.0, 75.0)


def duration_bounds(policy: Policy) -> tuple[float, ...]:
    """OpenTelemetry's advised bounds, the target, the timeouts of requests, and steps up to the longest of these."""
    timeouts = sorted({route.timeout.request for route in policy.routes.values() if isinstance(route, Route)})
    promises = set(timeouts[-1:] if len(timeouts) > MOST_TIMEOUTS else timeouts)
    target, longest = policy.targets.latency_p95, max(promises, default=0.0)
    if target is not None:
        promises |= (
            {target} if target < longest else {target, 2 * target}
        )  # streams outlast timeouts: one bound is above it
    longest = max(promises, default=0.0)
    beyond = (step * 10.0**power for power in range(6) for step in _STEPS)
    return tuple(sorted({*SECONDS, *promises, *(bound for bound in beyond if bound < longest)}))
