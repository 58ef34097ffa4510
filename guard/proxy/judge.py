"""Asks every judge of a route, combines their findings, and is the only place that makes a Permit.

Findings are combined in the order of the judges:

    body        each judge sees the request as the judges before it amended it, head included
    document    an amendment replaces it with the body; a judge that allows without a document leaves it unchanged
    rows        are replaced with the document
    message     the request as its dialect read it: the last judge that gives one decides
    violations  are appended
    facts       are appended
    lower       stays; each closes the same rungs, so the first reason is reported
    deny        ends the judging: later judges are not asked, and the violations so far go with the refusal
"""

from collections.abc import Mapping, Sequence
from typing import Final

from guard.proxy.codings import ACCEPTED, coding_of, opened
from guard.proxy.context import Context
from guard.proxy.forwarding import forward, passes
from guard.proxy.headers import patience
from guard.proxy.values import (
    STREAM,
    Allow,
    Deny,
    Facts,
    Head,
    Headers,
    LineDocument,
    Lower,
    Message,
    Permit,
    Reason,
    RefusalCode,
    Refused,
    Route,
    Stream,
    Violation,
)

UNCODED: Final[Mapping[bytes, bytes | None]] = {b"content-encoding": None}
AS_JSON: Final[Mapping[bytes, bytes | None]] = {b"content-type": b"application/json"}
MEDIA: Final[RefusalCode] = "unsupported_media_type"


def judge(  # noqa: C901, PLR0912 — one kind of finding after the other; an object to add them up costs 1 % of a request
    context: Context, route: Route, body: bytes | Stream, now: float, wall: float,
    plain: Head | None = None, lines: LineDocument | None = None,
) -> Permit:  # fmt: skip
    """Ask every judge of the route about the request. Returns the Permit, or raises Refused.

    `now`: monotonic seconds; `wall`: seconds since the epoch. `plain`: the head that fits a rewritten body. `lines`: the
    original body, if it was JSON Lines. A judge that crashes denies: its exception passes through and ends as a 500 with a
    Record.
    """
    head, record = plain or context.head, context.record
    document: object = None
    rows: int | None = None
    message: Message | None = None
    lowered: Reason | None = None
    violations: Sequence[Violation] = ()
    facts: Facts | None = None
    changes: Mapping[bytes, bytes | None] | None = None  # of the head, with an amended body; None: the field goes
    if body is not STREAM:
        if plain is None:
            record.request_bytes = len(body)
            if route.watch is not None:
                route.watch.draw(context.request_id, now)
        for each in route.judges:
            verdict = each.judge(head if changes is None else _amended(head, changes), body, wall)
            if verdict.violations:
                violations = [*violations, *verdict.violations] if violations else verdict.violations
                record.violations = violations if lines is None else lines.located(None, violations, route.field_of)
            if type(verdict) is Deny:
                if verdict.code == MEDIA:
                    return _judge_otherwise(context, route, head, body, now, wall)
                raise Refused(verdict.code, violations)
            if verdict.facts is not None:
                record.facts = facts = verdict.facts if facts is None else _both(facts, verdict.facts)
            if verdict.message is not None:
                message = verdict.message
            if type(verdict) is Allow:
                if verdict.document is not None:
                    document, rows = verdict.document, verdict.rows
                continue
            document, rows = verdict.document, verdict.rows
            if type(verdict) is Lower and lowered is None:
                lowered = verdict.reason
            if verdict.body is not body:
                body = verdict.body
                if message is not None:
                    changes = {**changes, **message.headers(body)} if changes is not None else message.headers(body)
        if document is not None:
            _note(context, route, document, rows)
        if route.watch is not None:
            context.watched = route.watch.counted(body)
    until, shortened = now + route.request, False
    if route.deadline_header and (wish := head.get(route.deadline_header)) is not None:
        patient = now + patience(wish)
        until, shortened = min(until, patient), patient < until
    passing = passes(route.output is not None, route.deadline_header)
    headers = forward(head, context.request_id, context.trace, passing, route.baggage)
    if changes is not None:
        headers = _changed(headers, changes)
    context.permit = permit = Permit(
        route, head, headers, body, document, rows, lowered, until, context.request_id, shortened, message, bool(violations)
    )
    return permit


def _judge_otherwise(context: Context, route: Route, head: Head, body: bytes, now: float, wall: float) -> Permit:
    """Judge the body without its coding, or its lines as one document, since no judge took the original. Raises Refused."""
    if (coding := coding_of(head)) is not None:
        return judge(context, route, opened(coding, body, route.max_body), now, wall, _amended(head, UNCODED))
    lines = route.lines.read(head, body) if route.lines is not None else None
    if lines is None:
        raise _not_taken(route, head)
    try:
        return judge(context, route, lines.body, now, wall, _amended(head, AS_JSON), lines)
    except Refused as refused:
        refused.violations = lines.located(refused.code, refused.violations, route.field_of)
        raise


def _note(context: Context, route: Route, document: object, rows: int | None) -> None:
    """Record the rows and the loggable fields of an allowed request."""
    context.record.rows = 1 if rows is None else rows
    if route.shown is not None and context.trace is not None and context.trace.sampled:
        context.record.shown = route.shown(document)


def _amended(head: Head, changes: Mapping[bytes, bytes | None]) -> Head:
    """The client's head with the changes that fit the amended body."""
    return Head(
        head.method, head.target, _changed(head.headers, changes), head.modern, head.peer, head.host, head.trace, head.alone
    )


def _changed(headers: Headers, changes: Mapping[bytes, bytes | None]) -> Headers:
    unchanged = [(name, value) for name, value in headers if name not in changes]
    return unchanged + [(name, value) for name, value in changes.items() if value is not None]


def _both(first: Facts, second: Facts) -> Facts:
    return Facts([*first.features, *second.features], [*first.ages, *second.ages], [*first.redactions, *second.redactions])


def _not_taken(route: Route, head: Head) -> Refused:
    """The refusal of an unreadable body; it names the codings or media types that the route takes (RFC 9110 §15.5.16)."""
    coding = (head.get(b"content-encoding") or b"identity").strip().lower()
    if coding != b"identity":
        return Refused("coding_unsupported", headers=[(b"accept-encoding", ACCEPTED)])
    return Refused("unsupported_media_type", headers=[(b"accept", route.accepts)])
