"""Asks every judge of a route, and is the only place that makes a Permit."""

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
            if verdict.violations:
                record.violations = [*record.violations, *verdict.violations]
    drops = CODED_DROPS if route.output is not None else REQUEST_DROPS
    deadline, shortened = now + route.request, False
    if route.deadline_header:
        drops |= {route.deadline_header}
        wish = patience(head.get(route.deadline_header))
        if wish is not None and now + wish < deadline:
            deadline, shortened = now + wish, True
    onward = Head(head.method, head.target, forward(head, record.request_id, drops))
    return Permit(route, head, onward, body, document, rows, lowered, deadline, record.request_id, wall, shortened)
