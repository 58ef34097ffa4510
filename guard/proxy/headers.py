"""Header hygiene of an intermediary (RFC 9110 §7.6), both ways."""

import re
from collections.abc import Callable
from email.utils import formatdate
from math import inf
from typing import Final, TypeVar

from guard.proxy.values import Headers, http_date

T = TypeVar("T")

HOP_BY_HOP: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip

# Each side has its own framing, the Host is the target's, and the front has met an expectation. `forwarding` writes the
# fields that name the client. Fields that override the method or the target would make the server answer another request
# than the one that was matched and judged.
REQUEST_DROPS: Final = HOP_BY_HOP | {
    b"content-length", b"host", b"expect", b"http2-settings", b"via", b"forwarded", b"x-real-ip", b"traceparent",
    b"tracestate", b"baggage", b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-url",
    b"x-original-uri", b"x-rewrite-url",
}  # fmt: skip
REPLY_DROPS: Final = HOP_BY_HOP | {b"content-length"}
CODED_DROPS: Final = REQUEST_DROPS | {
    b"accept-encoding", b"range", b"if-range", b"if-none-match", b"if-modified-since",
}  # fmt: skip
"""Fields not forwarded if the answer is judged: it must arrive uncoded and whole, not as a range or a 304.

A server may ignore each of these fields (RFC 9110 §12.5.3, §13.1, §14.2), and so may guard instead.
"""

GUARD_PREFIX: Final = b"x-guard-"
MOST_NAMES: Final = 1024
LONGEST_NAME: Final = 64
"""Characters of the longest field name that is remembered; MOST_NAMES bounds their number."""
PLAIN_CONNECTION: Final = (b"keep-alive", b"close", b"Keep-Alive", b"Close")


END_TO_END: Final = frozenset(
    (b"accept", b"authorization", b"cache-control", b"cookie", b"inference-header-content-length", b"set-cookie", b"vary")
)
"""Fields, besides Content-*, that a Connection field cannot remove."""

SINGLE: Final = frozenset(
    (
        b"authorization", b"content-length", b"content-location", b"content-range", b"content-type", b"date", b"host",
        b"if-modified-since", b"if-range", b"if-unmodified-since", b"inference-header-content-length", b"location",
        b"max-forwards", b"origin", b"proxy-authorization", b"range", b"referer",
    )
)  # fmt: skip
"""Single-valued fields (RFC 9110). If one is repeated, one reader takes the first value and another the last."""


class Names(dict[bytes, T]):
    """Field name → result of `judge`, computed once for each name: peers send the same few names."""

    def __init__(self, judge: Callable[[bytes], T]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: bytes) -> T:
        judged = self._judge(name)
        if len(self) < MOST_NAMES and len(name) <= LONGEST_NAME:
            self[name] = judged
        return judged


def those_without(drops: frozenset[bytes], *claims: bytes) -> Names[bool]:
    """Field name → whether the field goes on: not those in `drops`, nor names that begin with one of `claims`."""
    return Names(lambda name: name not in drops and not name.startswith(claims))


def repeated(headers: Headers) -> bool:
    """Whether a single-valued field is repeated."""
    names = [name for name, _ in headers if name in SINGLE]
    return len(names) != len(set(names))


def nominated(connection: bytes | None) -> list[bytes]:
    """Names of fields that a Connection field removes: they are not end to end (RFC 9110 §7.6.1).

    Fields for all recipients of a message may not be named there, and such names have no effect: a body goes on with the
    Content-Type by which it was judged.
    """
    if connection is None or connection in PLAIN_CONNECTION:
        return []
    return [name for name in members(connection) if name not in END_TO_END and not name.startswith(b"content-")]


def strip(headers: Headers, passes: Names[bool], hops: list[bytes]) -> Headers:
    """The end-to-end headers: those that pass, without `hops`, which are nominated."""
    passed = [pair for pair in headers if passes[pair[0]]]
    return [pair for pair in passed if pair[0] not in hops] if hops else passed


def write_lines(headers: Headers, to: list[bytes]) -> None:
    """Header lines, without the empty line that ends a head; the caller joins the message."""
    for name, value in headers:
        to.append(name)
        to.append(b": ")
        to.append(value)
        to.append(b"\r\n")


def date(wall: float) -> tuple[bytes, bytes]:
    """The Date of an answer (RFC 9110 §6.6.1)."""
    return b"date", formatdate(wall, usegmt=True).encode()


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated members of every field line of `name`, lower case."""
    return [token for key, value in headers if key == name for token in members(value)]


def members(value: bytes) -> list[bytes]:
    """The comma-separated members of a field's value, lower case."""
    return [token.strip(b" \t").lower() for token in value.split(b",")]


MOST_WAIT: Final = 86_400.0
"""Longest accepted Retry-After in seconds: one day."""


def retry_after(headers: Headers, wall: float) -> float | None:
    """Seconds of a Retry-After in either of its forms (RFC 9110 §10.2.3); None for none, or for several.

    A date is counted from the Date of the same answer, so that the two clocks need not agree, or from `wall` (seconds since
    the epoch) if the answer has none.
    """
    values = [value.strip(b" \t") for name, value in headers if name == b"retry-after"]
    if len(values) != 1:
        return None
    [value] = values
    if value.isdigit():
        return min(float(value[:400]), MOST_WAIT)
    until = http_date(value)
    if until is None:
        return None
    sent = next((http_date(value) for name, value in headers if name == b"date"), None)
    return min(max(until - (wall if sent is None else sent), 0.0), MOST_WAIT)


_PATIENCE: Final = re.compile(rb"(\d{1,9}(?:\.\d{1,9})?)(ms|s)?\Z")
"""Matches decimal seconds with or without a unit, as the deadline headers in use write them."""


def patience(value: bytes | None) -> float:
    """Seconds that a client waits: `1.5`, `1.5s` or `1500ms`; `inf` for any other text."""
    match = _PATIENCE.match(value.strip(b" \t")) if value is not None else None
    if match is None:
        return inf
    return float(match[1]) / (1000.0 if match[2] == b"ms" else 1.0)


def without_upgrade(method: bytes, target: bytes, version: bytes, headers: Headers) -> bytes:
    """A head as if its client had not offered another protocol; an offer may be ignored (RFC 9110 §7.8)."""
    passed = [pair for pair in headers if pair[0] not in (b"upgrade", b"connection", b"http2-settings")]
    options = [option for option in tokens(headers, b"connection") if option not in (b"upgrade", b"http2-settings")]
    if options:
        passed.append((b"connection", b", ".join(options)))
    message = [method, b" ", target, b" HTTP/", version, b"\r\n"]
    write_lines(passed, message)
    message.append(b"\r\n")
    return b"".join(message)
