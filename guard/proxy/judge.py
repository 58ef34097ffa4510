"""Asks every judge of a route, and is the only place that makes a Permit."""

from collections.abc import Mapping
from functools import lru_cache
from math import inf

from guard.proxy.forwarding import forward
from guard.proxy.headers import CODED_DROPS, REQUEST_DROPS, patience
from guard.proxy.values import (
    STREAM,
    Allow,
    Amend,
    Deny,
    Head,
    Headers,
    Lower,
    Message,
    Permit,
    Reason,
    Record,
    Refused,
    Route,
    Stream,
)


def judge(  # noqa: C901 — one question after the other
    route: Route, head: Head, body: bytes | Stream, record: Record, now: float, wall: float
) -> Permit:
    """Let every judge of the route look at the request. Raises Refused.

    A judge that crashes denies (law 3): the exception leaves here as it is and ends as a 500 with a Record.
    """
    document: object = None
    lowered: Reason | None = None
    rows: int | None = None
    message: Message | None = None
    sent = body
    if body is not STREAM:
        for one in route.judges:
            match verdict := one.judge(head, body, wall):
                case Amend():
                    body, document, rows = verdict.body, verdict.document, verdict.rows
                case Allow():
                    document, rows = verdict.document, verdict.rows
                case Lower():
                    body, document, rows = verdict.body, verdict.document, verdict.rows
                    lowered = verdict.reason
                case Deny():
                    record.violations = [*record.violations, *verdict.violations]
                    raise Refused(verdict.code, record.violations)
            record.facts, message = verdict.facts or record.facts, verdict.message
            if verdict.violations:
                record.violations = [*record.violations, *verdict.violations]
    if document is not None:
        note(record, route, document, rows)
    drops = dropped(route.output is not None, route.deadline_header)
    deadline, wish = now + route.request, inf
    if route.deadline_header:
        wish = now + patience(head.get(route.deadline_header))
    onward = Head(head.method, head.target, forward(head, record, drops, route.baggage))
    if message is not None:
        record.named = message.named
        if body is not STREAM and body is not sent:
            onward.headers = _changed(onward.headers, message.headers(body))
    until, shortened = min(deadline, wish), wish < deadline
    return Permit(
        route, head, onward, body, document, rows, lowered, until, record.request_id, wall, shortened, message=message
    )


@lru_cache(1024)
def dropped(judged: bool, deadline_header: bytes) -> frozenset[bytes]:  # noqa: FBT001 — a key
    """Names of a request's fields that are not passed on; made once for each kind of route."""
    return (CODED_DROPS if judged else REQUEST_DROPS) | ({deadline_header} if deadline_header else frozenset())


def _changed(headers: Headers, changes: Mapping[bytes, bytes | None]) -> Headers:
    """The head that goes with an amended body."""
    kept = [(name, value) for name, value in headers if name not in changes]
    return kept + [(name, value) for name, value in changes.items() if value is not None]


def note(record: Record, route: Route, document: object, rows: int | None) -> None:
    """What the record may hold of a request that was allowed."""
    record.rows = 1 if rows is None else rows
    if route.shown is not None and record.trace is not None and record.trace.sampled:
        record.shown = route.shown(document)
