"""Every status and code that a route can answer with: asked of the rescue table, the dialect and the disabled rung."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from guard.contract.violation_codes import BY_KEY
from guard.kit.contract.codes import explained_code, violation
from guard.kit.contract.reasons import reasons
from guard.kit.contract.values import CodeMeaning, Field, Status
from guard.kit.description import ContractDescription, RouteDescription
from guard.ladder.disabled import implied_status
from guard.policy.loading import Loaded
from guard.policy.scalars import Origin
from guard.proxy.rescue import STATUS
from guard.proxy.values import UNREADABLE, VIOLATIONS, RefusalCode

_ALWAYS: Final[tuple[RefusalCode, ...]] = (
    "bad_request", "request_timeout", "target_too_long", "headers_too_large", "internal", "draining", "overloaded",
)  # fmt: skip
_MEDIA: Final[tuple[RefusalCode, ...]] = (
    "unsupported_media_type", "coding_unsupported", "coding_malformed", "coding_ratio", "coding_window",
)  # fmt: skip
"""Refusals of a body for what its head says of it."""
_AGES: Final = {"rows", "not_finite", "stale", "future", "encoding", "offset"}
"""Violations that no JSON Schema file finds."""
_USUAL: Final = frozenset((400, 401, 403, 404, 409, 413, 415, 422))
"""Refusals of model servers that pages name; any other reaches its client in the same shape."""
_PASSED: Final = "whatever the model server answers, of any status"
_ANSWERED: Final = "an answer; `x-guard-source` says whose. The model server's own 2xx statuses are kept"


def statuses(described: RouteDescription, loaded: Loaded, upstream: Origin) -> Iterator[Status]:
    """Statuses by number."""
    route = described.contract if isinstance(described, ContractDescription) else None
    yield Status(200, "answer", (), text=_PASSED if route is None else _ANSWERED)
    grouped: dict[tuple[int, bool], list[str]] = {}
    for status, code in _refusals(described):
        grouped.setdefault((status, False), []).append(code)
    declared = route.fallback.disabled if route is not None else None
    last, model = reasons(route, loaded, upstream)
    for reason in last:
        status = declared.status if declared is not None else implied_status(reason)
        grouped.setdefault((status, False), []).append(reason)
    for reason in model:
        status = implied_status(reason)
        if reason not in grouped.get((status, False), ()):
            grouped.setdefault((status, True), []).append(reason)
    for (status, requested), codes in sorted(grouped.items()):
        own = declared if declared is not None and status == declared.status and not requested else None
        kind: Literal["client", "service"] = "service" if own is not None or status >= 500 else "client"
        text = (
            "where nobody answers: a body of its own, and not an error" if own is not None and own.body is not None else ""
        )
        yield Status(status, kind, tuple(explained_code(code) for code in dict.fromkeys(codes)), requested, text)


def everywhere() -> tuple[Status, ...]:
    """Statuses that every route can answer."""
    return tuple(
        Status(
            status,
            "client" if status < 500 else "service",
            tuple(explained_code(code) for code in _ALWAYS if STATUS[code] == status),
        )
        for status in sorted({STATUS[code] for code in _ALWAYS})
    )


def elsewhere() -> tuple[Status, ...]:
    """Statuses for a path without a route."""
    codes: tuple[RefusalCode, ...] = ("not_found", "method_not_allowed")
    return tuple(Status(STATUS[code], "client", (explained_code(code),)) for code in codes)


def violations(described: ContractDescription, fields: Iterable[Field]) -> tuple[CodeMeaning, ...]:
    """Violation codes that a 422 may name."""
    route, plain = described.contract, described.dialect.plain
    codes: set[str]
    if described.body == "schema":
        codes = {code for code in VIOLATIONS if code not in _AGES}
    elif not described.judged or described.observe:
        return ()
    else:
        codes = {"shape"} if not plain or route.columns is not None or route.rows is not None else set()
        if not plain:
            codes |= {"format", "missing", "unknown", "items"}
        if "text/csv" in described.dialect.request_layout.content:
            codes.add("encoding")
        for field in fields:
            codes |= set(_of_field(field))
        if route.rows is not None:
            codes |= {"missing", "items"}
        if route.max_rows is not None:
            codes.add("rows")
        if route.undeclared == "reject":
            codes.add("unknown")
    return tuple(violation(code) for code in VIOLATIONS if code in codes)


def _of_field(field: Field) -> Iterator[str]:
    yield "type"
    for effect in (field.missing, field.null, field.future):
        if effect is not None and effect.becomes == "denied" and effect.code is not None:
            yield effect.code
    yield from (code for key, code in BY_KEY.items() if key in field.value.bounds)
    if field.value.shape.type == "timestamp":
        yield "format"
        if field.value.shape.unit is None and field.value.shape.zone is None:
            yield "offset"


def _refusals(described: RouteDescription) -> Iterator[tuple[int, RefusalCode]]:
    if not isinstance(described, ContractDescription):
        return
    yield STATUS["body_too_large"], "body_too_large"
    if described.judged or described.body == "opaque":
        for refused in _MEDIA:
            yield STATUS[refused], refused
    if described.judged:
        for unread in UNREADABLE:
            yield STATUS[unread], unread
        if not described.observe:
            yield STATUS["contract"], "contract"
    for status, fault in sorted(described.dialect.faults.items()):
        if status in _USUAL and fault.cause != "never" and fault.then == "client_fault":
            yield status, "upstream_refused"
