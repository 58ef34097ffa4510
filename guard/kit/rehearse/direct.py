"""Part three, where it is asked for: the model server itself, without guard between.

What guard hides from clients is still in the model server, for its own log and for whoever reaches it another way: errors
that repeat what was sent, answers that are NaN, requests on which it hangs. What the contract allows is sent as guard would
send it; what it denies, as a client would.
"""

import time
from typing import Final

from guard.kit.rehearse.answers import FAILS, NARROW, Fault, broken
from guard.kit.rehearse.canaries import Cage, leaked_canaries
from guard.kit.rehearse.cases import Case, every
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.messy import OVER, Tally
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Check, Got, Part, Request
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Head, Refused

UNTIL: Final = 0.6
"""Share of the whole time after which no more is begun."""
ECHO: Final = "write error texts without values of the request, which reach logs (FastAPI: add an exception handler)"


def run(stage: Stage, part: Part) -> None:
    """The same classes, asked directly."""
    if not stage.options.direct:
        todo = "give --direct to send requests to the model server itself too: guard hides what it replaces"
        part.checks.append(Check("the model server itself", "skip", todo=todo))
        return
    tally, sent = Tally(part), 0
    within = max((subject.declared.timeout.attempt for subject in stage.subjects), default=3.0) + 1.0
    origin = stage.upstream
    try:
        with Client(origin, stage.upstream_verify, within) as client:
            for subject, case in every(stage.subjects, stage.cage, stage.wall):
                if stage.remaining(UNTIL) <= 0:
                    part.checks.append(Check("not tried", "skip", todo=OVER))
                    break
                sent += 1
                allowed = case.wanted.verdict == "answered"
                got = client.ask(_as_guard_sends(subject, case.request) if allowed else case.request)
                tally.took(subject, case, _fault(subject, case, got, stage.cage))
                stage.progress.at(1 - stage.remaining(UNTIL) / (stage.options.seconds * UNTIL), f"{sent} requests")
    finally:
        tally.close()
        part.figures["requests"] = sent


def _as_guard_sends(subject: Subject, request: Request) -> Request:
    """The request that the contract forwards: without fields that are not sent, with defaults."""
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in request.headers]
    head = Head(request.method.encode(), request.target.encode(), headers)
    try:
        permit = judge(Context(head, "rehearse", 0.0), subject.route, request.body, 0.0, time.time())  # noqa: TID251 — the edge
    except Refused:
        return request
    if not isinstance(permit.body, bytes):
        return request
    sent = tuple((name.decode(), value.decode("latin-1")) for name, value in permit.forward)
    return request._replace(headers=sent, body=permit.body)


def _fault(subject: Subject, case: Case, got: Got, cage: Cage) -> Fault | None:
    """The fault of the model server's own answer."""
    expected = "an error that repeats no value of the request"
    if got.status >= 400 and (leaked := leaked_canaries(cage, {"its answer": got.body})):
        return Fault(expected, f"{got.status}; it repeats a value of the request ({leaked[0].rpartition(' in ')[0]})", ECHO)
    if case.wanted.verdict != "answered":
        if got.failed == "ReadTimeout":
            return Fault("an error", str(got), "limit what the model server reads: this request occupies a worker")
        return None
    if got.failed or got.status >= 400:
        return Fault("an answer", str(got), f"{FAILS}: its log has the error; {NARROW}")
    wrong = broken(subject, case.rows, got)
    return (
        Fault("an answer that keeps the output contract", f"{got.status}, but {wrong}", "fix the model") if wrong else None
    )
