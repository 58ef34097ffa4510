"""Asks every judge of a route, adds up what they find, and is the only place that makes a Permit.

How findings add up, in the order of the judges:

    body        each judge sees the request as the judges before it amended it, head included
    document    goes with the body: an amendment says both; a judge that allows without a document leaves the one there is
    rows        go with the document
    message     how the dialect read the request: the last judge that is a dialect's says it
    violations  follow each other
    facts       follow each other
    lower       stands once it is said; all of them close the same rungs, so the first reason is the one that is told
    deny        ends it: no later judge is asked, and what was found so far goes with the refusal
"""

from collections.abc import Mapping, Sequence

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
    Lower,
    Message,
    Permit,
    Reason,
    Refused,
    Route,
    Stream,
    Verdict,
    Violation,
)


class Findings:
    """What the judges found so far, added up as the module says."""

    __slots__ = ("body", "changes", "document", "facts", "lowered", "message", "rows", "violations")

    def __init__(self, body: bytes | Stream) -> None:
        self.body = body  # what the model server receives
        self.document: object = None
        self.rows: int | None = None
        self.message: Message | None = None
        self.violations: Sequence[Violation] = ()
        self.facts: Facts | None = None
        self.lowered: Reason | None = None
        self.changes: Mapping[bytes, bytes | None] | None = None  # of the head, with an amended body; None: it goes

    def add(self, verdict: Verdict) -> None:
        """Add what the next judge found. Raises Refused."""
        if verdict.violations:
            self.violations = [*self.violations, *verdict.violations] if self.violations else verdict.violations
        if type(verdict) is Deny:
            raise Refused(verdict.code, self.violations)
        if verdict.facts is not None:
            self.facts = verdict.facts if self.facts is None else _both(self.facts, verdict.facts)
        if verdict.message is not None:
            self.message = verdict.message
        if type(verdict) is Allow:
            if verdict.document is not None:
                self.document, self.rows = verdict.document, verdict.rows
            return
        self.document, self.rows = verdict.document, verdict.rows
        if type(verdict) is Lower and self.lowered is None:
            self.lowered = verdict.reason
        if verdict.body is not self.body:
            self.body = verdict.body
            if self.message is not None:
                changes = self.message.headers(verdict.body)
                self.changes = changes if self.changes is None else {**self.changes, **changes}


def judge(context: Context, route: Route, body: bytes | Stream, now: float, wall: float) -> Permit:
    """Let every judge of the route look at the request. Raises Refused.

    A judge that crashes denies: the exception leaves here as it is and ends as a 500 with a Record.
    """
    head, findings = context.head, Findings(body)
    if body is not STREAM:
        context.record.request_bytes = len(body)
        _ask(context, route, findings, wall)
    until, shortened = now + route.request, False
    if route.deadline_header and (wish := head.get(route.deadline_header)) is not None:
        patient = now + patience(wish)
        until, shortened = min(until, patient), patient < until
    passing = passes(route.output is not None, route.deadline_header)
    headers = forward(head, context.request_id, context.trace, passing, route.baggage)
    message = findings.message
    if message is not None:
        context.named = message.named
        if findings.changes is not None:
            headers = _changed(headers, findings.changes)
    onward = Head(head.method, head.target, headers)
    return Permit(
        route, head, onward, findings.body, findings.document, findings.rows, findings.lowered, until, context.request_id,
        wall, shortened, message,
    )  # fmt: skip


def _ask(context: Context, route: Route, findings: Findings, wall: float) -> None:
    """Ask one judge after the other, and note in the record what it may hold."""
    head, record, seen = context.head, context.record, None
    try:
        for asked in route.judges:
            if findings.changes is not seen:
                seen = findings.changes
                head = _amended(context.head, seen)
            findings.add(asked.judge(head, findings.body, wall))  # type: ignore[arg-type]
    finally:
        record.violations, record.facts = findings.violations, findings.facts
    document = findings.document
    if document is not None:
        record.rows = 1 if findings.rows is None else findings.rows
        if route.shown is not None and context.trace is not None and context.trace.sampled:
            record.shown = route.shown(document)


def _amended(head: Head, changes: Mapping[bytes, bytes | None] | None) -> Head:
    """The client's head as it would be, had it sent the amended body."""
    headers = _changed(head.headers, changes) if changes is not None else head.headers
    return Head(head.method, head.target, headers, head.modern, head.peer, head.host, head.trace, head.alone)


def _changed(headers: Headers, changes: Mapping[bytes, bytes | None]) -> Headers:
    kept = [(name, value) for name, value in headers if name not in changes]
    return kept + [(name, value) for name, value in changes.items() if value is not None]


def _both(first: Facts, second: Facts) -> Facts:
    return Facts([*first.features, *second.features], [*first.ages, *second.ages], [*first.redactions, *second.redactions])
