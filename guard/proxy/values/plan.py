"""Values that the planes exchange: the Plan, from control to data, and the Record, from data to control."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from guard.proxy.values.calls import Answer, Body, Closed, RungLimit, Step, Target
from guard.proxy.values.codec import Dialect, Message, StreamParser, Usage
from guard.proxy.values.request import Allow, Deny, Facts, Head, Judge, Stream, Violation
from guard.proxy.values.watch import Watch
from guard.proxy.values.words import Document, Headers, Reason, RefusalCode, Source


class Rung(Protocol):
    """One source of answers. Pure."""

    source: Source
    remote: bool  # needs I/O and time
    reads_input: bool  # answers from the client's input: closed by a stale or missing feature
    version: str  # the answering model's; empty if there is none or it is unknown

    def ask(self, permit: "Permit", above: Closed | None, now: float) -> "Step":
        """The answer, the call to make, or the reason for none. `above`: the reason that closed the rung above, if any."""


class Trial(Protocol):
    """A candidate beside the model. Pure."""

    candidate: Rung

    def ladder(self, permit: "Permit", record: "Record") -> tuple[Rung, ...]:
        """The rungs to ask for this request, highest first; the record notes where its key falls."""

    def answered(self, permit: "Permit", source: Source, answer: Answer, violations: Sequence[Violation]) -> None:
        """Take note of a whole answer that the client is about to get."""


class AnswerJudge(Protocol):
    """The output contract. Pure."""

    def judge(self, body: bytes, rows: int | None, headers: Headers) -> Allow | Deny:
        """The verdict on a model's answer, with its document and violations. `rows`: expected answers; None if unknown."""

    def judge_own(self, document: object, rows: int | None) -> Allow | Deny:
        """The verdict on an answer of guard's own rungs; outputs that only the model gives may be null."""

    def excuse(
        self, denied: Deny, document: Document, body: bytes | None, rows: int | None, headers: Headers, message: Message
    ) -> Allow | Deny:
        """Judge a denied answer again, by the outputs that its request asked for. `body` None: judge its document."""

    def measured(self, document: object) -> "Values":
        """The reportable values of an answer; of any document, also of one that breaks the contract."""


class LineDocument(Protocol):
    """A body of JSON Lines as the JSON document that the route's judges know."""

    body: bytes

    def located(
        self, code: RefusalCode | None, violations: Sequence[Violation], field_of: Callable[[str, bool], str]
    ) -> Sequence[Violation]:
        """The document's violations as violations of lines. `code`: that of the refusal; None if the body was allowed."""


class LineReader(Protocol):
    """Reads bodies of JSON Lines. Pure."""

    def read(self, head: Head, body: bytes) -> LineDocument | None:
        """The body as one document; None for another media type. Raises Refused."""


class Measure(NamedTuple):
    """An output that may be reported.

    `kind`: one of `classes`; a number from `low` to `high`; a vector of numbers, of which the largest is reported; or
    any other value, of which only the presence is reported.
    """

    name: str
    kind: Literal["class", "number", "vector", "presence"]
    classes: tuple[object, ...] = ()
    low: float | None = None
    high: float | None = None


Values: TypeAlias = Sequence[Sequence[object]]
"""Shape (measures, instances): one value for each Measure of a route, in order, and each instance; None: no value."""


Receipts: TypeAlias = Callable[[Values, str, object, float], bytes | None]
"""(reported values of an answer, model version, judged request, wall time) → the receipt by which labels come back."""


@dataclass(eq=False)
class Route:
    """A compiled route. Times in seconds. Immutable by convention."""

    template: str
    method: str
    buffered: bool
    max_body: int
    collect: int  # bytes of an answer to buffer before it is relayed; 0 for `stream: true`
    request: float  # longest time that a client waits
    enforce: bool
    dialect: Dialect
    judges: tuple[Judge, ...]
    output: AnswerJudge | None
    ladder: tuple[Rung, ...]
    inspector: Callable[[Message | None, Headers], StreamParser | None] = lambda _message, _headers: None
    rung_limit: RungLimit = field(default_factory=RungLimit)
    deadline_header: bytes = b""  # header with the seconds that a client waits
    remember: Callable[["Permit", Answer, float, str], None] | None = None
    """Stores an answer of the model itself for the cached rung."""
    measures: tuple[Measure, ...] = ()
    shown: Callable[[object], Mapping[str, object]] | None = None
    """Judged document → the input fields that the log of a sampled exchange may hold."""
    field_of: Callable[[str, bool], str] = lambda _pointer, _answer: ""
    """(pointer of a violation, whether it is of an answer) → the declared field."""
    baggage: frozenset[bytes] = frozenset()  # members that the model server may see
    accepts: bytes = b"application/json"  # media types of requests
    heartbeat: float = 0.0  # see `Relay`
    lines: LineReader | None = None  # None: bodies are not rows, or not in a layout of lines
    version: str = ""  # the only version that may answer; empty: any
    receipts: Receipts | None = None  # hands out receipts for the model's answers
    trial: Trial | None = None  # of a candidate; its ladder is asked in place of `ladder`
    watch: Watch | None = None  # monitoring; None: the route is not watched
    free_path: bool = field(init=False)  # the client chooses parts of its path
    key: str = field(init=False)  # as the policy names it
    body: Body = field(init=False)  # the command that reads a request's body, shared by all

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
        forward: Headers,  # headers for the model server, except framing and Host
        body: bytes | Stream,  # as the model server receives it
        document: Document,  # for guard's own rungs; None if nothing was parsed
        rows: int | None,  # instances in it; None if the body is not a list of rows
        lowered: Reason | None,
        deadline: float,  # monotonic seconds by which the client has an answer
        request_id: str,
        shortened: bool = False,  # the client's own deadline is earlier than the policy's
        message: Message | None = None,  # the request as its dialect read it
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
        """Whether the client asked for a streamed answer."""
        return self.message is not None and self.message.stream


class Plan(Protocol):
    """The policy compiled for the data plane. A reload replaces it as a whole."""

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
    """The place of an exchange in a distributed trace. Ids are lower-case hexadecimal (W3C Trace Context)."""

    __slots__ = ("_first_call", "parent_id", "propagated", "sampled", "span_id", "trace_id")

    def __init__(
        self, trace_id: bytes, span_id: bytes, parent_id: bytes, first_call: bytes, *, sampled: bool, propagated: bool
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id  # empty: the trace begins here
        self._first_call = first_call
        self.sampled = sampled
        self.propagated = propagated  # sent to the model server; False: sampled only for the log

    def call_id(self, number: int) -> bytes:
        """The span id of the exchange's `number`th call, counted from 1; never zero, which is invalid."""
        if number == 1:
            return self._first_call
        return b"%016x" % ((int(self._first_call, 16) + number - 2) % 0xFFFFFFFFFFFFFFFF + 1)


class Tracer(Protocol):
    """Decides at the beginning of an exchange whether it is sampled."""

    def begin(self, head: Head) -> Trace | None:
        """The trace of an exchange. None: it is not sampled, and only the client's own trace headers go on."""


class Attempt:
    """The record of one call, whatever its outcome. Times in monotonic seconds."""

    __slots__ = ("asked_at", "begun_at", "cost", "ended_at", "failed", "status", "target", "usage", "version")

    def __init__(self, target: Target, asked_at: float) -> None:
        self.target = target
        self.asked_at = self.begun_at = asked_at  # begun: the request was written on its connection
        self.ended_at = 0.0  # 0: it ends with the exchange
        self.status = 0
        self.version = ""  # as the answer, its head or the target named it
        self.failed: Reason | None = None
        self.usage: Usage | None = None  # tokens used, whether its answer was given or not
        self.cost = -1  # settled by a budget, in millionths of a millionth of the currency; -1: no budget


class Prediction:
    """A rung's values of the reportable outputs, whether they were served or not."""

    __slots__ = ("source", "valid", "values", "version")

    def __init__(self, source: Source, version: str, values: Values, valid: bool) -> None:
        self.source = source
        self.version = version
        self.values = values
        self.valid = valid


class Record:
    """The facts of an exchange for telemetry; they do not affect the exchange. Times in monotonic seconds.

    The only client values in it are `log: true` fields of a sampled exchange. Facts of an answer describe the one that was
    given; those of the rungs above it are in `descents`, `attempts`, `predictions` and `discarded`.
    """

    __slots__ = (
        "answer_violations", "attempts", "begun_at", "bucket", "code", "departure", "descents", "discarded", "ended_at",
        "error", "facts", "failed_rules", "matched", "method", "predictions", "protocol", "read_at", "reason",
        "request_bytes", "request_id", "response_bytes", "route", "rows", "scheme", "shown", "source", "status", "trace",
        "usage", "version", "violations",
    )  # fmt: skip

    def __init__(self, request_id: str, begun_at: float) -> None:
        self.request_id = request_id
        self.begun_at = begun_at
        self.bucket = -1  # of the request's key, while a candidate answers a share of them
        self.descents: list[tuple[Source, Reason]] = []
        self.attempts: list[Attempt] = []
        self.predictions: list[Prediction] = []
        self.discarded: list[Violation] = []  # of answers that were not given
        self.failed_rules: Sequence[int] = ()  # from 1; rules that failed before one answered
        self.matched: Route | None = None
        self.trace: Trace | None = None
        self.scheme = "http"
        self.protocol = "1.1"
        self.rows: int | None = None  # instances in the request; None if it was not read
        self.facts: Facts | None = None
        self.shown: Mapping[str, object] | None = None
        self.method = ""
        self.route = ""  # template; empty if none matched
        self.status = 0
        self.source: Source | None = None  # None: denied, or no answer was given
        self.reason: Reason | None = None  # the reason that the first rung did not answer
        self.code = ""  # of a refusal
        self.version = ""  # the answer's, as it names it, or as the policy declares it for the rung
        self.usage: Usage | None = None  # the answer's, if a generative model gave it
        self.violations: Sequence[Violation] = ()  # of the request
        self.answer_violations: Sequence[Violation] = ()  # of the given answer, in observe mode
        self.read_at = 0.0  # the body was complete
        self.ended_at = 0.0
        self.request_bytes = 0
        self.response_bytes = 0
        self.departure = ""
        self.error = ""  # type name of a bug, or the cause that broke a streamed answer


class Sink(Protocol):
    """Receives every record. A sink that raises is counted and never affects a request."""

    def record(self, record: Record) -> None:
        """Take a record; must not block."""
