"""The one place where an exception becomes an answer."""

from http import HTTPStatus
from typing import Final

from guard.proxy.headers import date
from guard.proxy.values import (
    CUT,
    Ending,
    Gone,
    Headers,
    Plan,
    Problem,
    Record,
    RefusalCode,
    Refused,
    Reply,
    Route,
    Settlement,
    Ticket,
)

STATUS: Final[dict[RefusalCode, int]] = {
    "json_syntax": 400,
    "json_duplicate": 400,
    "json_depth": 400,
    "json_number": 400,
    "json_encoding": 400,
    "contract": 422,
    "bad_request": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "body_too_large": 413,
    "target_too_long": 414,
    "unsupported_media_type": 415,
    "headers_too_large": 431,
    "upstream_refused": 400,
    "internal": 500,
    "draining": 503,
    "overloaded": 503,
}

CLOSES: Final[frozenset[RefusalCode]] = frozenset(
    ("bad_request", "request_timeout", "target_too_long", "headers_too_large", "draining", "overloaded")
)
"""After these the connection's framing, or its future, cannot be trusted."""


def rescue(
    error: Exception, plan: Plan, record: Record, route: Route | None, ticket: Ticket | None, now: float
) -> Reply | Ending:
    """Refused → its status; Gone → nobody to answer; anything else is a bug of ours → 500."""
    if isinstance(error, Gone):
        record.gone = error.cause
        if broken(record):  # many clients leave as soon as they read of it
            record.error = "error_event"
        if ticket is not None:
            outcome = Settlement.FAILURE if record.error else Settlement.GONE  # which counts only past the slow threshold
            ticket.settle(outcome, now)
        return CUT
    if isinstance(error, Refused):
        code, status = error.code, error.status or STATUS[error.code]
    else:
        code, status = "internal", 500
        record.error = type(error).__name__
    record.code, record.status, record.source = code, status, None
    problem = Problem(status, code, record.request_id, record.violations if code == "contract" else ())
    content_type, body = (route.dialect if route is not None else DEFAULT).error(problem)
    headers: Headers = [
        date(plan.wall(now)),
        (b"content-type", content_type),
        (b"x-guard-request-id", record.request_id.encode()),
    ]
    if code in ("overloaded", "draining"):
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Refused) and error.allow:
        headers.append((b"allow", error.allow))
    record.response_bytes = len(body)
    return Reply(status, headers, body, close=code in CLOSES)


def broken(record: Record) -> bool:
    """Whether a stream told that the model failed."""
    usage = record.inspector.said.usage if record.inspector is not None else None
    return usage is not None and usage.finish == "error"


class Plain:
    """The shape of an error where no route, and so no dialect, is known yet: RFC 9457."""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """(content type, body); every value is a word of ours."""
        title = HTTPStatus(problem.status).phrase
        body = '{"type":"urn:guard:error:%s","title":"%s","status":%d,"code":"%s","request_id":"%s","violations":[]}' % (
            problem.code, title, problem.status, problem.code, problem.request_id,
        )  # fmt: skip
        return b"application/problem+json", body.encode()


DEFAULT = Plain()
