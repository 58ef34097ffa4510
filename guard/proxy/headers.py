"""Header hygiene of an intermediary (RFC 9110 §7.6), both ways."""

import re
from email.utils import formatdate
from math import inf

from guard.proxy.values import Headers

HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip

# Framing is made anew on each side, the Host is the target's, an expectation was met by the front.
# Who asked is said anew, see `forwarding`.
REQUEST_DROPS = HOP_BY_HOP | {
    b"content-length", b"host", b"expect", b"http2-settings", b"via", b"forwarded", b"x-real-ip", b"traceparent",
    b"tracestate", b"baggage",
}  # fmt: skip
REPLY_DROPS = HOP_BY_HOP | {b"content-length"}
CODED_DROPS = REQUEST_DROPS | {b"accept-encoding"}
"""Where the answer is judged it must come uncoded."""

GUARD_PREFIX = b"x-guard-"
_PLAIN_CONNECTION = (b"keep-alive", b"close", b"Keep-Alive", b"Close")


def strip(headers: Headers, drops: frozenset[bytes], prefixes: tuple[bytes, ...] = (GUARD_PREFIX,)) -> Headers:
    """The end-to-end headers: without `drops`, what `Connection` nominates, and names that only we may use."""
    kept: Headers = []
    nominated: list[bytes] = []
    for pair in headers:
        name = pair[0]
        if name in drops:
            if name == b"connection" and pair[1] not in _PLAIN_CONNECTION:
                nominated += [token.strip(b" \t").lower() for token in pair[1].split(b",")]
        elif not name.startswith(prefixes):
            kept.append(pair)
    if nominated:
        return [pair for pair in kept if pair[0] not in nominated]
    return kept


def encode(start_line: bytes, headers: Headers) -> bytes:
    """Start line and header lines, without the empty line that ends a head."""
    if not headers:
        return start_line
    return start_line + b"\r\n".join(map(b": ".join, headers)) + b"\r\n"


def dated(headers: Headers) -> bool:
    """Whether an answer has its Date; one that has none gets ours (RFC 9110 §6.6.1)."""
    for name, _ in headers:  # noqa: SIM110 — a generator costs more than the loop
        if name == b"date":
            return True
    return False


def date(wall: float) -> tuple[bytes, bytes]:
    """The Date of an answer (RFC 9110 §6.6.1)."""
    return b"date", formatdate(wall, usegmt=True).encode()


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated members of every field line of `name`, lower case."""
    return [token.strip(b" \t").lower() for key, value in headers if key == name for token in value.split(b",")]


def retry_after(headers: Headers) -> float | None:
    """Seconds of a Retry-After in its delay form (RFC 9110 §10.2.3); the date form is ignored."""
    for name, value in headers:
        if name == b"retry-after" and value.isdigit() and len(value) < 6:
            return float(value)
    return None


_PATIENCE = re.compile(rb"(\d{1,9}(?:\.\d{1,9})?)(ms|s)?\Z")


def patience(value: bytes | None) -> float:
    """Seconds that a client waits: `1.5`, `1.5s` or `1500ms`; for ever where it says anything else."""
    found = _PATIENCE.match(value) if value is not None else None
    if found is None:
        return inf
    return float(found[1]) / (1000.0 if found[2] == b"ms" else 1.0)


def without_upgrade(method: bytes, target: bytes, version: bytes, headers: Headers) -> bytes:
    """A head as if its client had not offered another protocol; an offer may be ignored (RFC 9110 §7.8)."""
    kept = [pair for pair in headers if pair[0] not in (b"upgrade", b"connection", b"http2-settings")]
    options = [option for option in tokens(headers, b"connection") if option not in (b"upgrade", b"http2-settings")]
    if options:
        kept.append((b"connection", b", ".join(options)))
    return encode(b"%b %b HTTP/%b\r\n" % (method, target, version), kept) + b"\r\n"
