"""Reasons for which a route may have no answer: everything the policy allows to close the rungs above `disabled`."""

from guard.policy.ladder import Cel
from guard.policy.loading import Loaded
from guard.policy.route import Route
from guard.policy.scalars import Origin
from guard.proxy.values import DISABLED, REASONS, Reason


def reasons(route: Route | None, loaded: Loaded, upstream: Origin) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Reasons that may close the last rung above `disabled`, and the first one for a client that wants only the model."""
    orders = {"mode"} | ({"kill_file"} if loaded.policy.kill_file is not None else set())
    model = orders | _calling(upstream)
    if route is None:
        return _ordered(model), _ordered(model)
    burn = loaded.policy.targets.burn
    if burn is not None and "descend" in burn.act:
        model |= {"burn"}
        orders |= {"burn"} if burn.descend == DISABLED else set()
    lowering = _lowering(route)
    model |= lowering | {"breaker_open", "backoff", "status"} | _answering(route, loaded)
    last = model
    if (previous := route.fallback.previous) is not None:
        last = (model - {"version", "tls"}) | _calling(previous.url)
    if route.fallback.cached is not None:
        last = orders | lowering | {"miss"}
    if route.fallback.rules is not None:
        last = orders | _rules(route)
    return _ordered(last), _ordered(model)


def _calling(server: Origin) -> set[str]:
    """A server that is called."""
    codes = {"forced", "overloaded", "no_time", "connect", "reset", "timeout", "malformed"}
    return codes | ({"tls"} if server.scheme == "https" else set())


def _lowering(route: Route) -> set[str]:
    """Inputs that no model should answer from."""
    if route.enforcement == "observe":
        return set()
    fields = route.inputs.values()
    stale = {"stale"} if any(field.freshness is not None for field in fields) else set()
    return stale | ({"missing"} if any(field.missing == "fall" for field in fields) else set())


def _answering(route: Route, loaded: Loaded) -> set[str]:
    """Answers that are not taken."""
    if route.output is None:
        return set()
    codes = {"invalid"} if route.enforcement == "enforce" else set()
    if not route.stream:
        codes.add("too_large")
    release = loaded.policy.release
    return codes | ({"version"} if release is not None and release.strict else set())


def _rules(route: Route) -> set[str]:
    """Rules that do not answer."""
    rules = route.fallback.rules or ()
    computed = any(isinstance(item, Cel) for rule in rules for item in rule.answer.values())
    codes = {"no_rule"} if rules[-1].when is not None else set()
    if computed or any(rule.when is not None for rule in rules):
        codes.add("rule_error")
    return codes | ({"invalid"} if computed and route.enforcement == "enforce" else set())


def _ordered(codes: set[str]) -> tuple[Reason, ...]:
    return tuple(reason for reason in REASONS if reason in codes)
