"""What the planes exchange: the Plan, from control to data, and the Record, from data to control."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from guard.proxy.values.calls import Answer, Body, Closed, RungLimit, Step, Target
from guard.proxy.values.codec import Dialect, Message, StreamParser, Usage
from guard.proxy.values.request import Allow, Deny, Facts, Head, Judge, Stream, Violation
from guard.proxy.values.words import Document, Headers, Reason, RefusalCode, Source


class Rung(Protocol):
    """One source of answers. Pure."""

    source: Source
    remote: bool  # needs I/O, and so time
    reads_input: bool  # would answer from what the client sent: closed by a stale or missing feature
    version: str  # of the model that answers; empty where none does or it is not known

    def ask(self, permit: "Permit", above: Closed | None, now: float) -> "Step":
        """Answer, name the call that would answer, or say why not. `above`: what closed the rung above, if one was."""


class AnswerJudge(Protocol):
    """The output contract. Pure."""

    def judge(self, body: bytes, rows: int | None, headers: Headers) -> Allow | Deny:
        """`Allow` (document = what was read) or `Deny`, with the violations; `rows` answers are due, if that is known."""

    def judge_own(self, document: object, rows: int | None) -> Allow | Deny:
        """The same for an answer of a rung of our own; outputs that only the model gives may be null."""

    def excuse(
        self, denied: Deny, document: Document, body: bytes | None, rows: int | None, headers: Headers, message: Message
    ) -> Allow | Deny:
        """Judge an answer that was denied once more, as far as its request asked for it. `body` None: of its document."""

    def measured(self, document: object) -> "Values":
        """What an answer says, as far as it may be told; of any document, also one that breaks the contract."""


class LineDocument(Protocol):
    """A body of JSON Lines as the JSON document that the route's judges know."""

    body: bytes

    def located(
        self, code: RefusalCode | None, violations: Sequence[Violation], field_of: Callable[[str, bool], str]
    ) -> Sequence[Violation]:
        """What is wrong with the document, said of the lines. `code`: of the refusal, None where it was allowed."""


class LineReader(Protocol):
    """Reads bodies of JSON Lines. Pure."""

    def read(self, head: Head, body: bytes) -> LineDocument | None:
        """None: another media type. Raises Refused."""


class Measure(NamedTuple):
    """An output that may be told.

    `kind`: one of `classes`; a number, from `low` to `high`; a vector of numbers, of which the largest is told; or anything
    else, of which only the presence is.
    """

    name: str
    kind: Literal["class", "number", "vector", "presence"]
    classes: tuple[object, ...] = ()
    low: float | None = None
    high: float | None = None


Values: TypeAlias = Sequence[Sequence[object]]
"""For each Measure of a route, in order, one value for each instance; None where there is none."""


@dataclass(eq=False)
class Route:
    """One route, compiled. Immutable by convention (frozen dataclasses cost 2 x on creation, this one is made once)."""

    template: str
    method: str
    buffered: bool
    max_body: int
    collect: int  # bytes of an answer to buffer before it is relayed; 0 for `stream: true`
    request: float  # seconds the client waits at most
    enforce: bool
    dialect: Dialect
    judges: tuple[Judge, ...]
    output: AnswerJudge | None
    ladder: tuple[Rung, ...]
    inspector: Callable[[Message | None, Headers], StreamParser | None] = lambda _message, _headers: None
    rung_limit: RungLimit = field(default_factory=RungLimit)
    deadline_header: bytes = b""  # in which a client says how many seconds it waits
    remember: Callable[["Permit", Answer, float, str], None] | None = None
    """Keeps an answer of the model itself for the cached rung."""
    measures: tuple[Measure, ...] = ()
    shown: Callable[[object], Mapping[str, object]] | None = None
    """What the log of a sampled exchange may hold of its input, from the document that was judged."""
    field_of: Callable[[str, bool], str] = lambda _pointer, _answer: ""
    """The declared field that a violation's pointer is about; of an answer where True."""
    baggage: frozenset[bytes] = frozenset()  # members that the model server may see
    accepts: bytes = b"application/json"  # media types of requests
    heartbeat: float = 0.0  # see `Relay`
    lines: LineReader | None = None  # None: a body is not a batch of rows, or of no layout that lines can be read as
    version: str = ""  # the only one that the model may answer with; empty: any
    free_path: bool = field(init=False)  # its path has parts that the client chooses
    key: str = field(init=False)  # as the policy names it
    body: Body = field(init=False)  # the command that reads a request's: the same for each, so it is made once

    def __post_init__(self) -> None:
        self.free_path = "{" in self.template or "*" in self.template
        self.key = f"{self.method} {self.template}"
        self.body = Body(self.max_body)


class Permit:
    """Proof that every judge of the route allowed this request. Made only in `proxy/judge.py` and never changed."""

    def __init__(
        self,
        route: Route,
        head: Head,  # the client's
        forward: Headers,  # what the model server receives, but for framing and Host
        body: bytes | Stream,  # what the model server receives
        document: Document,  # what rungs of our own read; None where nothing was parsed
        rows: int | None,  # instances in it; None where the body is not a list of rows
        lowered: Reason | None,
        deadline: float,  # by when the client has an answer
        request_id: str,
        shortened: bool = False,  # the client's own deadline is earlier than ours
        message: Message | None = None,  # how its dialect read the request
        breaks: bool = False,  # the request breaks its contract, which is only observed
    ) -> None:
        self.route: Final = route
        self.head: Final = head
        self.forward: Final = forward
        self.body: Final = body
        self.document: Final = document
        self.rows: Final = rows
        self.lowered: Final = lowered
        self.deadline: Final = deadline
        self.request_id: Final = request_id
        self.shortened: Final = shortened
        self.message: Final = message
        self.breaks: Final = breaks

    @property
    def streamed(self) -> bool:
        """Whether the client asked for the answer piece by piece."""
        return self.message is not None and self.message.stream


class Plan(Protocol):
    """The policy compiled for the data plane. Swapped whole."""

    expose_reason: bool
    sinks: "Sequence[Sink]"
    tracer: "Tracer"

    def match(self, head: Head) -> Route:
        """The route of a raw target. Raises Refused (bad_request, not_found, method_not_allowed)."""

    def wall(self, now: float) -> float:
        """Seconds since the epoch at monotonic `now`."""

    def sink_crashed(self, sink: "Sink") -> None:
        """Count a sink that raised."""


class Trace:
    """Where an exchange stands in a distributed trace. Ids are in lower-case hexadecimal, as W3C Trace Context has them."""

    __slots__ = ("_first_call", "parent_id", "propagated", "sampled", "span_id", "trace_id")

    def __init__(
        self, trace_id: bytes, span_id: bytes, parent_id: bytes, first_call: bytes, *, sampled: bool, propagated: bool
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id  # empty: the trace begins here
        self._first_call = first_call
        self.sampled = sampled
        self.propagated = propagated  # to the model server; False: sampled for the log alone

    def call_id(self, number: int) -> bytes:
        """The span of the exchange's `number`th call, counted from 1; never 0, which is no span."""
        if number == 1:
            return self._first_call
        return b"%016x" % ((int(self._first_call, 16) + number - 2) % 0xFFFFFFFFFFFFFFFF + 1)


class Tracer(Protocol):
    """Decides at its beginning whether an exchange is sampled."""

    def begin(self, head: Head) -> Trace | None:
        """None: it is not sampled, and the model server is told what the client said of a trace, and no more."""


class Attempt:
    """One call, whatever became of it."""

    __slots__ = ("asked_at", "begun_at", "ended_at", "failed", "status", "target", "usage", "version")

    def __init__(self, target: Target, asked_at: float) -> None:
        self.target = target
        self.asked_at = self.begun_at = asked_at  # begun: it had its slot and connection, and was written
        self.ended_at = 0.0  # 0: not before the exchange's own end
        self.status = 0
        self.version = ""  # as the answer itself, its head or the target said
        self.failed: Reason | None = None
        self.usage: Usage | None = None  # tokens were used, whether its answer was given or not


class Prediction:
    """What a rung said of the outputs that may be told, served or not."""

    __slots__ = ("source", "valid", "values", "version")

    def __init__(self, source: Source, version: str, values: Values, valid: bool) -> None:
        self.source = source
        self.version = version
        self.values = values
        self.valid = valid


class Record:
    """The one account of an exchange: facts for telemetry, which decide nothing about the exchange itself.

    Holds no client value but `log: true` fields of one that is sampled. What it says of an answer is true of the one that
    was given; what became of the rungs above it is in `descents`, `attempts`, `predictions` and `discarded`.
    """

    __slots__ = (
        "answer_violations", "attempts", "begun_at", "code", "departure", "descents", "discarded", "ended_at", "error",
        "facts", "failed_rules", "matched", "method", "predictions", "protocol", "read_at", "reason", "request_bytes",
        "request_id", "response_bytes", "route", "rows", "scheme", "shown", "source", "status", "trace", "usage",
        "version", "violations",
    )  # fmt: skip

    def __init__(self, request_id: str, begun_at: float) -> None:
        self.request_id = request_id
        self.begun_at = begun_at
        self.descents: list[tuple[Source, Reason]] = []
        self.attempts: list[Attempt] = []
        self.predictions: list[Prediction] = []
        self.discarded: list[Violation] = []  # of answers that were not given
        self.failed_rules: Sequence[int] = ()  # numbers of rules that could not be evaluated before one answered
        self.matched: Route | None = None
        self.trace: Trace | None = None
        self.scheme = "http"
        self.protocol = "1.1"
        self.rows: int | None = None  # instances in the request; None where it was not read
        self.facts: Facts | None = None
        self.shown: Mapping[str, object] | None = None
        self.method = ""
        self.route = ""  # template; empty where none matched
        self.status = 0
        self.source: Source | None = None  # None: denied, or nobody was answered
        self.reason: Reason | None = None  # why the first rung was left
        self.code = ""  # of a refusal
        self.version = ""  # of the answer, as it says itself, or as the policy has it of its rung
        self.usage: Usage | None = None  # of the answer, where it is a generative model's
        self.violations: Sequence[Violation] = ()  # of the request
        self.answer_violations: Sequence[Violation] = ()  # of the answer, which was given all the same
        self.read_at = 0.0  # the body was whole
        self.ended_at = 0.0
        self.request_bytes = 0
        self.response_bytes = 0
        self.departure = ""
        self.error = ""  # type name of a bug, or what broke a streamed answer


class Sink(Protocol):
    """Receives every record. One that raises is counted, never felt."""

    def record(self, record: Record) -> None:
        """Take note; must not block."""
