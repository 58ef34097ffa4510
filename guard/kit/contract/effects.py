"""Effects of a value that is missing, null, old or undeclared: the behaviour of `guard.contract` in words."""

from guard.kit.contract.values import Effect
from guard.policy.fields import Freshness, InputField, Shape
from guard.policy.route import Route
from guard.policy.scalars import write_duration

_DENIED = "422, violation `{}`"
_COUNTED = Effect("counted", "counted as a violation; the model gets the request as it was sent")
NO_COLUMN = Effect("left_out", "no column holds it: it is never in a request")


def missing(field: Shape, route: Route, *, column: bool) -> Effect:
    """The effect of a missing value. `column`: a positional row, in which null stands for a missing value."""
    if column:
        text = "422, violation `shape`: a row has all its columns"
        return _COUNTED if route.enforcement == "observe" else Effect("denied", text, "shape")
    if field.has_default:
        return _observing(route) or Effect("default", "the default is used")
    if not field.required:
        return Effect("left_out", "allowed: the model gets none")
    if route.enforcement == "observe":
        return _COUNTED
    if isinstance(field, InputField) and field.missing == "fall":
        return Effect("falls", "the model is not asked: a source below answers, reason `missing`", "missing")
    return Effect("denied", _DENIED.format("missing"), "missing")


def null(field: Shape, route: Route, *, column: bool) -> Effect:
    """The effect of a null value."""
    if field.nullable:
        return Effect("kept", "allowed: null is a value")
    if not field.required and not field.has_default and column:
        return Effect("kept", "allowed: no value")
    if not field.required:
        return missing(field, route, column=False)
    if route.enforcement == "observe":
        return _COUNTED
    if isinstance(field, InputField) and field.missing == "fall":
        return Effect("falls", "the model is not asked: a source below answers, reason `missing`", "missing")
    return Effect("denied", _DENIED.format("null"), "null")


def stale(freshness: Freshness, route: Route) -> Effect:
    """Older than it may be."""
    if route.enforcement == "observe":
        return _COUNTED
    age = write_duration(freshness.stale)
    return Effect("falls", f"older than {age}: the model is not asked, a source below answers, reason `stale`", "stale")


def future(freshness: Freshness, route: Route) -> Effect:
    """Later than now."""
    if route.enforcement == "observe":
        return _COUNTED
    return Effect("denied", f"more than {write_duration(freshness.skew)} ahead: {_DENIED.format('future')}", "future")


def undeclared(route: Route) -> Effect:
    """A member that nobody declared."""
    if route.enforcement == "observe":
        return Effect("passed", "reach the model unread: the contract is only observed")
    match route.undeclared:
        case "strip":
            return Effect("stripped", "are removed; the model never sees them")
        case "reject":
            return Effect("denied", "deny the request: 422, violation `unknown`", "unknown")
    return Effect("passed", "reach the model unread")


def _observing(route: Route) -> Effect | None:
    if route.enforcement != "observe":
        return None
    return Effect("left_out", "allowed: the model gets none, for defaults are not filled in while the contract is observed")
