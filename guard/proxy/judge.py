"""Asks every judge of a route, and is the only place that makes a Permit."""

from math import inf

from guard.proxy.forwarding import forward
from guard.proxy.headers import CODED_DROPS, REQUEST_DROPS, patience
from guard.proxy.values import (
    STREAM,
    Allow,
    Amend,
    Deny,
    Head,
    Lower,
    Permit,
    Reason,
    Record,
    Refused,
    Route,
    Stream,
)


def judge(route: Route, head: Head, body: bytes | Stream, record: Record, now: float, wall: float) -> Permit:
    """Let every judge of the route look at the request. Raises Refused.

    A judge that crashes denies (law 3): the exception leaves here as it is and ends as a 500 with a Record.
    """
    document: object = None
    lowered: Reason | None = None
    rows: int | None = None
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
            record.facts = verdict.facts or record.facts
            if verdict.violations:
                record.violations = [*record.violations, *verdict.violations]
    if document is not None:
        note(record, route, document, rows)
    drops = CODED_DROPS if route.output is not None else REQUEST_DROPS
    deadline, wish = now + route.request, inf
    if route.deadline_header:
        drops |= {route.deadline_header}
        wish = now + patience(head.get(route.deadline_header))
    onward = Head(head.method, head.target, forward(head, record, drops, route.baggage))
    until, shortened = min(deadline, wish), wish < deadline
    return Permit(route, head, onward, body, document, rows, lowered, until, record.request_id, wall, shortened)


def note(record: Record, route: Route, document: object, rows: int | None) -> None:
    """What the record may hold of a request that was allowed."""
    record.rows = 1 if rows is None else rows
    if route.shown is not None and record.trace is not None and record.trace.sampled:
        record.shown = route.shown(document)
