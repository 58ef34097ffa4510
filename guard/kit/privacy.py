"""`guard privacy`: each field and output of a policy, and in what form it reaches the model, log, trace, metric and cache.

The same decisions that the data plane is compiled from (`policy/telling.py`), written for whoever reviews them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from guard.policy.fields import InputField, OutputField, SchemaFile, Shape, most_sensitive
from guard.policy.load import Loaded
from guard.policy.models import Denied, Passthrough, Policy
from guard.policy.route import Route
from guard.policy.scalars import write_duration
from guard.policy.telling import measures
from guard.privacy.sensitivity import LEVELS, MEASURED

NEVER: Final = "never"
CLOSE: Final = frozenset(LEVELS[LEVELS.index("personal") :])
"""Levels about a person."""

METRICS: Final = {
    "class": "counts by class",
    "number": "histogram of the values",
    "vector": "histogram of the largest value",
    "presence": "whether there was one",
}
REQUEST: Final = (
    ("body", "as its route declares, below", NEVER),
    ("path", "forwarded as sent", "the route's template only, never the path itself"),
    ("query", "forwarded as sent", NEVER),
    ("headers, cookies, credentials", "forwarded, but for those of one connection and those of guard itself", NEVER),
    ("client's address", "in X-Forwarded-For", NEVER),
    ("traceparent", "with our span in it, where traces are exported", "trace id"),
    ("tracestate", "from trusted proxies only", NEVER),
    ("baggage", "", NEVER),
    ("trailers", "not forwarded", NEVER),
)


def report(loaded: Loaded) -> dict[str, Any]:
    """The whole report; the same policy makes the same report."""
    policy = loaded.policy
    routes = [_route(policy, key, route) for key, route in policy.routes.items()]
    fields = [field for route in routes for field in (*route["inputs"], *route["outputs"])]
    counts = Counter(field["sensitivity"] for field in fields)
    owners = policy.owners
    return {
        "service": policy.service,
        "policy": loaded.digest,
        "upstream": str(policy.upstream.url),
        "owners": {name: value for name, value in owners.model_dump(exclude={"incidents"}).items() if value},
        "request": [
            {"part": part, "model": model or _baggage(policy), "telemetry": telemetry} for part, model, telemetry in REQUEST
        ],
        "fields_by_sensitivity": {level: counts[level] for level in LEVELS if counts[level]},
        "routes": routes,
        "review": list(_review(policy)),
    }


def _baggage(policy: Policy) -> str:
    allowed = policy.privacy.baggage
    return f"members {', '.join(allowed)} only" if allowed else "not forwarded"


def _route(policy: Policy, key: str, route: Route | Passthrough | Denied) -> dict[str, Any]:
    made: dict[str, Any] = {"route": key, "about": "", "recipients": [], "inputs": [], "outputs": []}
    if isinstance(route, Denied):
        return {**made, "about": "Answered 404; nothing is forwarded."}
    made["recipients"] = [str(policy.upstream.url)]
    if isinstance(route, Passthrough):
        return {
            **made,
            "about": "Passed on both ways as it is; guard reads none of it, and tells only status, size and time.",
        }
    if route.fallback.previous is not None:
        made["recipients"].append(str(route.fallback.previous.url))
    return {
        **made,
        "about": " ".join(_about(route)),
        "inputs": [one for name, field in route.inputs.items() for one in _input(policy, route, name, field)],
        "outputs": [_output(policy, route, name, field) for name, field in route.outputs.items()],
    }


def _about(route: Route) -> Iterator[str]:
    if route.content is not None:
        yield f"The body is opaque ({', '.join(route.content)}): forwarded as sent, in no telemetry, in no cache."
    elif isinstance(route.input, SchemaFile):
        yield f"The input is described by {route.input.schema_.path.name}: checked and forwarded; no field of it is told."
    elif route.input is None:
        yield "No input is declared: the body is forwarded as sent, in no telemetry."
    else:
        yield {
            "strip": "Undeclared fields are removed before the model sees them.",
            "reject": "A request with an undeclared field is refused.",
            "pass": "Undeclared fields reach the model unread.",
        }[route.undeclared]
    if isinstance(route.output, SchemaFile):
        yield f"The output is described by {route.output.schema_.path.name}: checked; no part of it is told."
    if route.enforcement == "observe":
        yield "Observed only: the model gets the client's own bytes, less fields that are never sent."


def _input(policy: Policy, route: Route, name: str, field: InputField) -> Iterator[dict[str, Any]]:
    """A field, and what is declared inside it."""
    yield {
        **_declared(name, field),
        "raw": not field.derived,
        "model": _to_model(route, field),
        "log": _to_log(policy, field, logged=field.log),
        "trace": NEVER,
        "metric": "counts only: missing, defaulted, at a bound, violations" + (", age" if field.freshness else ""),
        "cache": _to_cache(route, name, field),
    }
    yield from _inside(route, field, name, field)


def _inside(route: Route, top: InputField, name: str, shape: Shape) -> Iterator[dict[str, Any]]:
    below = {f"{name}/{key}": one for key, one in (shape.fields or {}).items()}
    if shape.items is not None:
        below[f"{name}/*"] = shape.items
    for path, one in below.items():
        yield {
            **_declared(path, one),
            "raw": not top.derived,
            "model": _to_model(route, top, one),
            "log": f"inside {name}" if top.log else NEVER,
            "trace": NEVER,
            "metric": f"counted as {name}" if "/" not in name else "counted with the field it is in",
            "cache": _to_cache(route, name.partition("/")[0], top),
        }
        yield from _inside(route, top, path, one)


def _declared(name: str, shape: Shape) -> dict[str, Any]:
    return {
        "name": name,
        "type": shape.type,
        "unit": shape.unit or "",
        "description": shape.description or "",
        "required": shape.required,
        "sensitivity": shape.sensitivity,
        "declared": shape.given("sensitivity"),
    }


def _to_model(route: Route, field: InputField, inner: Shape | None = None) -> str:
    if not field.send:
        return "never: checked here and removed"
    if route.enforcement == "observe":
        return "as sent"
    detect = (inner or field).detect
    return f"value, with {', '.join(detect)} replaced by a word" if detect else "value"


def _to_log(policy: Policy, field: InputField | OutputField, *, logged: bool) -> str:
    """In the line of a sampled exchange; no other line holds a value."""
    share = f"{policy.telemetry.trace_sample:.3%}".rstrip("0%").rstrip(".") + "% of exchanges"
    if field.treatment == "drop" or field.sensitivity == "secret":
        return NEVER
    if field.treatment == "mask":
        return "the word [masked]"
    if field.treatment == "hash":
        keyed = policy.privacy.hash_key is not None
        return "keyed hash (HMAC-SHA-256)" if keyed else "the word [redacted]: no privacy.hash_key is declared"
    return f"value, in a sample of {share}" if logged and most_sensitive(field) in MEASURED else NEVER


def _to_cache(route: Route, name: str, field: InputField) -> str:
    cached = route.fallback.cached
    if cached is None:
        return NEVER
    used = field.send if cached.key is None else name in cached.key
    return "in a keyed digest, in memory" if used else NEVER


def _output(policy: Policy, route: Route, name: str, field: OutputField) -> dict[str, Any]:
    told = {measure.name: measure for measure in measures(route.outputs)}
    cached = route.fallback.cached
    return {
        **_declared(name, field),
        "meaning": field.meaning or "",
        "client": "value",
        "log": _to_log(policy, field, logged=True),
        "trace": NEVER,
        "metric": METRICS[told[name].kind] if name in told else NEVER,
        "cache": f"value, in memory for {write_duration(cached.max_age)} at most" if cached is not None else NEVER,
    }


def _review(policy: Policy) -> Iterator[str]:
    """What a reviewer should ask about."""
    if policy.privacy.hash_key is None and any("hash" in treatments for treatments in _treatments(policy)):
        yield "privacy.hash_key: a field has treatment hash and there is no key, so [redacted] stands in its place"
    for key, route in policy.routes.items():
        if isinstance(route, Passthrough):
            yield f"{key}: passthrough, so nothing is checked or removed"
        elif isinstance(route, Route):
            yield from (f"{key}: {question}" for question in _questions(route))


def _questions(route: Route) -> Iterator[str]:
    if route.enforcement == "observe":
        yield "the contract is observed, not enforced"
    if route.undeclared == "pass":
        yield "undeclared fields reach the model"
    fields: Mapping[str, InputField | OutputField] = {**route.inputs, **route.outputs}
    silent = [name for name, field in fields.items() if not field.given("sensitivity")]
    if silent:
        yield f"sensitivity not declared, so taken for internal: {', '.join(silent)}"
    for name, field in route.inputs.items():
        text = field.type == "string" and field.enum is None and field.pattern is None
        if text and field.send and field.sensitivity in CLOSE and not field.detect:
            yield f"{name} is free text about a person and nothing is detected in it"
    close = [name for name, field in route.outputs.items() if most_sensitive(field) in CLOSE]
    if route.fallback.cached is not None and close:
        yield f"answers are kept in memory, and with them {', '.join(close)}"


def _treatments(policy: Policy) -> Iterator[set[str | None]]:
    for route in policy.routes.values():
        if isinstance(route, Route):
            yield {field.treatment for field in route.inputs.values()}
