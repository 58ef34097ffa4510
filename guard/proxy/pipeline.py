"""The life of a request: the whole story, top to bottom, in `handle_request`. Nothing here does I/O or reads a clock.

`handle_request` yields commands (`Body`, `Call`, `Relay`) and is resumed with values or exceptions; a driver performs them.
The last that it yields is the answer to the client: a `Reply`, or how a relayed answer ended. It is yielded, not returned,
because a StopIteration costs 3 % of a request in machine code; the driver lets go of the generator then.
"""

from collections.abc import Callable, Generator
from typing import Final, Protocol, TypeAlias

from guard.proxy.acceptance import OURS, accept, blame_stream, relay_unopened, strict
from guard.proxy.context import Context, RungAttempt, broken, stream_error
from guard.proxy.headers import date
from guard.proxy.judge import judge
from guard.proxy.rescue import rescue
from guard.proxy.served_version import believed
from guard.proxy.values import (
    CUT,
    DISABLED,
    DONE,
    LEVEL,
    MODEL,
    STREAM,
    Answer,
    Call,
    CallOutcome,
    Closed,
    Command,
    Ending,
    Failed,
    Head,
    Headers,
    Permit,
    Plan,
    Receipts,
    RefusalCode,
    Refused,
    Relay,
    Relayed,
    Reply,
    Rung,
    Step,
)

LEAST_TIME: Final = 0.05
"""Shortest remaining time of a request, in seconds, in which a rung may still call a model server."""

METHODS: Final = {
    name.encode(): name
    for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
}
"""Names of methods that records may hold; any other is `_OTHER` (OpenTelemetry's http.request.method)."""

Pipeline: TypeAlias = Generator[Command | Reply | Ending, "bytes | Answer | Relayed", None]


class LadderEnded(Exception):  # noqa: N818
    """The error of a ladder that ends without an answer. It is a bug: `disabled` is the last rung and always answers."""


class Request(Protocol):
    """The exchange as the pipeline reads it."""

    head: Head
    request_id: str
    fault: RefusalCode | None  # the reason that the head is unusable


def handle_request(exchange: Request, plan: Plan, now: Callable[[], float]) -> Pipeline:
    """Answer one request."""
    head = exchange.head
    context = begin(exchange, now())
    step: Step | Failed
    result: Reply | Ending
    try:
        if exchange.fault is not None:
            raise Refused(exchange.fault)
        context.trace = plan.tracer.begin(head)
        context.route = route = plan.match(head)  # raw target: what is matched is what is forwarded
        body = (yield route.body) if route.buffered else STREAM
        at = now()
        context.record.read_at = at
        permit = judge(context, route, body, at, plan.wall(at))  # type: ignore[arg-type]
        for rung in route.ladder if route.trial is None else route.trial.ladder(permit, context.record):  # ends in disabled
            if context.above is not None and (head.alone or context.above.last) and rung.source != DISABLED:
                continue  # the client, or a budget that is spent, wants the model's answer or none
            at = now()
            context.attempt = attempt = RungAttempt(rung, at)
            step = closed(rung, permit, context.body_spent, at) or rung.ask(permit, context.above, at)
            if type(step) is Call:
                context.call(attempt, step)
                try:
                    step = yield step  # type: ignore[assignment]
                except Failed as failure:
                    step = failure
                at = now()
            step = accept(context, permit, attempt, step, at, plan)
            if isinstance(step, Closed):
                context.descend(attempt, step, at)
                continue
            headers = seal(plan, context, attempt, step, now())
            if step.complete:
                result = Reply(step.status, headers, step.body)
            else:
                attempt.inspector = inspector = attempt.watched(route.inspector(permit.message, step.headers))
                attempt.took = step.head_at - step.called_at
                end = yield Relay(step.status, headers, inspector, attempt.until, route.heartbeat, strict(permit, attempt))
                unopened = relay_unopened(context, permit, attempt, step, end, plan)
                if unopened is not None:
                    context.descend(attempt, unopened, now())
                    continue
                result = relayed(context, permit, attempt, end)
            break
        else:
            raise LadderEnded
    except Exception as error:  # noqa: BLE001 — a bug here is a 500 with a Record; one table for all
        result = rescue(error, plan, context, now())
    finally:
        conclude(plan, context, now())
    yield result


def begin(exchange: Request, now: float) -> Context:
    """The exchange's context; its record holds the permitted facts of the head."""
    head = exchange.head
    context = Context(head, exchange.request_id, now)
    record = context.record
    record.method = METHODS.get(head.method, "_OTHER")
    if not head.modern:
        record.protocol = "1.0"
    if head.peer.secure:
        record.scheme = "https"
    return context


def closed(rung: Rung, permit: Permit, body_spent: bool, now: float) -> Closed | None:  # noqa: FBT001
    """The reason that this rung may not be asked for this request; None if it may."""
    rung_limit = permit.route.rung_limit
    if rung_limit.level and LEVEL[rung.source] < rung_limit.level:
        return Closed(rung_limit.why)
    if rung_limit.burn and LEVEL[rung.source] < rung_limit.burn and not rung_limit.probes():
        return Closed("burn")
    if not rung.reads_input:
        return None
    if permit.lowered is not None:
        return Closed(permit.lowered)
    if rung.remote:
        if body_spent:
            return Closed("body_spent")
        if permit.deadline - now < LEAST_TIME:
            return Closed("no_time")
    return None


def seal(plan: Plan, context: Context, attempt: RungAttempt, answer: Answer, now: float) -> Headers:
    """The headers of the given answer: the rung's own, with its source, reason, version and timing. Fills the record."""
    source, version, request_id = attempt.rung.source, answer.version or attempt.rung.version, context.request_id
    headers = answer.headers.copy()
    if not answer.dated:
        headers.append(date(plan.wall(now)))
    headers.append((b"x-guard-source", source.encode()))
    if context.reason is not None and plan.expose_reason:
        headers.append((b"x-guard-reason", context.reason.encode()))
    if version:
        headers.append((b"x-guard-model-version", version.encode()))
    headers.append((b"x-guard-request-id", request_id.encode()))
    upstream = answer.end_at - answer.called_at
    own = now - context.begun_at - upstream
    headers.append((b"server-timing", b"guard;dur=%.3f, upstream;dur=%.3f" % (own * 1e3, upstream * 1e3)))
    record = context.record
    route = context.route
    if route is not None and route.receipts is not None and source == MODEL:
        receipt = hand_out(context, attempt, route.receipts, version, plan.wall(now))
        if receipt is not None:
            headers.append((b"x-guard-receipt", receipt))
    if route is not None and route.trial is not None and answer.complete and context.permit is not None:
        route.trial.answered(context.permit, source, answer, attempt.violations)
    record.source, record.status, record.version = source, answer.status, version
    record.usage, record.answer_violations, record.error = attempt.usage, attempt.violations, attempt.error
    record.response_bytes = attempt.size = len(answer.body)
    return headers


def hand_out(context: Context, attempt: RungAttempt, receipts: Receipts, version: str, wall: float) -> bytes | None:
    """The receipt of the model's answer, by which its label may come back; None without valid values of its outputs."""
    prediction, permit = attempt.prediction, context.permit
    if prediction is None or permit is None or prediction.source != MODEL or not prediction.valid:
        return None
    return receipts(prediction.values, version, permit.document, wall)


def relayed(context: Context, permit: Permit, attempt: RungAttempt, end: object) -> Ending:
    """End a relayed answer. A truncated one ends cleanly only if the client has received an error event."""
    if type(end) is not Relayed:
        raise TypeError(type(end).__name__)
    if attempt.account is not None:
        attempt.account.ended_at, attempt.account.failed = end.end_at, end.failed
    inspector = attempt.inspector
    failed = end.failed is not None or (inspector is not None and broken(inspector.parsed.usage))
    outcome = CallOutcome.SUCCESS
    if failed:
        outcome = CallOutcome.IGNORED if end.ours or end.failed in OURS else blame_stream(permit, attempt, inspector)
    attempt.settle(outcome, end.end_at, took=attempt.took)
    record = context.record
    record.response_bytes = end.sent
    if failed:
        record.error = end.failed or (stream_error(inspector) if inspector is not None else "")
    return DONE if end.failed is None or end.error_sent else CUT


def conclude(plan: Plan, context: Context, now: float) -> None:
    """Settle the last attempt, complete the record, and pass it to every sink. A sink that raises is counted."""
    record, attempt, route = context.record, context.attempt, context.route
    record.ended_at, record.trace, record.reason = now, context.trace, context.reason
    if route is not None:
        record.matched, record.route = route, route.template
    if attempt is not None:
        attempt.settle(CallOutcome.IGNORED, now)
        if attempt.inspector is not None:  # the part of a relayed answer that was read, also if its client left
            parsed, call = attempt.inspector.parsed, attempt.call
            record.usage = parsed.usage
            version = believed(parsed.version, context.permit, call.target) if call is not None else ""
            version = attempt.note_answer(parsed.usage, version)
            if version:
                record.version = version
        attempt.pay()
    for sink in plan.sinks:
        try:
            sink.record(record)
        except Exception:  # noqa: BLE001 — a sink that crashes is counted and never affects an answer
            plan.sink_crashed(sink)
