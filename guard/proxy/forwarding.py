"""Who asked, as the model server is told it: Via, X-Forwarded-*, Forwarded and the trace context.

What a client says of itself is replaced, unless it is one of the policy's trusted proxies: then ours is added to the right.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias

from guard.proxy.headers import GUARD_PREFIX, strip
from guard.proxy.tracing import baggage, context
from guard.proxy.values import Head, Headers, Peer, Record

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

CLAIMS: Final = (GUARD_PREFIX, b"x-forwarded-")
"""Prefixes of names that only guard, or a trusted proxy, may use."""


def peer(address: str, *, secure: bool, via: bytes, trusted: Networks) -> Peer:
    """What is known of a client once it has connected."""
    known = bool(trusted) and bool(address) and any(ip_address(address.partition("%")[0]) in network for network in trusted)
    identity = [
        (b"via", b"1.1 " + via),
        (b"x-forwarded-for", address.encode()),
        (b"x-forwarded-proto", b"https" if secure else b"http"),
    ]
    return Peer(address, known, secure, via, identity)


def looped(via: bytes, pseudonym: bytes) -> bool:
    """Whether a request already came through this process (RFC 9110 §7.6.3)."""
    return pseudonym in via


def forward(head: Head, record: Record, drops: frozenset[bytes], allowed: frozenset[bytes]) -> Headers:
    """The header fields that the model server receives, but for framing and Host. `allowed`: members of baggage."""
    peer = head.peer
    if peer.trusted:
        headers = _added(head, drops)
    else:
        headers = strip(head.headers, drops, CLAIMS)
        headers += peer.identity
        headers.append((b"x-forwarded-host", head.host))
    headers.append((b"x-guard-request-id", record.request_id.encode()))
    if record.trace is not None or head.trace:
        headers += context(head, record.trace)
    if allowed:
        headers += baggage(head, allowed)
    return headers


def _added(head: Head, drops: frozenset[bytes]) -> Headers:
    """What a trusted proxy said, with ours to its right."""
    peer = head.peer
    headers = strip(head.headers, drops, (GUARD_PREFIX, b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))
    address, protocol = peer.address.encode(), b"https" if peer.secure else b"http"
    said = {name: _joined(head, name) for name in (b"via", b"x-forwarded-for", b"forwarded")}
    headers += [
        (b"via", said[b"via"] + b"1.1 " + peer.via),
        (b"x-forwarded-for", said[b"x-forwarded-for"] + address),
        (b"x-forwarded-proto", head.get(b"x-forwarded-proto") or protocol),
        (b"x-forwarded-host", head.get(b"x-forwarded-host") or head.host),
    ]
    if said[b"forwarded"]:
        node = b'"[%b]"' % address if b":" in address else address
        headers.append((b"forwarded", said[b"forwarded"] + b'for=%b;host="%b";proto=%b' % (node, head.host, protocol)))
    if (real := head.get(b"x-real-ip")) is not None:
        headers.append((b"x-real-ip", real))
    return headers


def _joined(head: Head, name: bytes) -> bytes:
    """All members of a list field, ready to take one more."""
    return b"".join(value + b", " for key, value in head.headers if key == name and value)
