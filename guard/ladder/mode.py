"""What operators allow: the mode of the service and of each route, their time to live, and the kill file.

A mode is `normal` or the highest rung that may answer. The global mode, a route's own mode and the kill file may each say
something about a route; the lowest wins. Each change has an epoch, one more than the last. A raise names the epoch that it
was decided on and is refused where somebody has given an order of the same scope since: the scope is all routes, or one.
What guard does by itself (an expiry, a reload) is no order, so it never makes a raise stale. Pure: time is an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, get_args

from guard.proxy.values import LEVEL, RULES, LowerSource, Reason, RungLimit

Mode: TypeAlias = Literal["normal", LowerSource]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""From the highest to the lowest."""
KILLED: Final[Mode] = RULES
"""Where a kill without a rung leads. A route without rules takes `disabled`."""


@dataclass(frozen=True)
class Order:
    """What an operator decided. Times are wall-clock seconds; `until` None has no end."""

    mode: Mode = "normal"
    reason: str = ""
    who: str = ""
    since: float = 0.0
    until: float | None = None

    @property
    def level(self) -> int:
        """How far down the ladder: 0 is normal."""
        return MODES.index(self.mode)


NORMAL: Final = Order()


@dataclass(frozen=True)
class Orders:
    """All orders in force. `routes` holds no `normal` ones."""

    epoch: int = 0
    everywhere: Order = NORMAL
    routes: Mapping[str, Order] | None = None
    file: Order | None = None
    forced: Mapping[str, str] | None = None
    """Breakers in forced states: `ROUTE > TARGET` → open or closed."""
    observed: Mapping[str, Order] | None = None
    """Routes whose contract is not enforced for a time; the orders say who, why and until when."""
    last: Mapping[str, int] = field(default_factory=dict)
    """Epoch of the last order that somebody gave for a scope: a route, or the empty string for all routes."""

    def order(self, route: str | None) -> Order:
        """What was decided for a route alone, or, for None, for all of them."""
        return self.everywhere if route is None else (self.routes or {}).get(route, NORMAL)

    def standing(self) -> Iterable[tuple[str | None, Order]]:
        """Each scope that is lowered, and its order."""
        if self.everywhere.mode != "normal":
            yield None, self.everywhere
        yield from (self.routes or {}).items()

    def raises(self, route: str | None, mode: Mode) -> bool:
        """Whether this would allow more than its scope allows now; only that can be refused."""
        return MODES.index(mode) < self.order(route).level

    def stale(self, route: str | None, epoch: int) -> bool:
        """Whether somebody has given an order of this scope since `epoch`, or `epoch` has not been yet."""
        return not self.last.get(route or "", 0) <= epoch <= self.epoch

    def decided(self, route: str | None, order: Order) -> "Orders":
        """With the order of an operator for one scope."""
        return replace(self.without(route, order), last={**self.last, route or "": self.epoch + 1})

    def without(self, route: str | None, order: Order = NORMAL) -> "Orders":
        """With one more change of a scope, which nobody ordered: its end."""
        if route is None:
            return replace(self, epoch=self.epoch + 1, everywhere=order)
        routes = {key: other for key, other in (self.routes or {}).items() if key != route}
        if order.mode != "normal":
            routes[route] = order
        return replace(self, epoch=self.epoch + 1, routes=routes)

    def observing(self, route: str, order: Order | None) -> "Orders":
        """With the contract of a route observed by this order; None enforces it again."""
        observed = {key: other for key, other in (self.observed or {}).items() if key != route}
        if order is not None:
            observed[route] = order
        return replace(self, epoch=self.epoch + 1, observed=observed)

    def forcing(self, breaker: str, state: str) -> "Orders":
        """With one breaker, `ROUTE > TARGET`, open, closed or auto."""
        forced = {key: other for key, other in (self.forced or {}).items() if key != breaker}
        if state != "auto":
            forced[breaker] = state
        return replace(self, epoch=self.epoch + 1, forced=forced)

    def in_force(self, route: str) -> tuple[Order, Reason]:
        """The lowest order for a route, and the reason it is given to clients."""
        lowest = self.everywhere
        why: Reason = "mode"
        if (own := self.order(route)).level > lowest.level:
            lowest = own
        if self.file is not None and self.file.level >= max(lowest.level, 1):
            lowest, why = self.file, "kill_file"
        return lowest, why

    def bound(self, rung_limit: RungLimit, route: str) -> None:
        """Bring a route's rung limit up to date."""
        order, why = self.in_force(route)
        rung_limit.level = 0 if order.mode == "normal" else LEVEL[order.mode]
        rung_limit.why = why


def kill_order(text: str | None, before: Order | None, wall: float) -> Order | None:
    """What a kill file orders: its first line names the source to fall to, anything else is the default; None: no file."""
    if text is None:
        return None
    word = text.strip().split("\n", 1)[0].strip()
    mode: Mode = word if word in MODES and word != "normal" else KILLED
    if before is not None and before.mode == mode:
        return before
    return Order(mode, "the kill file is there", "kill file", wall)
