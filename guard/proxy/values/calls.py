"""The three commands of the pipeline, the values that answer them, and the exceptions thrown instead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from guard.proxy.values.request import Head, Stream, Violation
from guard.proxy.values.words import LEVEL, Document, ErrorWord, Headers, Reason, RefusalCode, Source

if TYPE_CHECKING:
    from guard.proxy.values.codec import StreamParser
    from guard.proxy.values.plan import Attempt

Opaque: TypeAlias = object
"""A value that only its owner reads."""


class Ticket(Protocol):
    """Permission to make one call, and the duty to report its outcome. Only the first settlement counts."""

    def recheck(self, now: float) -> Reason | None:
        """The reason that the call may not be made any more; None if it may. Called when a queued call is released."""

    def settle(
        self, outcome: "CallOutcome", now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None:
        """Report how the call ended. IGNORED counts in no window.

        `took`: seconds to compare with `slow_duration`, for a stream those to its head; None: all since the call began.
        `retry_after`: seconds that the target asked for, with BACKOFF.
        """


class CallOutcome(Enum):
    """The outcome of a call, as the breaker counts it."""

    SUCCESS = auto()
    FAILURE = auto()
    INVALID = auto()  # the answer breaks the contract: counts in the rate, never as consecutive
    BACKOFF = auto()
    GONE = auto()  # the client left before the answer: counts only as slow
    IGNORED = auto()


class ConcurrencyLimiter(Protocol):
    """The concurrency limit of one (route, target)."""

    def acquire(self) -> bool:
        """Take a slot now if one is free and no call waits. Whether it was taken."""

    def enqueue(self, waiter: Callable[[], None]) -> bool:
        """Add `waiter` to the queue; it is called once it holds a slot. False: the queue is full."""

    def forget(self, waiter: Callable[[], None]) -> None:
        """Remove `waiter` from the queue. One that has left the queue already will be called, and must release its slot."""

    def release(self) -> None:
        """Release a slot; the first waiter in the queue is called."""


PROBE_EVERY: Final = 100


@dataclass(eq=False)
class RungLimit:
    """The highest level of the ladder that operators allow now, and the reason. Its creator keeps it current.

    `burn`: the highest level while the route burns its budget; every PROBE_EVERYth request may still ask above it.
    """

    level: int = 0
    why: Reason = "mode"
    burn: int = 0
    asked: int = 0

    def probes(self) -> bool:
        """Whether this request is a probe."""
        self.asked += 1
        return self.asked % PROBE_EVERY == 0


@dataclass(eq=False)
class Target:
    """A model server as one route uses it. Times in seconds. `pool` belongs to the back and is opaque here."""

    source: Source
    url: str
    host: bytes  # Host header to send
    pool: Opaque
    limiter: ConcurrencyLimiter
    connect: float
    attempt: float
    idle: float
    queue_timeout: float
    rung_limit: RungLimit = field(default_factory=RungLimit)
    version: str = ""  # as the server last named it; for dialects whose answers do not
    own_words: set[str] = field(default_factory=set)  # versions that no client wrote: named by answers, or listed
    keyed: bool = False  # it has answered a request with credentials, so it may refuse others for theirs
    opening: bytes = field(init=False)  # the bytes after a request's target

    def __post_init__(self) -> None:
        self.opening = b" HTTP/1.1\r\nhost: %b\r\n" % self.host

    @property
    def closed(self) -> Reason | None:
        """The reason that operators do not allow this target now; None if they do."""
        return self.rung_limit.why if LEVEL[self.source] < self.rung_limit.level else None


class Hold(Protocol):
    """Money reserved for one call, and the duty to settle it. Only the first settlement counts."""

    sent: bool  # bytes of the request may have left, so the call may cost something
    over: bool  # nothing more could be reserved, so the streamed answer ends here

    def again(self) -> bool:
        """Reserve as much once more, for a call that the server may execute a second time. Whether that was possible."""

    def watch(self, parser: "StreamParser") -> "StreamParser":
        """The parser of a streamed answer, which reserves more while the stream is longer than what is reserved."""

    def settle(self, attempt: "Attempt", size: int) -> None:
        """Replace the reserved amount by what the call cost. `size`: bytes of its whole answer, 0 if it was not given."""


@dataclass(eq=False)
class Closed:
    """The refusal of a rung; the next one down is asked. `retry_after` in seconds."""

    reason: Reason
    retry_after: float | None = None
    last: bool = False  # of the rungs below, only `disabled` may answer


class Inspector(Protocol):
    """Reads a streamed answer on its way to the client."""

    begun: bool  # the first event came; comments and heartbeats are not events
    error: bytes  # the first event that is an error; empty if none
    refused: bool  # that error was the very first event

    @property
    def between(self) -> bool:
        """Whether the bytes passed on so far end between events, so that a comment may follow."""

    def feed(self, chunk: bytes, now: float) -> bytes:
        """The bytes that the client receives for this chunk. `now`: monotonic seconds."""

    def end(self) -> bytes:
        """The bytes that the client receives after the last chunk."""

    def stop(self, code: str) -> bytes:
        """A closing event that reports why the stream ends early; empty if the dialect has none."""


# ── commands of the pipeline, the values that answer them, and the exceptions thrown instead ──────────────────────


class Body:
    """Command: read the whole request body, at most `limit` bytes. Answered with `bytes`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


class Call:
    """Command: wait for a slot, connect, send. Answered with `Answer` once it is complete or exceeds `collect` bytes.

    `collect` 0 resumes at the head. Times are monotonic seconds: the answer (or its head) is due at `until`, the whole
    request at `deadline`, which is never before `until`.
    """

    def __init__(
        self,
        target: Target,
        head: Head,  # the client's; its method and raw target go on
        headers: Headers,  # sent in place of the client's
        body: bytes | Stream,
        collect: int,
        until: float,
        ticket: Ticket,
        repeatable: bool = False,  # may be executed twice: sent again if a kept connection ends unanswered
        remaining: bytes = b"",  # name of the header with the seconds that the target has
        eager: bool = False,  # an answer of undeclared length resumes at its head: it may be an event stream
        deadline: float = inf,
        hold: Hold | None = None,  # of the call's budgets
    ) -> None:
        self.target = target
        self.method = head.method
        self.path = head.target
        self.headers = headers
        self.body = body
        self.collect = collect
        self.until = until
        self.ticket = ticket
        self.repeatable = repeatable
        self.remaining = remaining
        self.eager = eager
        self.deadline = deadline
        self.hold = hold


@dataclass(eq=False)
class Relay:
    """Command: write this head, then pass the current call's answer through `inspector`. Answered with `Relayed`.

    With an inspector the head waits for the first event, until `until` (monotonic seconds): while nothing was sent, the
    next rung may answer. From then on a silent stream sends a comment every `heartbeat` seconds; 0: none. `disagrees` is
    called after the first event: whether that names a model version that may not answer.
    """

    status: int
    headers: Headers
    inspector: Inspector | None = None
    until: float = inf
    heartbeat: float = 0.0
    disagrees: Callable[[], bool] | None = None


Command: TypeAlias = Body | Call | Relay


class Answer:
    """The answer of a rung. `complete` False: the current call still has more bytes. Times in monotonic seconds."""

    def __init__(
        self,
        status: int,
        headers: Headers,  # end-to-end fields for the client, without guard's own
        body: bytes,
        complete: bool = True,
        called_at: float = 0.0,  # the request was written
        head_at: float = 0.0,
        end_at: float = 0.0,
        document: Document = None,
        version: str = "",  # the model's version, if it is not the rung's own
        named: bytes = b"",  # version in its head, as sent
        dated: bool = False,  # its head has a Date
        failed_rules: Sequence[int] = (),  # from 1; rules that failed before one answered
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.complete = complete
        self.called_at = called_at
        self.head_at = head_at
        self.end_at = end_at
        self.document = document
        self.version = version
        self.named = named
        self.dated = dated
        self.failed_rules = failed_rules


@dataclass(eq=False)
class Relayed:
    """The end of a relayed answer. `failed`: the reason if it broke; `sent`: bytes that the client received."""

    sent: int
    end_at: float
    failed: Reason | None = None
    error_sent: bool = False  # as an event of the dialect, so that the answer may end cleanly
    ours: bool = False  # see `Failed`
    opened: bool = True  # False: nothing was sent, as no event came or the first was an error


class Refused(Exception):  # noqa: N818 — a word of the domain, see the tree above
    """The error of a request that is the client's fault."""

    def __init__(
        self,
        code: RefusalCode,
        violations: Sequence[Violation] = (),
        *,
        status: int = 0,
        allow: bytes = b"",
        headers: Headers | None = None,
        word: ErrorWord = "",
        limit: int = 0,
    ) -> None:
        super().__init__(code)
        self.code: RefusalCode = code
        self.violations = violations
        self.status = status  # 0: the code's own
        self.allow = allow  # of a 405
        self.headers = headers  # of the model server's refusal, those that its client needs
        self.word = word  # the cause that the model server names
        self.limit = limit  # see `Problem`


class Failed(Exception):  # noqa: N818
    """The error of a call: its target, or guard's capacity for it, is at fault. `sent`: a byte of the request was sent.

    `ours`: the failure proves nothing about the target, as when guard's loop stalled or the server took only a part of the
    request. The rung is closed all the same, but the call is settled as IGNORED. `retry_after` in seconds.
    """

    def __init__(self, code: Reason, *, sent: bool = True, retry_after: float | None = None, ours: bool = False) -> None:
        super().__init__(code)
        self.code: Reason = code
        self.sent = sent
        self.retry_after = retry_after
        self.ours = ours


class Gone(Exception):  # noqa: N818
    """The error of a request whose client left."""

    def __init__(self, cause: str = "client") -> None:
        super().__init__(cause)
        self.cause = cause


Step: TypeAlias = Answer | Call | Closed


class Reply:
    """A whole answer to the client. The front adds framing (content-length, connection)."""

    def __init__(self, status: int, headers: Headers, body: bytes, close: bool = False) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.close = close


class Answered(Exception):  # noqa: N818
    """Raised to answer before a route is known, without a fault; no rung is asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Ending(Enum):
    """The end of a pipeline without a Reply."""

    DONE = auto()  # a relay that ended well
    CUT = auto()  # abort the client's connection: never a clean end for a truncated answer


DONE: Final = Ending.DONE
CUT: Final = Ending.CUT
