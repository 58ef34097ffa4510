"""The state that the connections of one listener share, and the limits on them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from guard.proxy.admission import LoopAdmission
from guard.proxy.budget import Budget
from guard.proxy.cors import Cors
from guard.proxy.forwarding import Networks
from guard.proxy.places import Places
from guard.proxy.values import Plan

if TYPE_CHECKING:
    from guard.proxy.front import Connection
    from guard.proxy.handshakes import Handshake

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%!$&'()*+=-]{1,255})(?::[0-9]{1,5})?\Z")
"""Matches uri-host [":" port] (RFC 9110 §7.2), without `,` and `;`, at which other parsers split. Never empty."""
_KNOWN_HOSTS: Final = 1024


@dataclass(frozen=True)
class Limits:
    """Limits on a client's connection, in counts, bytes and seconds: the policy's `listen.limits`."""

    connections: int = 4096
    head: float = 10.0
    body: float = 60.0
    write_stall: float = 30.0
    keep_alive: float = 75.0
    headers: int = 100
    header_bytes: int = 32768
    target: int = 8192
    chunk_extensions: int = 4096


@dataclass(eq=False)
class ListenerState:
    """The state of a listener for all its connections. A reload replaces `plan`, `limits`, `trusted` and `cors`."""

    plan: Plan
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=lambda: Budget(64 << 20))
    trusted: Networks = ()
    cors: Cors | None = None
    draining: bool = False
    connections: "set[Connection]" = field(default_factory=set)
    handshakes: "dict[Connection, Handshake]" = field(default_factory=dict)
    """Connections whose TLS handshake is not complete, in order of arrival."""
    places: Places = field(default_factory=Places)
    turned_away: int = 0  # connections closed because the listener was full
    next_id: Callable[[], int] = field(default_factory=lambda: count(1).__next__)
    prefix: str = field(default_factory=lambda: "g" + token_hex(6))
    """Beginning of request ids; never digits alone, which a detector could take for a telephone number."""
    admission: LoopAdmission = field(default_factory=LoopAdmission)
    via: bytes = field(default_factory=lambda: b"guard-" + token_hex(6).encode())
    _hosts: set[bytes] = field(default_factory=set)

    def admits(self) -> bool:
        """Whether a new connection has a place; on a full listener it takes that of the one that has waited longest."""
        if len(self.connections) + len(self.handshakes) < self.limits.connections:
            return True
        self.turned_away += 1
        return self.places.make_room(self)

    def is_host(self, value: bytes) -> bool:
        """Whether a Host field is well-formed. Values are remembered: most clients send the same few."""
        if value in self._hosts:
            return True
        if not _HOST.match(value):
            return False
        if len(self._hosts) < _KNOWN_HOSTS:
            self._hosts.add(value)
        return True
