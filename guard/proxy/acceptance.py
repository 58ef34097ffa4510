"""Decides whether the client may receive a rung's answer, by its dialect, the output contract and the mode."""

from collections.abc import Callable
from typing import Final

from guard.proxy.context import Context, RungAttempt, broken, stream_error
from guard.proxy.headers import retry_after
from guard.proxy.served_version import believed
from guard.proxy.values import (
    CANDIDATE,
    DISABLED,
    LEVEL,
    MODEL,
    STREAM,
    Allow,
    Answer,
    CallOutcome,
    Closed,
    Deny,
    Failed,
    ForwardedRequest,
    Outcome,
    Permit,
    Plan,
    Prediction,
    Reason,
    Refused,
    Relayed,
    Route,
    StreamParser,
)

OURS: Final[frozenset[Reason | None]] = frozenset(
    ("overloaded", "mode", "burn", "kill_file", "forced", "breaker_open", "backoff", "budget")
)
"""Reasons that the target does not cause."""
CHOSEN: Final[frozenset[Reason]] = frozenset(("too_large", "version"))
"""Reasons that a client can cause: it asks for more rows or tokens than an answer may hold, or for another version."""
UNREACHED: Final[frozenset[Reason]] = frozenset(("connect", "tls"))
"""Reasons that mean that no request at all reaches the target."""
REFUSAL_HEADERS: Final[dict[int, tuple[bytes, ...]]] = {
    401: (b"www-authenticate",), 405: (b"allow",), 413: (b"retry-after",), 415: (b"accept", b"accept-encoding"),
    429: (b"retry-after",),
}  # fmt: skip
"""Status → fields of a refusal that its client needs to correct its request (RFC 9110 §11.6.1, §10.2, §12.5)."""


def accept(context: Context, permit: Permit, attempt: RungAttempt, step: object, now: float, plan: Plan) -> Answer | Closed:
    """The answer that may be given, or the reason for none. Settles the attempt's call unless bytes are still to come.

    `now`: monotonic seconds. Raises Refused if the model server refused the request.
    """
    if type(step) is Answer:
        return _accept_answer(context, permit, attempt, step, now, plan)
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


def _accept_answer(
    context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, now: float, plan: Plan
) -> Answer | Closed:
    rung, route = attempt.rung, permit.route
    closed = _hold_remote(context, permit, attempt, answer, now, plan) if rung.remote else None
    if closed is None and attempt.stream is None and rung.source != DISABLED:
        reason = _judge_answer(context, permit, attempt, answer)
        if reason is not None:
            outcome = CallOutcome.IGNORED if attempt.bent or reason in CHOSEN else blame(permit, CallOutcome.INVALID)
            attempt.settle(outcome, now)
            return Closed(reason)
    if closed is not None:
        return closed
    rung_limit = route.rung_limit
    if rung_limit.level and LEVEL[rung.source] < rung_limit.level:
        return Closed(rung_limit.why)  # a kill took effect while the model worked
    if answer.complete:
        attempt.settle(blame_stream(permit, attempt, attempt.stream) if attempt.error else CallOutcome.SUCCESS, now)
        if route.remember is not None and rung.source == MODEL and attempt.stream is None:
            route.remember(permit, answer, now, answer.version or rung.version)
    return answer


def _hold_remote(
    context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, now: float, plan: Plan
) -> Closed | None:
    """The reason to reject a model server's answer, by its status or its stream; None accepts it. Raises Refused."""
    closed = _hold_status(context, permit, attempt, answer, now, plan)
    if closed is None and answer.complete and (permit.streamed or permit.route.collect == 0):
        attempt.stream = permit.route.inspector(permit.message, answer.headers)
        if attempt.stream is not None:
            closed = _read_buffered_stream(permit, attempt, answer, now, plan)
    return closed


def _hold_status(
    context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, now: float, plan: Plan
) -> Closed | None:
    """Record a model server's answer. Returns the reason to reject it by its status; None accepts it. Raises Refused."""
    account = attempt.account
    if account is not None:
        account.begun_at, account.ended_at, account.status = answer.called_at, answer.end_at, answer.status
    if permit.body is STREAM:
        context.body_spent = True
    call = attempt.call
    if not permit.route.dialect.errs(answer):
        if call is not None and not call.target.keyed and permit.body is not STREAM and permit.head.credentialed:
            call.target.keyed = True  # with a streamed body no error is judged by it
        return None
    outcome = judge_error(permit, attempt, answer)
    return None if outcome == "ok" else _closed_by(outcome, permit, attempt, answer, now, plan.wall(now))


def judge_error(permit: Permit, attempt: RungAttempt, answer: Answer) -> Outcome:
    """The cause of a model server's error, as its dialect reads it."""
    return permit.route.dialect.outcome(answer, _forwarded_request(permit, attempt))


def _forwarded_request(permit: Permit, attempt: RungAttempt) -> ForwardedRequest:
    keyed = attempt.call is not None and attempt.call.target.keyed
    return ForwardedRequest(permit.head, permit.body, permit.message, free_path=permit.route.free_path, keyed=keyed)


def _closed_by(outcome: Outcome, permit: Permit, attempt: RungAttempt, answer: Answer, now: float, wall: float) -> Closed:
    """Settle a call whose answer is an error. Returns what closes its rung; raises Refused for a client's fault."""
    if outcome == "client_fault" and attempt.rung.source != CANDIDATE:
        raise refused(permit.route, answer)
    wait = retry_after(answer.headers, wall)
    if outcome in ("client_limit", "unproven", "client_fault"):  # whose fault it is, the model says
        attempt.settle(CallOutcome.IGNORED, now)
        return Closed("backoff" if outcome == "client_limit" else "status", wait)
    if outcome == "overload":
        attempt.settle(CallOutcome.BACKOFF, now, retry_after=wait)
        return Closed("backoff", wait)
    if answer.status in (408, 504) and impatient(permit, attempt):
        attempt.settle(CallOutcome.IGNORED, now)
        return Closed("timeout")
    attempt.settle(blame(permit, CallOutcome.FAILURE), now)
    return Closed("status", wait)


def relay_unopened(
    context: Context, permit: Permit, attempt: RungAttempt, answer: Answer, end: object, plan: Plan
) -> Closed | None:
    """The reason that a relay sent nothing, so that the next rung may answer; None if it began. Raises Refused."""
    if type(end) is not Relayed or end.opened:
        return None
    record, account, now = context.record, attempt.account, end.end_at
    record.source, record.version = None, ""
    if account is not None:
        account.ended_at = now
    if attempt.inspector is not None and attempt.inspector.refused:
        return _closed_by_event(permit, attempt, answer, attempt.inspector, now, plan)
    failure = Failed(end.failed or "malformed", ours=end.ours)
    if account is not None:
        account.failed = failure.code
    attempt.settle(judge_failure(permit, failure, attempt, now), now)
    return Closed(failure.code)


def _closed_by_event(
    permit: Permit, attempt: RungAttempt, answer: Answer, stream: StreamParser, now: float, plan: Plan
) -> Closed:
    """The reason to reject a stream whose first event is an error; nothing of it was sent. Raises Refused."""
    hidden = Answer(answer.status, answer.headers, stream.error)
    outcome = permit.route.dialect.hidden_outcome(hidden.body, _forwarded_request(permit, attempt))
    return _closed_by(outcome, permit, attempt, hidden, now, plan.wall(now))


def strict(permit: Permit, attempt: RungAttempt) -> Callable[[], bool] | None:
    """A check that a relayed stream names another version than the pinned one; None if any version may answer."""
    expected, call, inspector = permit.route.version, attempt.call, attempt.inspector
    if not expected or attempt.rung.source != MODEL or call is None or inspector is None:
        return None
    target = call.target
    return lambda: believed(inspector.parsed.version, permit, target) not in ("", expected)


def blame_left(permit: Permit, attempt: RungAttempt) -> CallOutcome:
    """The outcome of a call whose client left: that of the stream's error if it reported one, else GONE.

    GONE counts only if the call was slow; a stream counts to its head, since its client decides how long it reads.
    """
    inspector = attempt.inspector
    if inspector is not None and broken(inspector.parsed.usage):
        return blame_stream(permit, attempt, inspector)
    return CallOutcome.GONE


def blame_stream(permit: Permit, attempt: RungAttempt, inspector: StreamParser | None) -> CallOutcome:
    """The outcome of an error in a stream that has begun: a failure, unless the error reports a fault of the client."""
    if inspector is None or not inspector.error:
        return blame(permit, CallOutcome.FAILURE)
    outcome = permit.route.dialect.hidden_outcome(inspector.error, _forwarded_request(permit, attempt))
    return (
        CallOutcome.IGNORED
        if outcome in ("client_fault", "client_limit", "unproven")
        else blame(permit, CallOutcome.FAILURE)
    )


def refused(route: Route, answer: Answer) -> Refused:
    """A model server's refusal as its client receives it: the status, the headers it needs, and an error word."""
    word, limit = route.dialect.error_word(answer)
    status = route.dialect.error_status(answer)
    passed_on = REFUSAL_HEADERS.get(status)
    headers = [pair for pair in answer.headers if pair[0] in passed_on] if passed_on is not None else None
    return Refused("upstream_refused", status=status, headers=headers, word=word, limit=limit)


def impatient(permit: Permit, attempt: RungAttempt) -> bool:
    """Whether the client's own deadline, which the model server received, shortened the call."""
    call = attempt.call
    return permit.shortened and call is not None and permit.deadline < attempt.asked_at + call.target.attempt


def blame(permit: Permit, outcome: CallOutcome) -> CallOutcome:
    """The outcome, or IGNORED for a request that breaks an observed contract: such a request may fail without a fault."""
    return CallOutcome.IGNORED if permit.breaks else outcome


def _read_buffered_stream(permit: Permit, attempt: RungAttempt, answer: Answer, now: float, plan: Plan) -> Closed | None:
    """Pass a stream through its inspector if it arrived in one piece with its head, and so is not relayed.

    Nothing of it was sent: if it is an error or empty, the next rung may answer. Raises Refused.
    """
    stream = attempt.stream
    assert stream is not None  # the caller checks it
    answer.body = stream.feed(answer.body, now) + stream.end()
    parsed = stream.parsed
    call = attempt.call
    version = believed(parsed.version, permit, call.target) if call is not None else ""
    answer.version = attempt.note_answer(parsed.usage, version) or answer.version
    if stream.refused:
        return _closed_by_event(permit, attempt, answer, stream, now, plan)
    if not stream.begun:
        attempt.settle(blame(permit, CallOutcome.FAILURE), now)
        return Closed("malformed")
    if permit.route.version and attempt.rung.source == MODEL and answer.version not in ("", permit.route.version):
        attempt.settle(CallOutcome.IGNORED, now)
        return Closed("version")
    if broken(parsed.usage):
        attempt.error = stream_error(stream)
    return None


def judge_failure(permit: Permit, failure: Failed, attempt: RungAttempt, now: float) -> CallOutcome:
    """FAILURE if the target is to blame, else IGNORED: guard lacked capacity or stalled, or the client's deadline came.

    The client's own deadline ends a call in any phase: in the queue, while it connects, while it is answered. The failure
    then shows how long the client waited, and not how long the target takes, unless the attempt's own time was over too.
    """
    if failure.ours or failure.code in OURS or failure.code in CHOSEN:
        return CallOutcome.IGNORED
    if failure.code not in UNREACHED and permit.breaks:
        return CallOutcome.IGNORED
    return CallOutcome.IGNORED if now >= permit.deadline and impatient(permit, attempt) else CallOutcome.FAILURE


def _judge_answer(context: Context, permit: Permit, attempt: RungAttempt, answer: Answer) -> Reason | None:
    """Judge an answer by the output contract, which applies to every rung. Returns the reason to reject the answer."""
    route, rung = permit.route, attempt.rung
    if route.output is None or permit.head.method == b"HEAD":
        return None
    if not answer.complete:
        return None if route.collect == 0 or permit.streamed else "too_large"
    if rung.remote:
        verdict = route.output.judge(answer.body, permit.rows, answer.headers)
        if type(verdict) is Deny:
            verdict = _as_asked(permit, verdict, answer, answer.body)
        _note_answer(permit, attempt, answer, verdict)
    else:
        verdict = route.output.judge_own(answer.document, permit.rows)
        if type(verdict) is Deny:
            verdict = _as_asked(permit, verdict, answer, None)
        context.record.failed_rules = answer.failed_rules
    if verdict.violations:
        attempt.violations = verdict.violations
    if route.measures:
        _note_prediction(context, route, attempt, answer, verdict)
    if route.version and rung.source == MODEL and answer.version not in ("", route.version):
        return "version"
    if type(verdict) is not Deny or not route.enforce:
        return None
    attempt.bent = verdict.bent or _chosen(permit)
    return "invalid"


def _note_prediction(context: Context, route: Route, attempt: RungAttempt, answer: Answer, verdict: Allow | Deny) -> None:
    """Note the values of the reportable outputs, and let monitoring count those of the model's own answer."""
    rung, output = attempt.rung, route.output
    assert output is not None  # the caller checks it
    measured = output.measured(verdict.document)
    attempt.prediction = prediction = Prediction(
        rung.source, answer.version or rung.version, measured, not verdict.violations
    )
    context.record.predictions.append(prediction)
    if context.watched and rung.source == MODEL and route.watch is not None:
        route.watch.outputs(context.watched, measured)


def _as_asked(permit: Permit, denied: Deny, answer: Answer, body: bytes | None) -> Allow | Deny:
    """The verdict on a denied answer, without the breaches that its request itself asked for."""
    output, message = permit.route.output, permit.message
    if output is None or message is None:
        return denied
    return output.excuse(denied, answer.document, body, permit.rows, answer.headers, message)


def _chosen(permit: Permit) -> bool:
    """Whether the client may have chosen another form of answer, by a query or by an Accept that names no JSON."""
    accept = permit.head.get(b"accept")
    foreign = accept is not None and b"*/*" not in accept and b"json" not in accept.lower()
    return foreign or b"?" in permit.head.target


def _note_answer(permit: Permit, attempt: RungAttempt, answer: Answer, verdict: Allow | Deny) -> None:
    """Note the usage and the version that an answer reports. If it names no version, the target's known one counts."""
    version, call = "", attempt.call
    if call is not None:
        target = call.target
        version = believed(verdict.version, permit, target) if verdict.version else ""
        if not version and answer.named:
            version = believed(answer.named.decode("latin-1"), permit, target)
        if not version:
            version = target.version
    answer.version = attempt.note_answer(verdict.usage, version)
