"""What the planes exchange: the Plan, from control to data, and the Record, from data to control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from guard.proxy.values.calls import Answer, Ceiling, Inspector, Step
from guard.proxy.values.request import Head, Judge, Permit, Verdict, Violation
from guard.proxy.values.words import Outcome, Reason, Source


@dataclass(slots=True, eq=False)
class Problem:
    """An error of ours, before a dialect gives it its shape."""

    status: int
    code: str
    request_id: str
    violations: Sequence[Violation] = ()


class Rung(Protocol):
    """One source of answers. Pure."""

    source: Source
    remote: bool  # needs I/O, and so time
    reads_input: bool  # would answer from what the client sent: closed by a stale or missing feature
    version: str  # of the model that answers; empty where none does or it is not known

    def ask(self, permit: Permit, now: float) -> "Step":
        """Answer, name the call that would answer, or say why not."""


class AnswerJudge(Protocol):
    """The output contract. Pure."""

    def judge(self, body: bytes, rows: int | None) -> Verdict:
        """`Allow` (document = what was read) or `Deny`, with the violations; `rows` answers are due, if that is known."""

    def judge_own(self, document: object, rows: int | None) -> Verdict:
        """The same for an answer of a rung of our own; outputs that only the model gives may be null."""


class Dialect(Protocol):
    """How a family of model servers speaks."""

    name: str

    def outcome(self, answer: "Answer") -> Outcome:
        """Whose doing this answer is."""

    def error(self, problem: "Problem") -> tuple[bytes, bytes]:
        """(content type, body) of an error of ours, in the shape that clients of this dialect parse."""


@dataclass(slots=True, eq=False)
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
    inspector: Callable[[], Inspector | None] = lambda: None
    ceiling: Ceiling = field(default_factory=Ceiling)
    deadline_header: bytes = b""  # in which a client says how many seconds it waits
    remember: Callable[[Permit, Answer, float, str], None] | None = None
    """Keeps an answer of the model itself for the cached rung."""


class Plan(Protocol):
    """The policy compiled for the data plane. Swapped whole."""

    expose_reason: bool
    sinks: "Sequence[Sink]"

    def match(self, head: Head) -> Route:
        """The route of a raw target. Raises Refused (bad_request, not_found, method_not_allowed)."""

    def wall(self, now: float) -> float:
        """Seconds since the epoch at monotonic `now`."""

    def sink_crashed(self, sink: "Sink") -> None:
        """Count a sink that raised."""


class Record:
    """The one account of an exchange. Holds no client value.

    Defaults stand on the class, not in twenty assignments for each request.
    """

    method = ""
    route = ""  # template; empty where none matched
    status = 0
    source: Source | None = None  # None: denied, or nobody was answered
    reason: Reason | None = None  # why the first rung was left
    code = ""  # of a refusal
    version = ""
    violations: Sequence[Violation] = ()
    answer_violations: Sequence[Violation] = ()
    read_at = 0.0  # the body was whole
    called_at = 0.0
    head_at = 0.0
    answered_at = 0.0  # the upstream's last byte
    ended_at = 0.0
    request_bytes = 0
    response_bytes = 0
    gone = ""
    error = ""  # type name of a bug, or what broke a relayed answer

    def __init__(self, request_id: str, begun_at: float) -> None:
        self.request_id = request_id
        self.begun_at = begun_at
        self.descents: list[tuple[Source, Reason]] = []


class Sink(Protocol):
    """Receives every record. One that raises is counted, never felt."""

    def record(self, record: Record) -> None:
        """Take note; must not block."""
