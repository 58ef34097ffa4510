"""Every status and code that a route can answer with: asked of the rescue table, the dialect and the disabled rung."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from guard.kit.contract.codes import VIOLATIONS, said, violation
from guard.kit.contract.reasons import reasons
from guard.kit.contract.requests import judged
from guard.kit.contract.values import Field, Said, Status
from guard.kit.wire import Wire
from guard.ladder.disabled import implied_status
from guard.policy.fields import SchemaFile
from guard.policy.load import Loaded
from guard.policy.models import Passthrough
from guard.policy.route import Route
from guard.policy.scalars import Origin
from guard.proxy.rescue import STATUS
from guard.proxy.values import UNREADABLE, Answer, Dialect, RefusalCode

_ALWAYS: Final[tuple[RefusalCode, ...]] = (
    "bad_request", "request_timeout", "target_too_long", "headers_too_large", "internal", "draining", "overloaded",
)  # fmt: skip
_BOUNDS: Final = {
    "min": "min", "max": "max", "enum": "enum", "pattern": "pattern", "min_length": "length", "max_length": "length",
    "min_items": "items", "max_items": "items", "shape": "shape",
}  # fmt: skip
_WORDS: Final = (b"", b"invalid")
"""Bodies of an answer of a model server: some dialects find in it whose fault a status is."""


def statuses(route: Route | Passthrough, loaded: Loaded, upstream: Origin, dialect: Dialect) -> Iterator[Status]:
    """By status."""
    yield Status(200, "answer", (), text=_answered(route))
    found: dict[tuple[int, bool], list[str]] = {}
    for status, code in _refusals(route, dialect):
        found.setdefault((status, False), []).append(code)
    declared = route.fallback.disabled if isinstance(route, Route) else None
    last, model = reasons(route, loaded, upstream)
    for reason in last:
        status = declared.status if declared is not None else implied_status(reason)
        found.setdefault((status, False), []).append(reason)
    for reason in model:
        status = implied_status(reason)
        if reason not in found.get((status, False), ()):
            found.setdefault((status, True), []).append(reason)
    for (status, asked), codes in sorted(found.items()):
        own = declared if declared is not None and status == declared.status and not asked else None
        kind: Literal["client", "service"] = "service" if own is not None or status >= 500 else "client"
        text = (
            "where nobody answers: a body of its own, and not an error" if own is not None and own.body is not None else ""
        )
        yield Status(status, kind, tuple(said(code) for code in dict.fromkeys(codes)), asked, text)


def everywhere() -> tuple[Status, ...]:
    """What every route can answer, whatever it declares."""
    return tuple(
        Status(
            status, "client" if status < 500 else "service", tuple(said(code) for code in _ALWAYS if STATUS[code] == status)
        )
        for status in sorted({STATUS[code] for code in _ALWAYS})
    )


def elsewhere() -> tuple[Status, ...]:
    """Where no route is."""
    codes: tuple[RefusalCode, ...] = ("not_found", "method_not_allowed")
    return tuple(Status(STATUS[code], "client", (said(code),)) for code in codes)


def violations(laid: Wire, fields: Iterable[Field]) -> tuple[Said, ...]:
    """What a 422 may name."""
    route = laid.route
    if isinstance(route.input, SchemaFile):
        found = {
            "missing",
            "null",
            "type",
            "enum",
            "min",
            "max",
            "length",
            "pattern",
            "format",
            "items",
            "shape",
            "unknown",
        }
    elif not judged(route) or route.enforcement == "observe":
        return ()
    else:
        found = {"shape"} if not laid.plain or route.columns is not None or route.rows is not None else set()
        if not laid.plain:
            found |= {"format", "missing", "unknown", "items"}
        for field in fields:
            found |= set(_of_field(field))
        if route.rows is not None:
            found |= {"missing", "items"}
        if route.undeclared == "reject":
            found.add("unknown")
    return tuple(violation(code) for code in VIOLATIONS if code in found)


def _of_field(field: Field) -> Iterator[str]:
    yield "type"
    for effect in (field.missing, field.null, field.future):
        if effect is not None and effect.becomes == "denied" and effect.code is not None:
            yield effect.code
    yield from (code for key, code in _BOUNDS.items() if key in field.shape.bounds)
    if field.shape.type == "timestamp":
        yield "format"


def _answered(route: Route | Passthrough) -> str:
    if isinstance(route, Passthrough):
        return "whatever the model server answers, of any status"
    return "an answer; `x-guard-source` says whose. The model server's own 2xx statuses are kept"


def _refusals(route: Route | Passthrough, dialect: Dialect) -> Iterator[tuple[int, RefusalCode]]:
    if isinstance(route, Passthrough):
        return
    yield STATUS["body_too_large"], "body_too_large"
    if judged(route) or route.content is not None:
        yield STATUS["unsupported_media_type"], "unsupported_media_type"
    if judged(route):
        for unread in UNREADABLE:
            yield STATUS[unread], unread
        if route.enforcement == "enforce":
            yield STATUS["contract"], "contract"
    for status in range(400, 500):
        if any(dialect.outcome(Answer(status, [], body)) == "client_fault" for body in _WORDS):
            yield status, "upstream_refused"
