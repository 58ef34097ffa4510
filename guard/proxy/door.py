"""What the connections of one listener share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING

from guard.proxy.values import Plan

if TYPE_CHECKING:
    from guard.proxy.front import Connection


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of a connection: counts, bytes, and seconds; the policy's `listen.limits`."""

    connections: int = 4096
    head: float = 10.0
    body: float = 60.0
    write_stall: float = 30.0
    keep_alive: float = 75.0
    headers: int = 100
    header_bytes: int = 32768
    target: int = 8192


@dataclass(slots=True, eq=False)
class Door:
    """What all connections of a listener share. `plan` is replaced whole on reload."""

    plan: Plan
    limits: Limits = field(default_factory=Limits)
    draining: bool = False
    connections: "set[Connection]" = field(default_factory=set)
    next_id: Callable[[], int] = field(default_factory=lambda: count(1).__next__)
    prefix: str = field(default_factory=lambda: token_hex(6))
