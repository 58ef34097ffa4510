"""The last rung: reports that no source answers, and why."""

from collections.abc import Mapping
from math import ceil
from typing import Final, Protocol

import orjson

from guard.proxy.values import Answer, Closed, Dialect, Headers, Permit, Problem, Reason, Source

GATEWAY_TIMEOUT: Final[frozenset[Reason]] = frozenset(("timeout", "no_time"))
BAD_GATEWAY: Final[frozenset[Reason]] = frozenset(
    ("connect", "tls", "reset", "malformed", "too_large", "status", "invalid", "version")
)


class Declared(Protocol):
    """The part of a policy that sets this rung's answer; `retry_after` in seconds."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> object: ...
    @property
    def retry_after(self) -> float | None: ...


class Disabled:
    """The rung that always answers. If the policy declares no status, it follows from what closed the rung above."""

    source: Source = "disabled"
    remote = False
    reads_input = False
    version = ""

    def __init__(self, dialect: Dialect, declared: Declared | None) -> None:
        self._dialect = dialect
        self._declared = declared

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Answer:  # noqa: ARG002 — a Rung
        """The declared answer, or an error in the dialect's shape."""
        reason: Reason = above.reason if above is not None else "mode"
        declared = None if permit.head.alone or (above is not None and above.last) else self._declared
        status = declared.status if declared is not None else implied_status(reason)
        if declared is not None and declared.body is not None:
            content_type, body = _body(declared.body)
        else:
            content_type, body = self._dialect.error(Problem(status, reason, permit.request_id))
        headers: Headers = [(b"content-type", content_type)]
        wait = declared.retry_after if declared is not None else None
        if wait is None and above is not None:
            wait = above.retry_after
        if wait is not None or status in (429, 503):
            headers.append((b"retry-after", b"%d" % max(1, ceil(wait or 1.0))))
        return Answer(status, headers, body)


def implied_status(reason: Reason) -> int:
    """The status for a reason. 504: no answer in time. 502: no usable answer. 429: no money. 503: model not asked."""
    if reason == "budget":
        return 429
    if reason in GATEWAY_TIMEOUT:
        return 504
    return 502 if reason in BAD_GATEWAY else 503


def _body(body: object) -> tuple[bytes, bytes]:
    if isinstance(body, str):
        return b"text/plain; charset=utf-8", body.encode()
    if isinstance(body, Mapping):
        body = dict(body)
    return b"application/json", orjson.dumps(body)
