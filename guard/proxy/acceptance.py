"""Whether a rung's answer may be given to the client: held against its dialect, the output contract and the mode."""

from typing import Final

from guard.proxy.context import Context, RungAttempt, broken
from guard.proxy.headers import retry_after
from guard.proxy.values import (
    DISABLED,
    LEVEL,
    MODEL,
    STREAM,
    Allow,
    Answer,
    Closed,
    Deny,
    Failed,
    Listening,
    Permit,
    Prediction,
    Reason,
    Refused,
    Route,
    Settlement,
)

OURS: Final[frozenset[Reason | None]] = frozenset(("overloaded", "mode", "kill_file", "forced", "breaker_open", "backoff"))
"""Reasons that are not the target's doing."""


def accept(context: Context, permit: Permit, attempt: RungAttempt, step: object, now: float) -> Answer | Closed:
    """The answer that may be given, or why not. Settles the attempt's call unless bytes are still to come."""
    if type(step) is Answer:
        return _accept_answer(context, permit, attempt, step, now)
    if type(step) is Failed:
        if attempt.account is not None:
            attempt.account.failed, attempt.account.ended_at = step.code, now
        if step.sent and permit.body is STREAM:
            context.body_spent = True
        attempt.settle(judge_failure(permit, step, attempt, now), now)
        return Closed(step.code, step.retry_after)
    if isinstance(step, Closed):
        return step
    raise TypeError(type(step).__name__)


def _accept_answer(context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, now: float) -> Answer | Closed:
    rung, route, stream = attempt.rung, permit.route, None
    if rung.remote:
        closed = _hold_status(context, permit, attempt, answer, now)
        if closed is not None:
            return closed
        if answer.complete and (permit.streamed or route.collect == 0):
            stream = route.inspector(permit.message, answer.headers)
    if stream is not None:
        _hear_stream(context, attempt, answer, stream, now)
    elif rung.source != DISABLED:
        reason = _judge_answer(context, permit, attempt, answer)
        if reason is not None:
            attempt.settle(Settlement.INVALID, now)
            return Closed(reason)
    ceiling = route.ceiling
    if ceiling.level and LEVEL[rung.source] < ceiling.level:
        return Closed(ceiling.why)  # a kill that was acknowledged while the model thought
    if answer.complete:
        attempt.settle(Settlement.FAILURE if attempt.error else Settlement.SUCCESS, now)
        if route.remember is not None and rung.source == MODEL and stream is None:
            route.remember(permit, answer, now, answer.version or rung.version)
    return answer


def _hold_status(context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, now: float) -> Closed | None:
    """Account for a model server's answer; why its status is none that may be given. Raises Refused."""
    account = attempt.account
    if account is not None:
        account.begun_at, account.ended_at, account.status = answer.called_at, answer.end_at, answer.status
    if permit.body is STREAM:
        context.body_spent = True
    reason = judge_status(permit.route, answer)
    if reason is None:
        return None
    wait = retry_after(answer.headers)
    attempt.settle(Settlement.FAILURE if reason == "status" else Settlement.BACKOFF, now, retry_after=wait)
    return Closed(reason, wait)


def _hear_stream(context: Context, attempt: RungAttempt, answer: Answer, stream: Listening, now: float) -> None:
    """Pass a stream through its inspector that arrived in one piece with its head, and so is not relayed."""
    answer.body = stream.feed(answer.body, now) + stream.end()
    heard = stream.said
    version = heard.version if heard.version != context.named else ""
    answer.version = attempt.hear(heard.usage, version) or answer.version
    if broken(heard.usage):
        attempt.error = "error_event"


def judge_status(route: Route, answer: Answer) -> Reason | None:
    """The dialect's outcome of a model server's answer. A fault of the client is the client's to hear. Raises Refused."""
    match route.dialect.outcome(answer):
        case "ok":
            return None
        case "client_fault":
            raise Refused("upstream_refused", status=answer.status)
        case "overload":
            return "backoff"
        case _:
            return "status"


def judge_failure(permit: Permit, failure: Failed, attempt: RungAttempt, now: float) -> Settlement:
    """Whether the target is to blame: not for our own lack of capacity or stall, nor for the impatience of a client.

    A call ends in whatever phase it is in when the client's own deadline comes: in the queue, while it connects, while it
    is answered. Whatever the failure is named then, it says how long the client waited, and not how long the target takes;
    unless the time that an attempt may take was over by then.
    """
    if failure.ours or failure.code in OURS:
        return Settlement.IGNORED
    call = attempt.call
    if call is None or not permit.shortened or now < permit.deadline:
        return Settlement.FAILURE
    return Settlement.IGNORED if permit.deadline < attempt.asked_at + call.target.attempt else Settlement.FAILURE


def _judge_answer(context: Context, permit: Permit, attempt: RungAttempt, answer: Answer) -> Reason | None:
    """The output contract; it holds for every rung that answers in the model's place."""
    route, rung = permit.route, attempt.rung
    if route.output is None or permit.head.method == b"HEAD":
        return None
    if not answer.complete:
        return None if route.collect == 0 or permit.streamed else "too_large"
    if rung.remote:
        verdict = route.output.judge(answer.body, permit.rows, answer.headers)
        _hear(context, permit, attempt, answer, verdict)
    else:
        verdict = route.output.judge_own(answer.document, permit.rows)
    if verdict.violations:
        attempt.violations = verdict.violations
    if route.measures:
        measured = route.output.measured(verdict.document)
        version, valid = answer.version or rung.version, not verdict.violations
        context.record.predictions.append(Prediction(rung.source, version, measured, valid))
    if route.version and rung.source == MODEL and answer.version not in ("", route.version):
        return "version"
    return "invalid" if type(verdict) is Deny and route.enforce else None


def _hear(context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, verdict: Allow | Deny) -> None:
    """What an answer says of itself. Its model's version the request's target may name, or who asked the server."""
    own = (verdict.version if verdict.version != context.named else "") or answer.named.decode("latin-1")
    version = own or permit.route.dialect.version(permit.head.target)
    if not version and attempt.call is not None:
        version = attempt.call.target.version
    answer.version = attempt.hear(verdict.usage, version)
