"""The one place where an exception becomes an answer."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from guard.proxy.acceptance import blame_left
from guard.proxy.context import Context, broken, stream_error
from guard.proxy.headers import date
from guard.proxy.values import (
    CUT,
    Answered,
    CallOutcome,
    Ending,
    Gone,
    Headers,
    Plan,
    Problem,
    RefusalCode,
    Refused,
    Reply,
    Violation,
)

STATUS: Final[dict[RefusalCode, int]] = {
    "json_syntax": 400,
    "json_duplicate": 400,
    "json_depth": 400,
    "json_elements": 400,
    "json_number": 400,
    "json_encoding": 400,
    "json_bom": 400,
    "json_surrogate": 400,
    "contract": 422,
    "bad_request": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "body_too_large": 413,
    "target_too_long": 414,
    "unsupported_media_type": 415,
    "coding_unsupported": 415,
    "coding_malformed": 400,
    "coding_ratio": 413,
    "coding_window": 400,
    "headers_too_large": 431,
    "upstream_refused": 400,
    "internal": 500,
    "method_unknown": 501,
    "websocket": 501,
    "draining": 503,
    "overloaded": 503,
}

CLOSES: Final[frozenset[RefusalCode]] = frozenset(
    (
        "bad_request", "request_timeout", "target_too_long", "headers_too_large", "method_unknown", "websocket", "draining",
        "overloaded",
    )
)  # fmt: skip
"""Codes after which the connection closes: its framing is not reliable, or guard takes no more on it."""

DETAIL: Final = {
    "websocket": ',"detail":"guard does not relay WebSocket connections; connect to the model server itself"',
    "method_unknown": ',"detail":"guard does not know this method"',
}
"""Code → a `detail` member of the body, for codes whose status alone misleads."""


def rescue(error: Exception, plan: Plan, context: Context, now: float) -> Reply | Ending:
    """The answer to an exception: Refused → its status; Gone → the connection is cut; any other is a bug → 500."""
    record = context.record
    if isinstance(error, Gone):
        record.departure = error.cause
        attempt = context.attempt
        if attempt is not None:
            if attempt.inspector is not None and broken(attempt.inspector.parsed.usage):
                record.error = stream_error(attempt.inspector)  # many clients leave once they read of the error
            left = CallOutcome.GONE if context.permit is None else blame_left(context.permit, attempt)
            attempt.settle(left, now, took=attempt.took)
        return CUT
    if isinstance(error, Answered):
        reply = error.reply
        record.status = reply.status
        fields = [date(plan.wall(now)), (b"x-guard-request-id", context.request_id.encode()), *reply.headers]
        return Reply(reply.status, fields, reply.body)
    violations: Sequence[Violation] = ()
    problem = Problem(500, "internal", context.request_id)
    if isinstance(error, Refused):
        code, status = error.code, error.status or STATUS[error.code]
        problem.word, problem.limit = error.word, error.limit
        violations = error.violations
    else:
        code, status = "internal", 500
        record.error = type(error).__name__
    record.code, record.status, record.source = code, status, None
    problem.status, problem.code, problem.violations = status, code, violations
    content_type, body = (context.route.dialect if context.route is not None else DEFAULT).error(problem)
    headers: Headers = [
        date(plan.wall(now)),
        (b"content-type", content_type),
        (b"x-guard-request-id", context.request_id.encode()),
    ]
    if code in ("overloaded", "draining"):
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Refused) and error.allow:
        headers.append((b"allow", error.allow))
    if isinstance(error, Refused) and error.headers is not None:
        headers += error.headers
    record.response_bytes = len(body)
    return Reply(status, headers, body, close=code in CLOSES)


class Plain:
    """The form of an error (RFC 9457) before a route, and so a dialect, is known."""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """(content type, body) of an error; every value is guard's own."""
        title = HTTPStatus(problem.status).phrase
        body = '{"type":"urn:guard:error:%s","title":"%s","status":%d,"code":"%s","request_id":"%s","violations":[]%s}' % (
            problem.code, title, problem.status, problem.code, problem.request_id, DETAIL.get(problem.code, ""),
        )  # fmt: skip
        return b"application/problem+json", body.encode()


DEFAULT = Plain()
