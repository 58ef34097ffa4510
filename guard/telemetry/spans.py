"""Records → spans: one SERVER span for an exchange, one CLIENT span for each call, made by the thread that sends them.

Where an exchange ends is only noted which spans are to be made: made there, one by one and seldom, each took ten times as
long as where many are made together, and the next request waited for it.

Names are route templates. There is no path, no query, no header and no address of a client (`url.path` and `url.full` of
the conventions are left out on purpose), no event and no message of an exception: a type and a code.
"""

from binascii import unhexlify
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

from guard.proxy.values import Record, Trace
from guard.telemetry.bucket import Bucket
from guard.telemetry.meters import origin
from guard.telemetry.protobuf import key_value, member

SPAN: Final = b"\x12"
"""Of ScopeSpans."""
TRACE_ID: Final = b"\x0a\x10"
SPAN_ID: Final = b"\x12\x08"
PARENT_SPAN_ID: Final = b"\x22\x08"
NAME: Final = b"\x2a"
SERVER: Final = b"\x30\x02"
CLIENT: Final = b"\x30\x03"
START: Final = b"\x39"
END: Final = b"\x41"
ATTRIBUTE: Final = b"\x4a"
ERROR: Final = b"\x7a\x02\x18\x02"
LOCAL: Final = b"\x85\x01\x00\x01\x00\x00"
REMOTE: Final = b"\x85\x01\x00\x03\x00\x00"
"""Of Span; the last two say in its flags that it is known whether the parent is another process's. Source: trace.proto."""

REMEMBERED: Final = 1024
"""Attributes: all but the request's id are of a few words, ours or the policy's."""


Told: TypeAlias = tuple[Record, int]
"""A span: of the exchange itself, 0, or of its call of that number."""


class Spans:
    """A Sink: sampled exchanges, and of the others those that went wrong, ten a second."""

    def __init__(self, put: Callable[[Told], None]) -> None:
        self._put, self._bucket = put, Bucket()

    def take(self, records: Iterator[Record]) -> None:
        """Hand on the spans of exchanges that are worth it."""
        for record in records:
            trace = record.trace
            if trace is None or not trace.told:
                continue
            if trace.sampled or (trouble(record) and self._bucket.take(record.ended_at)):
                for number in range(len(record.attempts) + 1):
                    self._put((record, number))


class Writer:
    """Writes spans as they stand in ScopeSpans of OTLP. `wall`: a moment of the records' clock since the epoch."""

    def __init__(self, *, fence: Callable[[object], object], wall: Callable[[float], float]) -> None:
        self._wall = wall

        def attribute(key: str, value: object) -> bytes:
            return member(ATTRIBUTE, key_value(key, fence(value)))

        self._anew: Callable[[str, object], bytes] = attribute
        self._remembered: Callable[[str, object], bytes] = lru_cache(REMEMBERED, typed=True)(attribute)

    def write(self, told: Told) -> bytes:
        """One span."""
        record, number = told
        trace = record.trace
        assert trace is not None  # Spans sees to it
        return self._client(record, trace, number) if number else self._server(record, trace)

    def _server(self, record: Record, trace: Trace) -> bytes:
        wrong = record.error or (str(record.status) if record.status >= 500 else "")
        parent = PARENT_SPAN_ID + unhexlify(trace.parent_id) + REMOTE if trace.parent_id else LOCAL
        told: list[tuple[str, object]] = [
            ("http.request.method", record.method),
            ("url.scheme", record.scheme),
            ("http.route", record.route),
            ("http.response.status_code", record.status),
            ("network.protocol.version", record.protocol),
            ("error.type", wrong),
            ("guard.source", record.source),
            ("guard.reason", record.reason),
            ("guard.code", record.code),
            ("guard.model.version", record.version),
            ("guard.descents", " ".join([f"{source}:{reason}" for source, reason in record.descents])),
            ("guard.gone", record.gone),
        ]
        return self._span(
            trace.trace_id,
            trace.span_id,
            parent + SERVER + (ERROR if wrong and not record.gone else b""),
            f"{record.method} {record.route}".strip(),
            record.begun_at,
            record.ended_at,
            self._anew("guard.request.id", record.request_id),
            told,
        )

    def _client(self, record: Record, trace: Trace, number: int) -> bytes:
        attempt = record.attempts[number - 1]
        host, port, scheme = origin(attempt.target.url)
        wrong = attempt.failed or (str(attempt.status) if attempt.status >= 400 else "")
        told: list[tuple[str, object]] = [
            ("http.request.method", record.method),
            ("url.scheme", scheme),
            ("server.address", host),
            ("server.port", int(port) if port else 0),
            ("http.response.status_code", attempt.status),
            ("error.type", wrong),
            ("guard.source", attempt.target.source),
        ]
        return self._span(
            trace.trace_id,
            trace.call_id(number),
            PARENT_SPAN_ID + unhexlify(trace.span_id) + LOCAL + CLIENT + (ERROR if wrong else b""),
            record.method,
            attempt.asked_at,
            attempt.ended_at or record.ended_at,
            b"",
            told,
        )

    def _span(
        self,
        trace_id: bytes,
        span_id: bytes,
        stands: bytes,
        name: str,
        begun_at: float,
        ended_at: float,
        own: bytes,
        told: list[tuple[str, object]],
    ) -> bytes:
        """`stands`: whose child, which kind, how it ended. `own`: attributes that no other span has."""
        parts = [
            TRACE_ID + unhexlify(trace_id),
            SPAN_ID + unhexlify(span_id),
            stands,
            member(NAME, name.encode("utf-8", "replace")),
            START + round(self._wall(begun_at) * 1e9).to_bytes(8, "little"),
            END + round(self._wall(ended_at) * 1e9).to_bytes(8, "little"),
            own,
        ]
        remembered = self._remembered
        for key, value in told:
            if value:
                parts.append(remembered(key, value))
        return member(SPAN, b"".join(parts))


def trouble(record: Record) -> bool:
    """Whether an exchange was no plain answer of the first rung."""
    return bool(record.descents or record.code or record.error)
