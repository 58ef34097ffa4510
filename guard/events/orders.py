"""What operators order, and where their orders are kept."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from guard.events.base import SPELLED, Enforcement, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGiven(Event, severity=logging.WARNING):
    """The base of an order's event: the order is in force, and the disk follows. `who`: the operator, or `kill file`."""

    who: str
    route: str | None

    def keys(self) -> Mapping[str, Any]:
        """See Event."""
        return {SPELLED.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(OrderGiven, name="mode"):
    """An operator, the kill file or the end of a time to live changed a mode. `route`: None for all of them."""

    before: str
    after: str
    why: str
    until: float | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerForced(OrderGiven, name="breaker"):
    """An operator holds a breaker in a state, or lets it go (`auto`)."""

    target: str
    before: str
    after: str
    why: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementChanged(OrderGiven, name="enforcement"):
    """A route's contract is only observed until a time, or enforced again."""

    before: Enforcement
    after: Enforcement
    why: str
    until: float | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementRefused(Event, name="enforcement_refused", severity=logging.ERROR):
    """An enforcement order was answered before its plan was compiled, and the plan does not compile. Nothing changed."""

    route: str
    enforcement: Enforcement
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementDue(Event, name="enforcement_due", severity=logging.ERROR):
    """The time of an observation is over, and the policy does not compile with the contract enforced; it is tried again."""

    route: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersNotDurable(Event, name="orders_not_durable", severity=logging.ERROR):
    """The orders up to `epoch` are in force and could not be written: a restart forgets them. It is tried again."""

    epoch: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersDurable(Event, name="orders_durable", severity=logging.WARNING):
    """The orders up to `epoch` are on disk, which they were not when they were answered."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditUnavailable(Event, name="audit_unavailable", severity=logging.ERROR):
    """`entries` of the audit could not be written. They are kept in memory and tried again."""

    entries: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRecalled(Event, name="mode_recalled", severity=logging.WARNING):
    """A mode was lowered before the restart, and still is."""

    route: str | None
    mode: str
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersUnreadable(Event, name="orders_unreadable", severity=logging.ERROR):
    """The orders of before the restart cannot be read, or may not be all of them; that is taken for a kill."""

    why: str


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
