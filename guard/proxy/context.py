"""What the pipeline knows while it answers one exchange. Records are written from it; nothing here is read by telemetry.

Two scopes. A `Context` lasts as long as its exchange, a `RungAttempt` as long as one rung is asked. Whatever that rung came
up with stays in its attempt, and the next rung begins with one of its own: nothing of an answer that was not given can be
taken for a part of the one that is.
"""

from collections.abc import Sequence
from math import inf
from typing import Literal

from guard.proxy.tracing import traceparent
from guard.proxy.values import (
    Attempt,
    Call,
    CallOutcome,
    Closed,
    Head,
    Permit,
    Reason,
    Record,
    Route,
    Rung,
    StreamError,
    StreamParser,
    Trace,
    Usage,
    Violation,
)


class RungAttempt:
    """One rung's attempt to answer: its call, and what its answer said of itself."""

    __slots__ = (
        "account",
        "asked_at",
        "bent",
        "call",
        "error",
        "inspector",
        "rung",
        "stream",
        "took",
        "usage",
        "violations",
    )

    def __init__(self, rung: Rung, asked_at: float) -> None:
        self.rung = rung
        self.asked_at = asked_at
        self.call: Call | None = None  # None where none is made
        self.account: Attempt | None = None  # of the call, in the record: written here, read by telemetry
        self.inspector: StreamParser | None = None  # of an answer that is relayed
        self.stream: StreamParser | None = None  # the same of one that came in one piece
        self.usage: Usage | None = None
        self.violations: Sequence[Violation] = ()  # of the answer
        self.bent = False  # what breaks the contract in its answer is what the request asked for
        self.error: StreamError | Literal[""] = ""  # what broke a streamed answer
        self.took: float | None = None  # seconds to the head of an answer that is relayed: how fast the target was

    @property
    def until(self) -> float:
        """By when its call owes the answer, or the first event of one that is streamed."""
        return self.call.until if self.call is not None else inf

    def settle(self, outcome: CallOutcome, now: float, took: float | None = None, retry_after: float | None = None) -> None:
        """Tell the breaker how the call ended; the first settlement counts. Without a call it does nothing."""
        if self.call is not None:
            self.call.ticket.settle(outcome, now, took=took, retry_after=retry_after)

    def note_answer(self, usage: Usage | None, version: str) -> str:
        """Take over what the answer says of itself; the version as it may be told. Empty and None say nothing."""
        account = self.account
        if usage is not None:
            self.usage = usage
            if account is not None:
                account.usage = usage
        if version:
            version = word(version)
            if account is not None:
                account.version = version
        return version


def stream_error(inspector: StreamParser) -> StreamError:
    """What broke a stream that `broken` is true of."""
    return "unfinished" if inspector.unfinished else "error_event"


def broken(usage: Usage | None) -> bool:
    """Whether a stream says that the model failed."""
    return usage is not None and usage.finish == "error"


def word(text: str) -> str:
    """What a model server says of itself, fit for a header and a label."""
    if text.isascii() and text.isprintable():
        return text[:128]
    return "".join(letter if " " <= letter <= "~" else "_" for letter in text[:128])


class Context:
    """One exchange on its way down the ladder."""

    __slots__ = (
        "above", "attempt", "begun_at", "body_spent", "calls", "head", "permit", "reason", "record", "request_id", "route",
        "trace",
    )  # fmt: skip

    def __init__(self, head: Head, request_id: str, begun_at: float) -> None:
        self.head = head
        self.request_id = request_id
        self.begun_at = begun_at
        self.record = Record(request_id, begun_at)  # facts for telemetry: written, never read
        self.trace: Trace | None = None
        self.route: Route | None = None
        self.permit: Permit | None = None
        self.attempt: RungAttempt | None = None  # of the rung that is asked now, or that answered
        self.above: Closed | None = None  # what closed the rung above; `disabled` chooses its status by it
        self.reason: Reason | None = None  # what closed the first rung
        self.body_spent = False  # a streamed body was sent somewhere and cannot be sent again
        self.calls = 0

    def call(self, attempt: RungAttempt, call: Call) -> None:
        """Account for a call that is about to be made; each is a span of its own, and the model server is told which."""
        attempt.call = call
        attempt.account = account = Attempt(call.target, attempt.asked_at)
        self.record.attempts.append(account)
        self.calls += 1
        trace = self.trace
        if self.calls > 1 and trace is not None and trace.propagated:
            call.headers = [pair for pair in call.headers if pair[0] != b"traceparent"]
            call.headers.append(traceparent(trace, trace.call_id(self.calls)))

    def descend(self, attempt: RungAttempt, closed: Closed, now: float) -> None:
        """Leave a rung that does not answer. An attempt that was not settled before counts for nothing."""
        attempt.settle(CallOutcome.IGNORED, now)
        self.above = closed
        if self.reason is None:
            self.reason = closed.reason
        self.record.descents.append((attempt.rung.source, closed.reason))
        if attempt.violations:
            self.record.discarded.extend(attempt.violations)
