"""The state of the pipeline while it answers one exchange. Records are written from it; telemetry reads only the records.

There are two scopes: a `Context` lasts as long as its exchange, a `RungAttempt` as long as one rung is asked. The results
of a rung stay in its attempt, and the next rung begins with its own: no part of a rejected answer can enter the one given.
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
    Prediction,
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
    """One rung's attempt to answer: its call, and the facts that its answer reports."""

    __slots__ = (
        "account",
        "asked_at",
        "bent",
        "call",
        "error",
        "inspector",
        "prediction",
        "rung",
        "size",
        "stream",
        "took",
        "usage",
        "violations",
    )

    def __init__(self, rung: Rung, asked_at: float) -> None:
        self.rung = rung
        self.asked_at = asked_at
        self.call: Call | None = None  # None if the rung makes none
        self.account: Attempt | None = None  # the call in the record: written here, read by telemetry
        self.inspector: StreamParser | None = None  # of an answer that is relayed
        self.stream: StreamParser | None = None  # the parser of a stream that came in one piece
        self.usage: Usage | None = None
        self.prediction: Prediction | None = None  # the reportable values of its answer, if that was judged
        self.violations: Sequence[Violation] = ()  # of the answer
        self.bent = False  # its answer breaks the contract as the request asked
        self.error: StreamError | Literal[""] = ""  # the cause that broke a streamed answer
        self.size = 0  # bytes of its whole answer, if that was given
        self.took: float | None = None  # seconds to the head of an answer that is relayed: how fast the target was

    @property
    def until(self) -> float:
        """Monotonic seconds by which the call must answer, or send the first event of a stream; `inf` without a call."""
        return self.call.until if self.call is not None else inf

    def settle(self, outcome: CallOutcome, now: float, took: float | None = None, retry_after: float | None = None) -> None:
        """Report to the breaker how the call ended; only the first settlement counts. Without a call this does nothing."""
        if self.call is not None:
            self.call.ticket.settle(outcome, now, took=took, retry_after=retry_after)

    def watched(self, inspector: StreamParser | None) -> StreamParser | None:
        """The parser of the call's streamed answer, which keeps to the call's budgets if it has any."""
        if inspector is not None and self.call is not None and self.call.hold is not None:
            return self.call.hold.watch(inspector)
        return inspector

    def pay(self) -> None:
        """Settle what the call reserved of its budgets; only the first settlement counts."""
        if self.call is not None and self.call.hold is not None and self.account is not None:
            self.call.hold.settle(self.account, self.size)

    def note_answer(self, usage: Usage | None, version: str) -> str:
        """Note an answer's usage and version; None and an empty version change nothing. Returns the printable version."""
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
    """The cause that broke a stream for which `broken` is true."""
    return "unfinished" if inspector.unfinished else "error_event"


def broken(usage: Usage | None) -> bool:
    """Whether a stream reports that the model failed."""
    return usage is not None and usage.finish == "error"


def word(text: str) -> str:
    """A name that a model server gave, as up to 128 printable ASCII characters, fit for a header and a label."""
    if text.isascii() and text.isprintable():
        return text[:128]
    return "".join(letter if " " <= letter <= "~" else "_" for letter in text[:128])


class Context:
    """One exchange on its way down the ladder."""

    __slots__ = (
        "above", "attempt", "begun_at", "body_spent", "calls", "head", "permit", "reason", "record", "request_id", "route",
        "trace", "watched",
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
        self.above: Closed | None = None  # the reason that closed the rung above; sets the status of `disabled`
        self.reason: Reason | None = None  # the reason that closed the first rung
        self.body_spent = False  # a streamed body was sent somewhere and cannot be sent again
        self.calls = 0
        self.watched = 0  # the key of a request that monitoring looks at; 0: it does not

    def call(self, attempt: RungAttempt, call: Call) -> None:
        """Record a call that is about to be made. Each is a span of its own, which the traceparent names."""
        attempt.call = call
        attempt.account = account = Attempt(call.target, attempt.asked_at)
        self.record.attempts.append(account)
        self.calls += 1
        trace = self.trace
        if self.calls > 1 and trace is not None and trace.propagated:
            call.headers = [pair for pair in call.headers if pair[0] != b"traceparent"]
            call.headers.append(traceparent(trace, trace.call_id(self.calls)))

    def descend(self, attempt: RungAttempt, closed: Closed, now: float) -> None:
        """Leave a rung that does not answer. An attempt that is not settled yet is settled as IGNORED."""
        attempt.settle(CallOutcome.IGNORED, now)
        attempt.pay()
        self.above = closed
        if self.reason is None:
            self.reason = closed.reason
        self.record.descents.append((attempt.rung.source, closed.reason))
        if attempt.violations:
            self.record.discarded.extend(attempt.violations)
