"""The three commands of the pipeline, the values that answer them, and what is thrown instead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Final, Protocol, TypeAlias

from guard.proxy.values.request import Head, Stream, Violation
from guard.proxy.values.words import LEVEL, Document, ErrorWord, Headers, Reason, RefusalCode, Source

Opaque: TypeAlias = object
"""Handed through for its owner."""


class Ticket(Protocol):
    """Leave to make one call, and the duty to say how it went. One-shot: the first settlement counts."""

    def recheck(self, now: float) -> Reason | None:
        """Why the call may no longer be made; asked when a queued call is released."""

    def settle(
        self, outcome: "CallOutcome", now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None:
        """Say how the call went. IGNORED leaves no trace in any window.

        `took`: seconds to hold against slowness, where they are not those since the call began: of a stream, to its head.
        """


class CallOutcome(Enum):
    """How a call counts for the breaker."""

    SUCCESS = auto()
    FAILURE = auto()
    INVALID = auto()  # answered, but not as the contract says: counts in the rate, never as consecutive
    BACKOFF = auto()
    GONE = auto()  # the client left before the answer: counts only as slow
    IGNORED = auto()


class ConcurrencyLimiter(Protocol):
    """The concurrency limit of one (route, target)."""

    def acquire(self) -> bool:
        """Hold a slot now, if one is free."""

    def enqueue(self, waiter: Callable[[], None]) -> bool:
        """Wait: `waiter` is called once a slot is held for it. False: the queue is full."""

    def forget(self, waiter: Callable[[], None]) -> None:
        """Leave the queue. A waiter that is not in it any more will be called, and has a slot to give back."""

    def release(self) -> None:
        """Give a held slot back; the longest waiting is called."""


@dataclass(eq=False)
class RungLimit:
    """The highest level of the ladder that operators allow a route now; kept current by whoever made it."""

    level: int = 0
    why: Reason = "mode"


@dataclass(eq=False)
class Target:
    """A model server as one route sees it. `pool` belongs to the back and is opaque here."""

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
    version: str = ""  # that the server named when it was last asked; for dialects whose answers do not
    own_words: set[str] = field(default_factory=set)  # versions that answers named, and that no client wrote
    keyed: bool = False  # it has answered a request that carried credentials, so that theirs may be what it refuses
    opening: bytes = field(init=False)  # what follows a request's target

    def __post_init__(self) -> None:
        self.opening = b" HTTP/1.1\r\nhost: %b\r\n" % self.host

    @property
    def closed(self) -> Reason | None:
        """Why operators do not allow it now."""
        return self.rung_limit.why if LEVEL[self.source] < self.rung_limit.level else None


@dataclass(eq=False)
class Closed:
    """This rung does not answer; the next one down is asked."""

    reason: Reason
    retry_after: float | None = None


class Inspector(Protocol):
    """Reads a streamed answer on its way to the client."""

    begun: bool  # the first event came; comments and heartbeats are none
    error: bytes  # the first event that is an error; empty: none was
    refused: bool  # the first event of all was that error: nothing of an answer came

    @property
    def between(self) -> bool:
        """Whether what was passed on so far ends between events, so that a comment may follow."""

    def feed(self, chunk: bytes, now: float) -> bytes:
        """What the client gets in place of this chunk."""

    def end(self) -> bytes:
        """What the client still gets after the last chunk."""

    def stop(self, code: str) -> bytes:
        """A closing event that tells the client why the stream ends early; empty where there is no way to say it."""


# ── commands of the pipeline, the values they are answered with, and what is thrown instead ───────────────────────


class Body:
    """Read the whole request body, at most `limit` bytes. Answered with `bytes`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


class Call:
    """Wait for a slot, connect, send. Answered with `Answer` once it is complete or more than `collect` bytes came.

    `collect` 0 resumes at the head. `until` is the time by which the answer (or its head) must be there; `deadline` that by
    which the whole request must be answered, never before `until`.
    """

    def __init__(
        self,
        target: Target,
        head: Head,  # the client's, of which the method and the raw target go on
        headers: Headers,  # what goes on in place of the client's
        body: bytes | Stream,
        collect: int,
        until: float,
        ticket: Ticket,
        repeatable: bool = False,  # may be executed twice: sent again where a kept connection ends unheard
        remaining: bytes = b"",  # name of a header that tells the target how many seconds it has
        eager: bool = False,  # an answer that does not say its length resumes at its head: it may be a stream of events
        deadline: float = inf,
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


@dataclass(eq=False)
class Relay:
    """Write this head to the client, then pump the current call's answer through `inspector`. Answered with `Relayed`.

    With an inspector the head waits for the first event, until `until`: while nothing was sent, the next rung may answer.
    From then on the client hears of the stream every `heartbeat` seconds at least; 0: only when something comes.
    `disagrees` is asked once that event came: whether it names a version of the model that may not answer.
    """

    status: int
    headers: Headers
    inspector: Inspector | None = None
    until: float = inf
    heartbeat: float = 0.0
    disagrees: Callable[[], bool] | None = None


Command: TypeAlias = Body | Call | Relay


class Answer:
    """What a rung answered. `complete` is False where more bytes are still to come from the current call."""

    def __init__(
        self,
        status: int,
        headers: Headers,  # end to end ones that the client may get: none of a connection's, nor of ours
        body: bytes,
        complete: bool = True,
        called_at: float = 0.0,  # the request was written
        head_at: float = 0.0,
        end_at: float = 0.0,
        document: Document = None,
        version: str = "",  # of the model that gave it, where that is not the rung's own
        named: bytes = b"",  # version that its head names, as sent
        dated: bool = False,  # its head has a Date
        failed_rules: Sequence[int] = (),  # from 1; those that could not be evaluated before one answered
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
    """A pumped answer came to its end. `failed` names what broke it; `sent` counts the bytes the client got."""

    sent: int
    end_at: float
    failed: Reason | None = None
    error_sent: bool = False  # in the dialect's own words, so that the answer may end as if it were whole
    ours: bool = False  # see `Failed`
    opened: bool = True  # False: nothing was sent, for no event came, or the first is an error


class Refused(Exception):  # noqa: N818 — a word of the domain, see the tree above
    """The client's request is at fault."""

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
        self.headers = headers  # of the model server's refusal, as far as its client needs them
        self.word = word  # what the model server says is wrong
        self.limit = limit  # see `Problem`


class Failed(Exception):  # noqa: N818
    """The target, or our own capacity for it, is at fault. `sent` says whether any byte of the request left.

    `ours`: the deadline was missed because our own loop stalled. The rung is closed all the same, but the call is settled
    as IGNORED: a stall of ours says nothing of a target.
    """

    def __init__(self, code: Reason, *, sent: bool = True, retry_after: float | None = None, ours: bool = False) -> None:
        super().__init__(code)
        self.code: Reason = code
        self.sent = sent
        self.retry_after = retry_after
        self.ours = ours


class Gone(Exception):  # noqa: N818
    """The client left."""

    def __init__(self, cause: str = "client") -> None:
        super().__init__(cause)
        self.cause = cause


Step: TypeAlias = Answer | Call | Closed


class Reply:
    """The whole answer to the client. The front adds framing (content-length, connection)."""

    def __init__(self, status: int, headers: Headers, body: bytes, close: bool = False) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.close = close


class Answered(Exception):  # noqa: N818
    """The answer is known before a route is: nobody is at fault, and no rung is asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Ending(Enum):
    """How a pipeline ends when not with a Reply."""

    DONE = auto()  # a relay that ended well
    CUT = auto()  # abort the client's connection: never a clean end for a truncated answer


DONE: Final = Ending.DONE
CUT: Final = Ending.CUT
