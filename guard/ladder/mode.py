"""Operators' orders: the mode of the service and of each route, their time to live, and the kill file.

A mode is `normal` or the highest rung that may answer. The global mode, a route's own mode and the kill file may each limit
a route; the lowest wins. Each change has an epoch, one more than the last. An order that raises a mode names the epoch on
which it was decided. It is refused if an operator has given another order for the same scope (all routes, or one) since.
guard's own changes (an expiry, a reload) are not orders, so they never make a raise stale. Pure: time is an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, get_args

from guard.proxy.values import LEVEL, RULES, LowerSource, Reason, RungLimit

Mode: TypeAlias = Literal["normal", LowerSource]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""All modes, from the highest to the lowest."""
KILLED: Final[Mode] = RULES
"""The mode of a kill that names no rung. A route without rules answers with `disabled`."""


@dataclass(frozen=True)
class Order:
    """A decision of an operator. Times are wall-clock seconds; `until` None has no end."""

    mode: Mode = "normal"
    reason: str = ""
    who: str = ""
    since: float = 0.0
    until: float | None = None

    @property
    def level(self) -> int:
        """Levels below the top of the ladder: 0 is normal."""
        return MODES.index(self.mode)


NORMAL: Final = Order()


@dataclass(frozen=True)
class Orders:
    """All orders in force. `routes` holds only lowered modes."""

    epoch: int = 0
    everywhere: Order = NORMAL
    routes: Mapping[str, Order] | None = None
    file: Order | None = None
    forced: Mapping[str, str] | None = None
    """Breakers in forced states: `ROUTE > TARGET` → open or closed."""
    observed: Mapping[str, Order] | None = None
    """Routes whose contract is not enforced for a time → the order with its author, reason and end."""
    last: Mapping[str, int] = field(default_factory=dict)
    """Scope → epoch of the last order that an operator gave for it; the scope is a route, or empty for all routes."""

    def order(self, route: str | None) -> Order:
        """The order for one route alone, or, with None, the order for all routes."""
        return self.everywhere if route is None else (self.routes or {}).get(route, NORMAL)

    def standing(self) -> Iterable[tuple[str | None, Order]]:
        """Each scope that is lowered, and its order."""
        if self.everywhere.mode != "normal":
            yield None, self.everywhere
        yield from (self.routes or {}).items()

    def raises(self, route: str | None, mode: Mode) -> bool:
        """Whether this mode allows more than its scope allows now; only such an order can be refused."""
        return MODES.index(mode) < self.order(route).level

    def stale(self, route: str | None, epoch: int) -> bool:
        """Whether an operator has given an order for this scope since `epoch`, or `epoch` is in the future."""
        return not self.last.get(route or "", 0) <= epoch <= self.epoch

    def decided(self, route: str | None, order: Order) -> "Orders":
        """A copy with an operator's order for one scope."""
        return replace(self.without(route, order), last={**self.last, route or "": self.epoch + 1})

    def without(self, route: str | None, order: Order = NORMAL) -> "Orders":
        """A copy with a change of one scope that no operator ordered: by default, the end of its order."""
        if route is None:
            return replace(self, epoch=self.epoch + 1, everywhere=order)
        routes = {key: other for key, other in (self.routes or {}).items() if key != route}
        if order.mode != "normal":
            routes[route] = order
        return replace(self, epoch=self.epoch + 1, routes=routes)

    def observing(self, route: str, order: Order | None) -> "Orders":
        """A copy in which this order sets a route's contract to observe mode; None enforces the contract again."""
        observed = {key: other for key, other in (self.observed or {}).items() if key != route}
        if order is not None:
            observed[route] = order
        return replace(self, epoch=self.epoch + 1, observed=observed)

    def forcing(self, breaker: str, state: str) -> "Orders":
        """A copy with one breaker (`ROUTE > TARGET`) forced to open or closed, or released with auto."""
        forced = {key: other for key, other in (self.forced or {}).items() if key != breaker}
        if state != "auto":
            forced[breaker] = state
        return replace(self, epoch=self.epoch + 1, forced=forced)

    def in_force(self, route: str) -> tuple[Order, Reason]:
        """The lowest order for a route, and the reason that clients receive."""
        lowest = self.everywhere
        why: Reason = "mode"
        if (own := self.order(route)).level > lowest.level:
            lowest = own
        if self.file is not None and self.file.level >= max(lowest.level, 1):
            lowest, why = self.file, "kill_file"
        return lowest, why

    def bound(self, rung_limit: RungLimit, route: str) -> None:
        """Set a route's rung limit to the order in force."""
        order, why = self.in_force(route)
        rung_limit.level = 0 if order.mode == "normal" else LEVEL[order.mode]
        rung_limit.why = why


def kill_order(text: str | None, before: Order | None, wall: float) -> Order | None:
    """The order of a kill file; None without a file.

    The first line names the highest source that may answer; any other text means KILLED. `wall`: seconds since the epoch.
    """
    if text is None:
        return None
    word = text.strip().split("\n", 1)[0].strip()
    mode: Mode = word if word in MODES and word != "normal" else KILLED
    if before is not None and before.mode == mode:
        return before
    return Order(mode, "the kill file is there", "kill file", wall)
