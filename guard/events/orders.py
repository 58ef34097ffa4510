"""What operators order, and where their orders are kept."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from guard.events.base import SPELLED, Enforcement, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGiven(Event, severity=logging.WARNING):
    """The base of an order's event. `who`: the operator, or `kill file`. `durable`: it is on disk.

    `audited`: the audit has it; the log's line says so only where the audit does not have it.
    """

    who: str
    route: str | None
    audited: bool = True

    def keys(self) -> Mapping[str, Any]:
        """See Event."""
        keys = {SPELLED.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}
        if keys.get("audited"):
            del keys["audited"]
        return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(OrderGiven, name="mode"):
    """An operator, the kill file or the end of a time to live changed a mode. `route`: None for all of them."""

    before: str
    after: str
    why: str
    until: float | None
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerForced(OrderGiven, name="breaker"):
    """An operator holds a breaker in a state, or lets it go (`auto`)."""

    target: str
    before: str
    after: str
    why: str
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementChanged(OrderGiven, name="enforcement"):
    """A route's contract is only observed until a time, or enforced again."""

    before: Enforcement
    after: Enforcement
    why: str
    until: float | None
    epoch: int
    durable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRecalled(Event, name="mode_recalled", severity=logging.WARNING):
    """A mode was lowered before the restart, and still is."""

    route: str | None
    mode: str
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersUnreadable(Event, name="orders_unreadable", severity=logging.ERROR):
    """The orders of before the restart cannot be read; that is taken for a kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUnavailable(Event, name="state_unavailable", severity=logging.WARNING):
    """The state folder cannot be used: orders are not durable."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminListening(Event, name="admin"):
    """Operators are answered at `listen`."""

    listen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUnavailable(Event, name="admin_unavailable", severity=logging.WARNING):
    """Operators are not answered."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRead(Event, name="tokens"):
    """The token file was read, at the start or because it changed. `count`: the tokens in force."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRefused(Event, name="tokens_refused", severity=logging.ERROR):
    """Lines of the token file cannot be read: they and the names they begin with give no access. `lines`: their numbers."""

    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensUnreadable(Event, name="tokens_unreadable", severity=logging.ERROR):
    """The token file is gone or cannot be read. `grace`: seconds for which its last tokens stay in force."""

    why: str
    grace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensWithdrawn(Event, name="tokens_withdrawn", severity=logging.ERROR):
    """The token file could not be read for too long: no token is in force until it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretExposed(Event, name="secret_exposed", severity=logging.WARNING):
    """Others can reach a file that holds a secret. `key`: of the policy. `why`: who, and how."""

    key: str
    path: str
    why: str
