"""Asks every judge of a route, and is the only place that makes a Permit."""

from collections.abc import Mapping

from guard.proxy.forwarding import forward, passes
from guard.proxy.headers import patience
from guard.proxy.values import (
    STREAM,
    Allow,
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
            verdict = one.judge(head, body, wall)
            if verdict.violations:
                record.violations = [*record.violations, *verdict.violations]
            if type(verdict) is Deny:
                raise Refused(verdict.code, record.violations)
            document, rows, message = verdict.document, verdict.rows, verdict.message
            if type(verdict) is not Allow:
                body = verdict.body
                if type(verdict) is Lower:
                    lowered = verdict.reason
            if verdict.facts is not None:
                record.facts = verdict.facts
    if document is not None:
        note(record, route, document, rows)
    until, shortened = now + route.request, False
    if route.deadline_header and (wish := head.get(route.deadline_header)) is not None:
        patient = now + patience(wish)
        until, shortened = min(until, patient), patient < until
    passing = passes(route.output is not None, route.deadline_header)
    onward = Head(head.method, head.target, forward(head, record, passing, route.baggage))
    if message is not None:
        record.named = message.named
        if body is not STREAM and body is not sent:
            onward.headers = _changed(onward.headers, message.headers(body))
    return Permit(route, head, onward, body, document, rows, lowered, until, record.request_id, wall, shortened, message)


def _changed(headers: Headers, changes: Mapping[bytes, bytes | None]) -> Headers:
    """The head that goes with an amended body."""
    kept = [(name, value) for name, value in headers if name not in changes]
    return kept + [(name, value) for name, value in changes.items() if value is not None]


def note(record: Record, route: Route, document: object, rows: int | None) -> None:
    """What the record may hold of a request that was allowed."""
    record.rows = 1 if rows is None else rows
    if route.shown is not None and record.trace is not None and record.trace.sampled:
        record.shown = route.shown(document)
