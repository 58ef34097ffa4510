"""Records → spans: one SERVER span for an exchange, one CLIENT span for each call, made after the fact.

Names are route templates. There is no path, no query, no header and no address of a client (`url.path` and `url.full` of
the conventions are left out on purpose), no event and no message of an exception: a type and a code.
"""

from binascii import unhexlify
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final

from guard.proxy.values import Attempt, Record, Trace
from guard.telemetry.meters import origin
from guard.telemetry.protobuf import key_value, member
from guard.telemetry.record_batcher import trouble
from guard.telemetry.token_bucket import TokenBucket

SPAN: Final = b"\x12"
"""Tag of a span in ScopeSpans."""
TRACE_ID: Final = b"\x0a\x10"
SPAN_ID: Final = b"\x12\x08"
PARENT_SPAN_ID: Final = b"\x22\x08"
NAME: Final = b"\x2a"
SERVER: Final = b"\x30\x02"
CLIENT: Final = b"\x30\x03"
START: Final = 0x39
END: Final = 0x41
ATTRIBUTE: Final = b"\x4a"
ERROR: Final = b"\x7a\x02\x18\x02"
LOCAL: Final = b"\x85\x01\x00\x01\x00\x00"
REMOTE: Final = b"\x85\x01\x00\x03\x00\x00"
"""Tags of Span. The last two state in its flags whether the parent belongs to another process. Source: trace.proto."""

TIMES: Final = Struct("<BQBQ")

REMEMBERED: Final = 1024
"""Encoded spans that are cached: most spans equal an earlier one except for ids and times."""


class Spans:
    """A Sink: sampled exchanges, and of the others those that went wrong, ten a second.

    `put` takes each span, as it stands in ScopeSpans of OTLP.
    """

    def __init__(
        self, put: Callable[[bytes], None], *, fence: Callable[[object], object], wall: Callable[[float], float]
    ) -> None:
        self._put, self._fence, self._wall = put, fence, wall
        self._bucket = TokenBucket()
        self._attributes: Callable[..., bytes] = lru_cache(REMEMBERED)(self._encode_attributes)

    def take(self, records: Iterator[Record]) -> None:
        """Make the spans of exchanges that are worth it."""
        for record in records:
            trace = record.trace
            if trace is None or not trace.propagated:
                continue
            if trace.sampled or (trouble(record) and self._bucket.take(record.ended_at)):
                self._put(self._server(record, trace))
                for number, attempt in enumerate(record.attempts, 1):
                    self._put(self._client(record, trace, number, attempt))

    def _server(self, record: Record, trace: Trace) -> bytes:
        wrong = record.error or (str(record.status) if record.status >= 500 else "")
        attributes = self._attributes(
            f"{record.method} {record.route}".strip(),
            SERVER + (ERROR if wrong and not record.departure else b""),
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
            ("guard.gone", record.departure),
        )
        parent = PARENT_SPAN_ID + unhexlify(trace.parent_id) + REMOTE if trace.parent_id else LOCAL
        whose = parent + member(ATTRIBUTE, key_value("guard.request.id", self._fence(record.request_id)))
        return self._span(trace.trace_id, trace.span_id, whose, record.begun_at, record.ended_at, attributes)

    def _client(self, record: Record, trace: Trace, number: int, attempt: Attempt) -> bytes:
        host, port, scheme = origin(attempt.target.url)
        wrong = attempt.failed or (str(attempt.status) if attempt.status >= 400 else "")
        attributes = self._attributes(
            record.method,
            CLIENT + (ERROR if wrong else b""),
            ("http.request.method", record.method),
            ("url.scheme", scheme),
            ("server.address", host),
            ("server.port", int(port) if port else 0),
            ("http.response.status_code", attempt.status),
            ("error.type", wrong),
            ("guard.source", attempt.target.source),
        )
        whose = PARENT_SPAN_ID + unhexlify(trace.span_id) + LOCAL
        ended = attempt.ended_at or record.ended_at
        return self._span(trace.trace_id, trace.call_id(number), whose, attempt.asked_at, ended, attributes)

    def _span(
        self, trace_id: bytes, span_id: bytes, whose: bytes, begun_at: float, ended_at: float, attributes: bytes
    ) -> bytes:
        """`whose`: what says whose child it is, and what else no other span has."""
        parts = (
            TRACE_ID,
            unhexlify(trace_id),
            SPAN_ID,
            unhexlify(span_id),
            whose,
            TIMES.pack(START, round(self._wall(begun_at) * 1e9), END, round(self._wall(ended_at) * 1e9)),
            attributes,
        )
        return member(SPAN, b"".join(parts))

    def _encode_attributes(self, name: str, stands: bytes, *pairs: tuple[str, object]) -> bytes:
        """Name, kind, status and attributes."""
        attributes = [member(ATTRIBUTE, key_value(key, self._fence(value))) for key, value in pairs if value]
        return b"".join([member(NAME, name.encode("utf-8", "replace")), stands, *attributes])
