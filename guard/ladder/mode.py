"""What operators allow: the mode of the service and of each route, their time to live, and the kill file.

A mode is `normal` or the highest rung that may answer. Several say something about one route: the global mode, the route's
own, and the kill file; the lowest wins. Each change has an epoch, one more than the last, so that a raise can be refused
that was decided on an older state (law 7). Pure: time is an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from guard.proxy.values import LEVEL, RULES, Ceiling, LowerSource, Reason

Mode: TypeAlias = Literal["normal", LowerSource]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""From the highest to the lowest."""
KILLED: Final[Mode] = RULES
"""Where a kill without a word leads: a route without rules takes `disabled`."""


@dataclass(frozen=True)
class Order:
    """What somebody decided. Times are wall-clock seconds; `until` None is for good."""

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

    def order(self, route: str | None) -> Order:
        """What was decided for a route alone, or, for None, for all of them."""
        return self.everywhere if route is None else (self.routes or {}).get(route, NORMAL)

    def raises(self, route: str | None, mode: Mode) -> bool:
        """Whether this would allow more than is allowed now; only that can be refused."""
        return MODES.index(mode) < self.order(route).level

    def decided(self, route: str | None, order: Order) -> "Orders":
        """With one more decision."""
        if route is None:
            return replace(self, epoch=self.epoch + 1, everywhere=order)
        routes = {key: one for key, one in (self.routes or {}).items() if key != route}
        if order.mode != "normal":
            routes[route] = order
        return replace(self, epoch=self.epoch + 1, routes=routes)

    def expired(self, wall: float) -> list[str | None]:
        """Whose time is over."""
        all_of_them: Iterable[tuple[str | None, Order]] = [(None, self.everywhere), *(self.routes or {}).items()]
        return [route for route, order in all_of_them if order.until is not None and order.until <= wall]

    def in_force(self, route: str) -> tuple[Order, Reason]:
        """The lowest order for a route, and the reason it is given to clients."""
        lowest = self.everywhere
        why: Reason = "mode"
        if (own := self.order(route)).level > lowest.level:
            lowest = own
        if self.file is not None and self.file.level >= max(lowest.level, 1):
            lowest, why = self.file, "kill_file"
        return lowest, why

    def bound(self, ceiling: Ceiling, route: str) -> None:
        """Bring a route's ceiling up to date."""
        order, why = self.in_force(route)
        ceiling.level = 0 if order.mode == "normal" else LEVEL[order.mode]
        ceiling.why = why


def kill_order(text: str | None, before: Order | None, wall: float) -> Order | None:
    """What a kill file orders: its first line names the source to fall to, anything else is the default; None: no file."""
    if text is None:
        return None
    word = text.strip().split("\n", 1)[0].strip()
    mode: Mode = word if word in MODES and word != "normal" else KILLED
    if before is not None and before.mode == mode:
        return before
    return Order(mode, "the kill file is there", "kill file", wall)
