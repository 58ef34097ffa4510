"""The life of an exchange: the whole story, top to bottom, in `life`. Nothing here does I/O or reads a clock.

`life` yields commands (`Body`, `Call`, `Relay`) and is resumed with values or exceptions; a driver performs them. What
it returns is the answer to the client: a `Reply`, or how a relayed answer ended.
"""

from collections.abc import Callable, Generator
from typing import Final, Protocol, TypeAlias

from guard.proxy.headers import date, retry_after
from guard.proxy.judge import judge
from guard.proxy.rescue import broken, rescue
from guard.proxy.tracing import traceparent
from guard.proxy.values import (
    CUT,
    DISABLED,
    DONE,
    LEVEL,
    MODEL,
    STREAM,
    Allow,
    Answer,
    Attempt,
    Body,
    Call,
    Closed,
    Command,
    Deny,
    Ending,
    Failed,
    Head,
    Headers,
    Listening,
    Permit,
    Plan,
    Prediction,
    Reason,
    Record,
    RefusalCode,
    Refused,
    Relay,
    Relayed,
    Reply,
    Route,
    Rung,
    Settlement,
    Step,
    Ticket,
)

LEAST_TIME: Final = 0.05
"""Seconds of the request's time that a rung with I/O must have left (DESIGN §3)."""

OURS: Final[frozenset[Reason | None]] = frozenset(("overloaded", "mode", "kill_file", "forced", "breaker_open", "backoff"))
"""Reasons that are not the target's doing."""

METHODS: Final = {
    name.encode(): name
    for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
}
"""Names of methods that records may hold; any other is `_OTHER` (OpenTelemetry's http.request.method)."""

Life: TypeAlias = Generator[Command, "bytes | Answer | Relayed", "Reply | Ending"]


class Over:
    """The last that a driver hears of a life: what it ended with."""

    __slots__ = ("result",)

    def __init__(self, result: Reply | Ending) -> None:
        self.result = result


Lived: TypeAlias = Generator[Command | Over, "bytes | Answer | Relayed", None]


class LadderEnded(Exception):  # noqa: N818
    """A bug: `disabled` is the last rung of every ladder and always answers."""


class Request(Protocol):
    """What the life reads of the exchange it is the life of."""

    head: Head
    request_id: str
    fault: RefusalCode | None  # what made the head unusable


def life(exchange: Request, plan: Plan, now: Callable[[], float]) -> Life:
    """Answer one request."""
    record, ticket = begin(exchange, now()), None
    route: Route | None = None
    step: Step | Failed
    try:
        if exchange.fault is not None:
            raise Refused(exchange.fault)
        head = exchange.head
        record.trace = plan.tracer.begin(head)
        route = plan.match(head)  # raw target: what is matched is what is forwarded
        record.matched, record.route = route, route.template
        body = (yield Body(route.max_body)) if route.buffered else STREAM
        record.read_at = at = now()
        record.request_bytes = 0 if body is STREAM else len(body)  # type: ignore[arg-type]
        permit = judge(route, head, body, record, at, plan.wall(at))  # type: ignore[arg-type]
        for rung in route.ladder:  # disabled is always last and always answers
            if head.alone and permit.closed is not None and rung.source != DISABLED:
                continue  # the client wants the model's answer or none
            at = now()
            ticket, step = None, closed(rung, permit, at) or rung.ask(permit, at)
            if type(step) is Call:
                ticket = step.ticket
                call(record, step, at)
                try:
                    step = yield step  # type: ignore[assignment]
                except Failed as failure:
                    step = failure
                at = now()
            step = accept(rung, permit, record, step, ticket, at)
            if isinstance(step, Closed):
                settle(ticket, Settlement.IGNORED, at)
                permit.closed = step
                record.descents.append((rung.source, step.reason))
                continue
            headers = seal(plan, record, rung, step, now())
            if step.complete:
                return Reply(step.status, headers, step.body)
            record.inspector = inspector = route.inspector(permit.message, step.headers)
            return relayed(record, ticket, (yield Relay(step.status, headers, inspector)), step.head_at - step.called_at)
        raise LadderEnded
    except Exception as error:  # noqa: BLE001 — law 3: a bug here is a 500 with a Record; one table for all
        return rescue(error, plan, record, route, ticket, now())
    finally:
        record.ended_at = now()
        settle(ticket, Settlement.IGNORED, record.ended_at)
        if record.inspector is not None:
            listened(record, record.inspector)
        publish(plan, record)


def lived(exchange: Request, plan: Plan, now: Callable[[], float]) -> Lived:
    """The life, for a driver, which lets go of it once it is `Over`. Compiled, a StopIteration costs 3 % of a request."""
    yield Over((yield from life(exchange, plan, now)))


def begin(exchange: Request, now: float) -> Record:
    """The record, with what it may hold of a head."""
    record, head = Record(exchange.request_id, now), exchange.head
    record.method = METHODS.get(head.method, "_OTHER")
    if not head.modern:
        record.protocol = "1.0"
    if head.peer.secure:
        record.scheme = "https"
    return record


def closed(rung: Rung, permit: Permit, now: float) -> Closed | None:
    """Why this rung may not even be asked for this request."""
    ceiling = permit.route.ceiling
    if ceiling.level and LEVEL[rung.source] < ceiling.level:
        return Closed(ceiling.why)
    if not rung.reads_input:
        return None
    if permit.lowered is not None:
        return Closed(permit.lowered)
    if rung.remote:
        if permit.spent:
            return Closed("body_spent")
        if permit.deadline - now < LEAST_TIME:
            return Closed("no_time")
    return None


def call(record: Record, step: Call, now: float) -> None:
    """Take note of a call that is about to be made; each is a span of its own, and the model server is told which."""
    record.attempts.append(Attempt(step.target, now))
    trace, number = record.trace, len(record.attempts)
    if number > 1 and trace is not None and trace.told:
        kept = [pair for pair in step.head.headers if pair[0] != b"traceparent"]
        headers = [*kept, traceparent(trace, trace.call_id(number))]
        step.head = Head(step.head.method, step.head.target, headers)


def accept(rung: Rung, permit: Permit, record: Record, step: object, ticket: Ticket | None, now: float) -> Answer | Closed:
    """What a rung came up with, held against mode, dialect and output contract. Settles unless bytes are to come."""
    if type(step) is Answer:
        return accept_answer(rung, permit, record, step, ticket, now)
    if type(step) is Failed:
        record.attempts[-1].failed, record.attempts[-1].ended_at = step.code, now
        permit.spent = step.sent and permit.body is STREAM
        settle(ticket, judge_failure(permit, step, record.attempts[-1], now), now)
        return Closed(step.code, step.retry_after)
    if isinstance(step, Closed):
        return step
    raise TypeError(type(step).__name__)


def accept_answer(
    rung: Rung, permit: Permit, record: Record, answer: Answer, ticket: Ticket | None, now: float
) -> Answer | Closed:
    """An answer that may be given to the client, or why not."""
    if rung.remote:
        record.called_at, record.head_at, record.answered_at = answer.called_at, answer.head_at, answer.end_at
        attempt = record.attempts[-1]
        attempt.begun_at, attempt.ended_at, attempt.status = answer.called_at, answer.end_at, answer.status
        permit.spent = permit.body is STREAM
        reason = judge_status(permit.route, answer)
        if reason is not None:
            wait = retry_after(answer.headers)
            settle(ticket, Settlement.FAILURE if reason == "status" else Settlement.BACKOFF, now, retry_after=wait)
            return Closed(reason, wait)
    failed = rung.remote and whole_stream(permit, record, answer, now)
    if rung.source != DISABLED and record.inspector is None:
        reason = judge_answer(rung, permit, record, answer)
        if reason is not None:
            settle(ticket, Settlement.INVALID, now)
            return Closed(reason)
    ceiling = permit.route.ceiling
    if ceiling.level and LEVEL[rung.source] < ceiling.level:
        return Closed(ceiling.why)  # a kill that was acknowledged while the model thought
    if answer.complete:
        settle(ticket, Settlement.FAILURE if failed else Settlement.SUCCESS, now)
        if permit.route.remember is not None and rung.source == MODEL and record.inspector is None:
            permit.route.remember(permit, answer, now, answer.version or rung.version)
    return answer


def whole_stream(permit: Permit, record: Record, answer: Answer, now: float) -> bool:
    """Whether a stream that arrived in one piece with its head, and so is not relayed, says that the model broke."""
    if not answer.complete or not (permit.streamed or permit.route.collect == 0):
        return False
    record.inspector = inspector = permit.route.inspector(permit.message, answer.headers)
    if inspector is None:
        return False
    answer.body = inspector.feed(answer.body, now) + inspector.end()
    record.error = "error_event" if broken(record) else ""
    return record.error != ""


def judge_status(route: Route, answer: Answer) -> Reason | None:
    """The dialect's outcome of a model server's answer. A fault of the client is the client's to hear."""
    match route.dialect.outcome(answer):
        case "ok":
            return None
        case "client_fault":
            raise Refused("upstream_refused", status=answer.status)
        case "overload":
            return "backoff"
        case _:
            return "status"


def judge_failure(permit: Permit, failure: Failed, attempt: Attempt, now: float) -> Settlement:
    """Whether the target is to blame: not for our own lack of capacity or stall, nor for the impatience of a client.

    A call ends in whatever phase it is in when the client's own deadline comes: in the queue, while it connects, while it
    is answered. Whatever the failure is named then, it says how long the client waited, and not how long the target takes;
    unless the time that an attempt may take was over by then.
    """
    if failure.ours or failure.code in OURS:
        return Settlement.IGNORED
    if permit.shortened and now >= permit.deadline and permit.deadline < attempt.asked_at + attempt.target.attempt:
        return Settlement.IGNORED
    return Settlement.FAILURE


def judge_answer(rung: Rung, permit: Permit, record: Record, answer: Answer) -> Reason | None:
    """The output contract; it holds for every rung that answers in the model's place."""
    route = permit.route
    if route.output is None or permit.head.method == b"HEAD":
        return None
    if not answer.complete:
        return None if route.collect == 0 or permit.streamed else "too_large"
    if rung.remote:
        verdict = route.output.judge(answer.body, permit.rows, answer.headers)
        heard(record, permit, answer, verdict)
    else:
        verdict = route.output.judge_own(answer.document, permit.rows)
    if verdict.violations:
        record.answer_violations = verdict.violations
    if route.measures:
        measured = route.output.measured(verdict.document)
        version, valid = answer.version or rung.version, not verdict.violations
        record.predictions.append(Prediction(rung.source, version, measured, valid))
    if route.version and rung.source == MODEL and answer.version not in ("", route.version):
        return "version"
    return "invalid" if type(verdict) is Deny and route.enforce else None


def heard(record: Record, permit: Permit, answer: Answer, verdict: Allow | Deny) -> None:
    """What an answer says of itself. Its model's version the request's target may name, or who asked the server."""
    attempt = record.attempts[-1]
    own = (verdict.version if verdict.version != record.named else "") or answer.named.decode("latin-1")
    version = own or permit.route.dialect.version(permit.head.target) or attempt.target.version
    if version:
        answer.version = attempt.version = word(version)
    if verdict.usage is not None:
        record.usage = verdict.usage


def word(text: str) -> str:
    """What a model server says of itself, fit for a header and a label."""
    if text.isascii() and text.isprintable():
        return text[:128]
    return "".join(one if " " <= one <= "~" else "_" for one in text[:128])


def seal(plan: Plan, record: Record, rung: Rung, answer: Answer, now: float) -> Headers:
    """The head of an answer: what the rung said, and by whom and why (DESIGN §8)."""
    version = answer.version or rung.version
    record.source, record.status, record.version = rung.source, answer.status, version
    record.response_bytes = len(answer.body)
    headers = answer.headers.copy()
    if not answer.dated:
        headers.append(date(plan.wall(now)))
    headers.append((b"x-guard-source", rung.source.encode()))
    if record.descents:
        record.reason = record.descents[0][1]
        if plan.expose_reason:
            headers.append((b"x-guard-reason", record.reason.encode()))
    if version:
        headers.append((b"x-guard-model-version", version.encode()))
    headers.append((b"x-guard-request-id", record.request_id.encode()))
    upstream = answer.end_at - answer.called_at
    own = now - record.begun_at - upstream
    headers.append((b"server-timing", b"guard;dur=%.3f, upstream;dur=%.3f" % (own * 1e3, upstream * 1e3)))
    return headers


def relayed(record: Record, ticket: Ticket | None, end: object, took: float) -> Ending:
    """A pumped answer came to its end; a truncated one is given a clean end only after it said so itself."""
    if type(end) is not Relayed:
        raise TypeError(type(end).__name__)
    failed = end.failed is not None or broken(record)
    record.response_bytes = end.sent
    record.answered_at = record.attempts[-1].ended_at = end.end_at
    record.attempts[-1].failed = end.failed
    outcome = Settlement.IGNORED if end.ours or end.failed in OURS else Settlement.FAILURE
    settle(ticket, outcome if failed else Settlement.SUCCESS, end.end_at, took=took)
    if end.failed is None:
        record.error = "error_event" if failed else ""
        return DONE
    record.error = end.failed
    return DONE if end.told else CUT


def listened(record: Record, inspector: Listening) -> None:
    """What was heard of a relayed answer, also of one whose client left."""
    said = inspector.said
    record.usage = said.usage
    if said.version not in ("", record.named):
        record.attempts[-1].version = record.version = word(said.version)


def settle(
    ticket: Ticket | None, outcome: Settlement, now: float, took: float | None = None, retry_after: float | None = None
) -> None:
    """Say how a call went; the first settlement of a ticket counts."""
    if ticket is not None:
        ticket.settle(outcome, now, took=took, retry_after=retry_after)


def publish(plan: Plan, record: Record) -> None:
    """Hand the record to every sink. One that crashes is counted, never felt (law 3)."""
    for sink in plan.sinks:
        try:
            sink.record(record)
        except Exception:  # noqa: BLE001
            plan.sink_crashed(sink)
