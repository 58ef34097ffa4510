"""Header fields that name the client to the model server: Via, X-Forwarded-*, Forwarded and the trace context.

A client's own such fields are replaced. Those of trusted proxies stay, and guard's values are added on the right.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple, TypeAlias

from guard.proxy.headers import CODED_DROPS, GUARD_PREFIX, REQUEST_DROPS, Names, nominated, strip, those_without
from guard.proxy.tracing import baggage, context
from guard.proxy.values import Head, Headers, Peer, Trace

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

REPLACED: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
"""Fields that a trusted proxy may send; they are written anew and include its values."""


class Passing(NamedTuple):
    """Fields that go on to the model server: those of an untrusted client, and those of a trusted proxy."""

    stranger: Names[bool]
    trusted: Names[bool]


@lru_cache(1024)
def passes(judged: bool, deadline_header: bytes) -> Passing:  # noqa: FBT001 — a key
    """The request fields that go on to the model server; computed once for each kind of route."""
    drops = (CODED_DROPS if judged else REQUEST_DROPS) | ({deadline_header} if deadline_header else frozenset())
    return Passing(those_without(drops, GUARD_PREFIX, b"x-forwarded-"), those_without(drops | set(REPLACED), GUARD_PREFIX))


def peer(address: str, *, secure: bool, via: bytes, trusted: Networks) -> Peer:
    """The client of a new connection, with the fields that name it. `via`: guard's pseudonym (RFC 9110 §7.6.3)."""
    known = bool(trusted) and bool(address) and any(ip_address(address.partition("%")[0]) in network for network in trusted)
    identity = [
        (b"via", b"1.1 " + via),
        (b"x-forwarded-for", address.encode()),
        (b"x-forwarded-proto", b"https" if secure else b"http"),
    ]
    return Peer(address, known, secure, via, identity)


def looped(via: bytes, pseudonym: bytes) -> bool:
    """Whether a request has passed through this process before (RFC 9110 §7.6.3)."""
    return pseudonym in via


def forward(head: Head, request_id: str, trace: Trace | None, passing: Passing, allowed: frozenset[bytes]) -> Headers:
    """The header fields that the model server receives, except framing and Host. `allowed`: members of baggage."""
    peer = head.peer
    if peer.trusted:
        headers = _added(head, passing.trusted)
    else:
        headers = strip(head.headers, passing.stranger, nominated(head.get(b"connection")))
        headers += peer.identity
        headers.append((b"x-forwarded-host", head.host))
    headers.append((b"x-guard-request-id", request_id.encode()))
    if trace is not None or head.trace:
        headers += context(head, trace)
    if allowed:
        headers += baggage(head, allowed)
    return headers


def _added(head: Head, passes: Names[bool]) -> Headers:
    """A trusted proxy's fields, with guard's values on the right."""
    peer = head.peer
    headers = strip(head.headers, passes, nominated(head.get(b"connection")))
    address, protocol = peer.address.encode(), b"https" if peer.secure else b"http"
    received = {name: _joined(head, name) for name in (b"via", b"x-forwarded-for", b"forwarded")}
    headers += [
        (b"via", received[b"via"] + b"1.1 " + peer.via),
        (b"x-forwarded-for", received[b"x-forwarded-for"] + address),
        (b"x-forwarded-proto", head.get(b"x-forwarded-proto") or protocol),
        (b"x-forwarded-host", head.get(b"x-forwarded-host") or head.host),
    ]
    if received[b"forwarded"]:
        node = b'"[%b]"' % address if b":" in address else address
        headers.append((b"forwarded", received[b"forwarded"] + b'for=%b;host="%b";proto=%b' % (node, head.host, protocol)))
    if (real := head.get(b"x-real-ip")) is not None:
        headers.append((b"x-real-ip", real))
    return headers


def _joined(head: Head, name: bytes) -> bytes:
    """All members of a list field, ready to take one more."""
    return b"".join(value + b", " for key, value in head.headers if key == name and value)
