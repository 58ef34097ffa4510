"""The stage for dialogues: a plan, a route and rungs as small as can be, and a clock that only moves when told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.ladder.model import Model
from guard.proxy.pipeline import Pipeline, handle_request
from guard.proxy.tracing import Untraced
from guard.proxy.values import (
    Allow,
    Answer,
    CallOutcome,
    Closed,
    CodecSpec,
    Deny,
    Ending,
    ErrorWord,
    ForwardedRequest,
    Head,
    Inspector,
    Outcome,
    Permit,
    Problem,
    Reason,
    Record,
    Refused,
    Reply,
    Route,
    Rung,
    Source,
    Step,
    Target,
    Tracer,
    Verdict,
)

POST = Head(b"POST", b"/predict", [(b"host", b"guard"), (b"content-type", b"application/json")])


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FreeSlots:
    """A limit that is never reached."""

    def acquire(self) -> bool:
        return True

    def enqueue(self, waiter: object) -> bool:
        raise AssertionError

    def forget(self, waiter: object) -> None: ...

    def release(self) -> None: ...


class Tickets:
    """A breaker that never opens, and counts: the tickets that are out, and how calls ended."""

    def __init__(self) -> None:
        self.out = 0
        self.counts = dict.fromkeys(CallOutcome, 0)
        self.settled: list[tuple[CallOutcome, float | None, float | None]] = []
        self.closed: Reason | None = None  # what a queued call is told

    def admit(self, now: float) -> "Ticket":
        self.out += 1
        return Ticket(self)


class Ticket:
    """One-shot."""

    def __init__(self, tickets: Tickets) -> None:
        self.tickets: Tickets | None = tickets

    def recheck(self, now: float) -> Reason | None:
        return self.tickets.closed if self.tickets else "breaker_open"

    def settle(
        self, outcome: CallOutcome, now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None:
        tickets, self.tickets = self.tickets, None
        if tickets is not None:
            tickets.out -= 1
            tickets.counts[outcome] += 1
            tickets.settled.append((outcome, took, retry_after))


class Tongue:
    """A dialect: 2xx ok, 400 the client's, 429 overload, the rest the model's fault."""

    name = "tongue"
    management = ()

    def codec(self, spec: CodecSpec) -> None:
        del spec

    def version(self, target: bytes) -> str:
        return ""

    def errs(self, answer: Answer) -> bool:
        return not 200 <= answer.status < 300

    def error_word(self, answer: Answer) -> tuple[ErrorWord, int]:
        return "", 0

    def error_status(self, answer: Answer) -> int:
        return answer.status

    def hidden_outcome(self, body: bytes, asked: ForwardedRequest) -> Outcome:
        return "client_fault" if b"client" in body else "model_fault"

    def outcome(self, answer: Answer, asked: ForwardedRequest) -> Outcome:
        return {400: "client_fault", 429: "overload"}.get(answer.status, "model_fault")  # type: ignore[return-value]

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        return b"text/plain", problem.code.encode()


@dataclass
class Fixed:
    """A judge, of requests and of answers, that says one thing."""

    verdict: Verdict | Exception

    def judge(self, *_: object) -> Verdict:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    judge_own = judge


@dataclass
class Local:
    """A rung that needs no I/O."""

    step: Step
    source: Source = "rules"
    remote: bool = False
    reads_input: bool = False
    version: str = ""

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Step:
        return self.step


class Off:
    """`disabled`: always answers, naming what closed the rung above."""

    source: Source = "disabled"
    remote = False
    reads_input = False
    version = ""

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Step:
        reason = above.reason if above else "mode"
        return Answer(503, [], reason.encode())


@dataclass
class Listener:
    """A sink that keeps, or one that crashes."""

    crash: bool = False
    records: list[Record] = field(default_factory=list)

    def record(self, record: Record) -> None:
        if self.crash:
            raise RuntimeError("sink")
        self.records.append(record)


def target(**changes: object) -> Target:
    """A model server with the defaults of the policy."""
    base: dict[str, object] = {
        "source": "model", "url": "http://m", "host": b"m", "pool": None, "limiter": FreeSlots(), "connect": 1.0,
        "attempt": 3.0, "idle": 30.0, "queue_timeout": 0.2,
    }  # fmt: skip
    return Target(**{**base, **changes})  # type: ignore[arg-type]


def rules(reason: Reason | None = None) -> Local:
    """The rules rung, with an answer or a reason."""
    return Local(Closed(reason) if reason else Answer(200, [], b'{"label":"review"}'))


class Stage:
    """One exchange against one route, spoken line by line."""

    def __init__(
        self,
        *,
        rungs: Sequence[Rung] | None = None,
        judges: Sequence[Fixed] = (),
        output: Fixed | None = None,
        buffered: bool = True,
        collect: int = 1000,
        enforce: bool = True,
        head: Head = POST,
        fault: str | None = None,
        sinks: Sequence[Listener] | None = None,
        inspector: Inspector | None = None,
        expose_reason: bool = True,
        request: float = 10.0,
        tracer: Tracer = Untraced(),  # noqa: B008 — has no state
        **of_route: Any,
    ) -> None:
        self.head, self.request_id, self.fault = head, "id-1", fault
        self.model = Model(target(), Tickets(), collect=collect, repeatable=True, version="7")
        self.route = Route(
            template="/predict",
            method="POST",
            buffered=buffered,
            max_body=1000,
            collect=collect,
            request=request,
            enforce=enforce,
            dialect=Tongue(),
            judges=tuple(judges),
            output=output,
            ladder=tuple(rungs) if rungs is not None else (self.model, rules(), Off()),
            inspector=lambda _message, _headers: inspector,
            **of_route,
        )
        self.expose_reason = expose_reason
        self.tracer = tracer
        self.listener = Listener()
        self.sinks = sinks if sinks is not None else [self.listener]
        self.crashed: list[object] = []
        self.now = Clock()
        self.pipeline: Pipeline = handle_request(self, self, self.now)  # type: ignore[arg-type]
        self.end: Reply | Ending | None = None

    # the plan
    def match(self, head: Head) -> Route:
        if head.target != b"/predict":
            raise Refused("not_found")
        if head.method == b"PUT":
            raise Refused("method_not_allowed", allow=b"POST")
        return self.route

    def wall(self, now: float) -> float:
        return now

    def sink_crashed(self, sink: object) -> None:
        self.crashed.append(sink)

    # the dialogue
    def say(self, value: object = None) -> object:
        """Resume with a value, or throw an exception; the next command, or how it ended."""
        throws = isinstance(value, Exception)
        command = self.pipeline.throw(value) if throws else self.pipeline.send(value)  # type: ignore[arg-type]
        if isinstance(command, Reply | Ending):
            self.end = command
        return command

    @property
    def record(self) -> Record:
        """The one record of this exchange."""
        (record,) = self.listener.records
        return record


ALLOW = Fixed(Allow({"age": 30}))
DENY = Fixed(Deny("contract", ()))


def header(reply: object, name: bytes) -> bytes | None:
    """A header of a reply."""
    assert isinstance(reply, Reply)
    return dict(reply.headers).get(name)
