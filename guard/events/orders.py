"""Events of operators' orders and of the place where they are kept."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from guard.events.base import SPELLED, Enforcement, Event, event


@event(severity=logging.WARNING)
class OrderGiven(Event):
    """The base of an order's event: the order is in force, and the disk follows. `who`: the operator, or `kill file`."""

    who: str
    route: str | None

    def keys(self) -> Mapping[str, Any]:
        """See Event."""
        return {SPELLED.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}


@event("mode")
class ModeChanged(OrderGiven):
    """An operator, the kill file or the end of a time to live changed a mode. `route`: None for all of them."""

    before: str
    after: str
    why: str
    until: float | None
    epoch: int


@event("breaker")
class BreakerForced(OrderGiven):
    """An operator holds a breaker in a state, or lets it go (`auto`)."""

    target: str
    before: str
    after: str
    why: str
    epoch: int


@event("enforcement")
class EnforcementChanged(OrderGiven):
    """A route's contract is only observed until a time, or enforced again."""

    before: Enforcement
    after: Enforcement
    why: str
    until: float | None
    epoch: int


@event("enforcement_refused", logging.ERROR)
class EnforcementRefused(Event):
    """An enforcement order was answered before its plan was compiled, and the plan does not compile. Nothing changed."""

    route: str
    enforcement: Enforcement
    why: str


@event("enforcement_due", logging.ERROR)
class EnforcementDue(Event):
    """The time of an observation is over, and the policy does not compile with the contract enforced; it is tried again."""

    route: str
    why: str


@event("orders_not_durable", logging.ERROR)
class OrdersNotDurable(Event):
    """The orders up to `epoch` are in force and could not be written: a restart forgets them. It is tried again."""

    epoch: int
    why: str


@event("orders_durable", logging.WARNING)
class OrdersDurable(Event):
    """The orders up to `epoch` are on disk, which they were not when they were answered."""

    epoch: int


@event("audit_unavailable", logging.ERROR)
class AuditUnavailable(Event):
    """`entries` of the audit could not be written. They are kept in memory and tried again."""

    entries: int
    why: str


@event("mode_recalled", logging.WARNING)
class ModeRecalled(Event):
    """A mode was lowered before the restart, and still is."""

    route: str | None
    mode: str
    who: str
    why: str


@event("orders_unreadable", logging.ERROR)
class OrdersUnreadable(Event):
    """The orders of before the restart cannot be read, or may not be all of them; that is taken for a kill."""

    why: str


@event("state_unavailable", logging.WARNING)
class StateUnavailable(Event):
    """The state folder cannot be used: orders are not durable."""

    why: str


@event("admin")
class AdminListening(Event):
    """Operators are answered at `listen`."""

    listen: str


@event("admin_unavailable", logging.WARNING)
class AdminUnavailable(Event):
    """Operators are not answered."""

    why: str


@event("tokens")
class TokensRead(Event):
    """The token file was read, at the start or because it changed. `count`: the tokens in force."""

    count: int


@event("tokens_refused", logging.ERROR)
class TokensRefused(Event):
    """Lines of the token file cannot be read: they and the names they begin with give no access. `lines`: their numbers."""

    lines: tuple[int, ...]


@event("tokens_unreadable", logging.ERROR)
class TokensUnreadable(Event):
    """The token file is gone or cannot be read. `grace`: seconds for which its last tokens stay in force."""

    why: str
    grace: float


@event("tokens_withdrawn", logging.ERROR)
class TokensWithdrawn(Event):
    """The token file could not be read for too long: no token is in force until it can."""


@event("secret_exposed", logging.WARNING)
class SecretExposed(Event):
    """Others can reach a file that holds a secret. `key`: of the policy. `why`: who, and how."""

    key: str
    path: str
    why: str
