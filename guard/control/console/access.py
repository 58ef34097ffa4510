"""Decides whose a browser's request is: a session's, a trusted proxy's, or nobody's.

    the request                                      the answer
    has an Authorization                             a token decides, as for every command
    is for / or below /console/                      anybody may read the page; it holds no facts
    comes from `admin.proxy.from` and names a user   that user; an operator if a group of `operators` is named
    has the cookie of a living session               whoever signed in
    none of these                                    a token decides, and there is none

A cookie and a proxy vouch for the browser, and not for the page that made it ask. So such a request is refused unless the
browser says that a page of this origin made it: `Sec-Fetch-Site`, or else `Origin`, which names the `Host` that was
asked. A request that acts must have one of the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from guard.control.console.sessions import Sessions
from guard.control.tokens import Identity

READS: Final = frozenset(("GET", "HEAD"))
ANYBODY: Final = Identity("", "viewer")
"""The reader of the page itself."""
LONGEST_NAME: Final = 64


class Asked(NamedTuple):
    """A request: the method, the path without its query, and the address of whoever asks."""

    method: str
    path: str
    peer: str


class Proxy(NamedTuple):
    """A proxy that signs people in: from where it is believed, and what it names them by."""

    networks: Sequence[IPv4Network | IPv6Network]
    user: bytes
    groups: bytes
    operators: frozenset[str]

    def vouches(self, peer: str, headers: Mapping[bytes, Sequence[bytes]]) -> Identity | None:
        """The person that the proxy at `peer` names; None if it names nobody, or is not believed."""
        try:
            address = ip_address(peer)
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        names = headers.get(self.user, ())
        if len(names) != 1 or not any(address in network for network in self.networks):
            return None
        name = names[0].decode("utf-8", "replace").strip()[:LONGEST_NAME]
        if not name or not name.isprintable():
            return None
        groups = {group.strip() for value in headers.get(self.groups, ()) for group in value.decode("latin-1").split(",")}
        return Identity(name, "operator" if groups & self.operators else "viewer")


class Foreign(NamedTuple):
    """A browser asks on behalf of another page. `detail`: what was missing or wrong."""

    detail: str


class Browsers:
    """`secure`: whether the listener has TLS, so that the cookie may be bound to it."""

    def __init__(self, sessions: Sessions, proxy: Proxy | None, *, secure: bool) -> None:
        self.sessions, self.secure = sessions, secure
        self._proxy = proxy
        self.cookie = "__Host-guard" if secure else "guard"

    def judge(self, asked: Asked, headers: Iterable[tuple[bytes, bytes]]) -> Identity | Foreign | None:
        """The caller, a refusal, or None: a token decides."""
        fields: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            fields.setdefault(name, []).append(value)
        if b"authorization" in fields:
            return None
        identity = ANYBODY if is_page(asked.path) else self.recognise(asked, fields)
        if identity is None:
            return None
        if identity is ANYBODY and asked.method in READS:
            return identity  # a person who follows a link to the page
        return _foreign(asked, fields) or identity

    def recognise(self, asked: Asked, fields: Mapping[bytes, Sequence[bytes]]) -> Identity | None:
        """The person that a proxy names or a session belongs to."""
        if self._proxy is not None and (named := self._proxy.vouches(asked.peer, fields)) is not None:
            return named
        identifier = self.identifier(fields.get(b"cookie", ()))
        return self.sessions.find(identifier) if identifier else None

    def identifier(self, cookies: Iterable[bytes]) -> str:
        """The identifier of a session in cookies; empty if there is none, or more than one."""
        pairs = (pair.strip().partition("=") for value in cookies for pair in value.decode("latin-1").split(";"))
        own = [value for name, _, value in pairs if name == self.cookie]
        return own[0] if len(own) == 1 else ""


def is_page(path: str) -> bool:
    """Whether a path belongs to the page, which anybody may read."""
    return path in {"/", "/console", "/favicon.ico"} or path.startswith("/console/")


def _foreign(asked: Asked, fields: Mapping[bytes, Sequence[bytes]]) -> Foreign | None:
    sites, origins = fields.get(b"sec-fetch-site", ()), fields.get(b"origin", ())
    if any(site != b"same-origin" for site in sites):
        return Foreign("Sec-Fetch-Site is not same-origin: another page asks")
    hosts = [host.decode("latin-1").lower() for host in fields.get(b"host", ())]
    if any(_place(origin) not in hosts for origin in origins):
        return Foreign("Origin is not this console: another page asks")
    if asked.method not in READS and not sites and not origins:
        return Foreign("neither Sec-Fetch-Site nor Origin says that this console asks")
    return None


def _place(origin: bytes) -> str:
    try:
        parts = urlsplit(origin.decode("latin-1").lower())
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in {"http", "https"} else ""
