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

# Framing is made anew on each side, the Host is the target's, an expectation was met by the front.
# Who asked is said anew, see `forwarding`. Fields that override the method or the target would make the server answer
# another request than the one that was matched and judged.
REQUEST_DROPS: Final = HOP_BY_HOP | {
    b"content-length", b"host", b"expect", b"http2-settings", b"via", b"forwarded", b"x-real-ip", b"traceparent",
    b"tracestate", b"baggage", b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-url",
    b"x-original-uri", b"x-rewrite-url",
}  # fmt: skip
REPLY_DROPS: Final = HOP_BY_HOP | {b"content-length"}
CODED_DROPS: Final = REQUEST_DROPS | {
    b"accept-encoding", b"range", b"if-range", b"if-none-match", b"if-modified-since",
}  # fmt: skip
"""Where the answer is judged it must come uncoded and whole: a part of it, or that it has not changed, cannot be judged.

A server may ignore each of these fields (RFC 9110 §12.5.3, §13.1, §14.2), and so may guard in its place.
"""

GUARD_PREFIX: Final = b"x-guard-"
MOST_NAMES: Final = 1024
LONGEST_NAME: Final = 64
"""What is remembered of names that others choose is bounded, and so are they."""
PLAIN_CONNECTION: Final = (b"keep-alive", b"close", b"Keep-Alive", b"Close")


END_TO_END: Final = frozenset(
    (b"accept", b"authorization", b"cache-control", b"cookie", b"inference-header-content-length", b"set-cookie", b"vary")
)
"""Fields, beside Content-*, that no Connection field takes out."""

SINGLE: Final = frozenset(
    (
        b"authorization", b"content-length", b"content-location", b"content-range", b"content-type", b"date", b"host",
        b"if-modified-since", b"if-range", b"if-unmodified-since", b"inference-header-content-length", b"location",
        b"max-forwards", b"origin", b"proxy-authorization", b"range", b"referer",
    )
)  # fmt: skip
"""Fields with one value by their definition (RFC 9110): of two lines, one reader takes the first and another the last."""


class Names(dict[bytes, T]):
    """What is to be done with a field, by its name: peers send the same few, so a name is judged once, not in each head."""

    def __init__(self, judge: Callable[[bytes], T]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: bytes) -> T:
        judged = self._judge(name)
        if len(self) < MOST_NAMES and len(name) <= LONGEST_NAME:
            self[name] = judged
        return judged


def those_without(drops: frozenset[bytes], *claims: bytes) -> Names[bool]:
    """Whether a field goes on to the next: not `drops`, nor names that begin as only we, or a trusted proxy, may."""
    return Names(lambda name: name not in drops and not name.startswith(claims))


def repeated(headers: Headers) -> bool:
    """Whether a field with one value stands there twice."""
    names = [name for name, _ in headers if name in SINGLE]
    return len(names) != len(set(names))


def nominated(connection: bytes | None) -> list[bytes]:
    """Names of fields that a Connection field says are not end to end (RFC 9110 §7.6.1).

    Fields that are for all recipients of a message may not be named there, and are not heeded: a body that was judged as
    its Content-Type says goes on with it.
    """
    if connection is None or connection in PLAIN_CONNECTION:
        return []
    return [name for name in members(connection) if name not in END_TO_END and not name.startswith(b"content-")]


def strip(headers: Headers, passes: Names[bool], hops: list[bytes]) -> Headers:
    """The end-to-end headers: those that pass, without `hops`, which are nominated."""
    passed = [pair for pair in headers if passes[pair[0]]]
    return [pair for pair in passed if pair[0] not in hops] if hops else passed


def write_lines(headers: Headers, to: list[bytes]) -> None:
    """Header lines, without the empty line that ends a head, for who joins the whole message."""
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
"""Seconds: a server that asks for more than a day is asked again after one."""


def retry_after(headers: Headers, wall: float) -> float | None:
    """Seconds of a Retry-After in either of its forms (RFC 9110 §10.2.3); None where there is none, or several.

    A date is counted from the Date of the same answer, so that the server's clock need not agree with ours; from `wall`
    where it has none.
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
"""Seconds as decimals, with or without a unit: what the fields of this kind that are in use have in common."""


def patience(value: bytes | None) -> float:
    """Seconds that a client waits: `1.5`, `1.5s` or `1500ms`; for ever where it says anything else."""
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
