"""What operators decide, put in force at once, made durable, and audited (law 7).

An order is in force before it is on disk, for lowering is never blocked; it is acknowledged once it is on disk, or with
`durable: false` where it cannot be. Raising needs the current epoch: what was decided on an older state is refused.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, replace
from time import monotonic
from typing import Any, Final, Protocol

from guard.control.state import StateFolder
from guard.events import (
    BreakerForced,
    Enforcement,
    EnforcementChanged,
    ModeChanged,
    ModeRecalled,
    OrderGiven,
    OrdersUnreadable,
    Publish,
)
from guard.ladder.mode import KILLED, MODES, NORMAL, Mode, Order, Orders, kill_order
from guard.proxy.values import Ceiling

STATE: Final = "operators.json"
FORMAT: Final = 1


class Refused(Exception):  # noqa: N818
    """An order that is not taken, with an HTTP status and a code that say why."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Ceilings(Protocol):
    """The routes in force, by key, with what bounds each."""

    def __call__(self) -> Iterable[tuple[str, Ceiling]]:
        """The routes now in force."""


class OrderStore:
    """Orders, their time to live, and where they are kept."""

    def __init__(
        self,
        ceilings: Ceilings,
        *,
        wall: Callable[[], float],
        publish: Publish,
        cut: Callable[[], int],
        force: Callable[[Mapping[str, str]], None],
        recompile: Callable[[], Awaitable[None]],
        audit: Callable[[dict[str, object]], None],
    ) -> None:
        self.orders = Orders()
        self.state: StateFolder | None = None
        self.durable = True
        self._ceilings, self._wall, self._publish, self._cut, self._audit = ceilings, wall, publish, cut, audit
        self._force, self._recompile = force, recompile
        self._relaxes: dict[str, float] = {}  # monotonic ends of what is observed for a time
        self._ends: dict[str | None, float] = {}  # monotonic: a step of the wall clock ends nothing
        self._turn = asyncio.Lock()

    # ── start and reload ──────────────────────────────────────────────────────────────────────────────────────────

    def recall(self, state: StateFolder | None) -> None:
        """Read what was decided before. What cannot be read is taken for a kill: never silently alive (KS-08)."""
        self.state = state
        readable = True
        try:
            raw = state.read(STATE) if state is not None else None
            if raw is not None:
                self.orders = _read(json.loads(raw))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            readable = False
            self._publish(OrdersUnreadable())
            order = Order(KILLED, "the orders in the state folder cannot be read", "guard", self._wall())
            self.orders = Orders(everywhere=order)
        now, wall = monotonic(), self._wall()
        for route in self.orders.expired(wall):
            self.orders = self.orders.decided(route, NORMAL)
        for route, order in [(None, self.orders.everywhere), *(self.orders.routes or {}).items()]:
            if order.until is not None:
                self._ends[route] = now + order.until - wall
        for route, order in (self.orders.observed or {}).items():
            self._relaxes[route] = now + (order.until or 0.0) - wall
        self.bound()
        if readable:
            self._say_lowered()

    def _say_lowered(self) -> None:
        """Or nobody would know why a guard that has just begun answers without the model."""
        for route, order in [(None, self.orders.everywhere), *(self.orders.routes or {}).items()]:
            if order.mode != "normal":
                self._publish(ModeRecalled(route=route, mode=order.mode, who=order.who, why=order.reason))

    def bound(self) -> None:
        """Bring every route's ceiling up to date; after a reload too."""
        for route, ceiling in self._ceilings():
            self.orders.bound(ceiling, route)
        self._force(self.orders.forced or {})

    # ── orders ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_mode(
        self, *, mode: str, route: str | None, reason: str, ttl: float | None, cut: bool, who: str, epoch: int | None
    ) -> dict[str, object]:
        """Decide a mode. Raises Refused."""
        if mode not in MODES:
            raise Refused(422, "mode", f"not one of {', '.join(MODES)}")
        if route is not None and route not in dict(self._ceilings()):
            raise Refused(404, "route", "no such route")
        async with self._turn:
            before = self.orders.order(route)
            if self.orders.raises(route, mode):
                if epoch is None:
                    raise Refused(428, "epoch", "raising needs If-Match with the current epoch")
                if epoch != self.orders.epoch:
                    raise Refused(412, "epoch", "somebody decided something meanwhile; read the status again")
            wall = self._wall()
            order = Order(mode, reason, who, wall, None if ttl is None else wall + ttl)
            self._decide(route, order if mode != "normal" else replace(order, until=None), ttl)
            ended = self._cut() if cut else 0
            durable = await self._save()
            self._tell(route, before, order, durable=durable)
        return {"epoch": self.orders.epoch, "mode": mode, "route": route, "durable": durable, "cut": ended}

    def _decide(self, route: str | None, order: Order, ttl: float | None) -> None:
        self.orders = self.orders.decided(route, order)
        self._ends.pop(route, None)
        if ttl is not None and order.mode != "normal":
            self._ends[route] = monotonic() + ttl
        self.bound()

    async def _save(self) -> bool:
        """Whether the orders are on disk."""
        content = json.dumps(_written(self.orders)).encode()
        try:
            if self.state is None:
                raise OSError
            await asyncio.to_thread(self.state.save, STATE, content)
        except OSError:
            self.durable = False
            return False
        self.durable = True
        return True

    def _tell(self, route: str | None, before: Order, after: Order, *, durable: bool) -> None:
        self._record(
            ModeChanged(
                who=after.who, route=route, before=before.mode, after=after.mode, why=after.reason, until=after.until,
                epoch=self.orders.epoch, durable=durable,
            )
        )  # fmt: skip

    def _record(self, given: OrderGiven) -> None:
        """Audit an order, and publish it. An audit that cannot be written does not undo what is in force."""
        entry = {
            ("from" if key == "before" else "to" if key == "after" else key): value for key, value in asdict(given).items()
        }
        del entry["audited"]
        try:
            self._audit({"at": self._wall(), "what": given.name, **entry})
        except OSError:
            self.durable = False
            given = replace(given, audited=False)
        self._publish(given)

    async def set_breaker(self, *, route: str, target: str, state: str, reason: str, who: str) -> dict[str, object]:
        """Force a breaker, or let it go. It stays so over restarts."""
        key = f"{route} > {target}"
        async with self._turn:
            before = (self.orders.forced or {}).get(key, "auto")
            forced = {name: one for name, one in (self.orders.forced or {}).items() if name != key}
            if state != "auto":
                forced[key] = state
            self.orders = replace(self.orders, epoch=self.orders.epoch + 1, forced=forced)
            self.bound()
            durable = await self._save()
            self._record(
                BreakerForced(
                    who=who, route=route, target=target, before=before, after=state, why=reason, epoch=self.orders.epoch,
                    durable=durable,
                )
            )  # fmt: skip
        return {"epoch": self.orders.epoch, "route": route, "target": target, "state": state, "durable": durable}

    async def set_enforcement(
        self, *, route: str, enforcement: str, reason: str, ttl: float | None, who: str
    ) -> dict[str, object]:
        """Stop enforcing a contract that is itself wrong, for a time; or enforce it again. Raises Refused."""
        if route not in dict(self._ceilings()):
            raise Refused(404, "route", "no such route")
        if enforcement == "observe" and ttl is None:
            raise Refused(422, "ttl", "a contract is not enforced for a time only; say how long")
        wall = self._wall()
        order = Order("normal", reason, who, wall, None if ttl is None else wall + ttl)
        async with self._turn:
            return await self._enforce(route, order if enforcement == "observe" else None, order)

    async def _enforce(self, route: str, observed: Order | None, order: Order) -> dict[str, object]:
        before = route in (self.orders.observed or {})
        others = {name: one for name, one in (self.orders.observed or {}).items() if name != route}
        if observed is not None:
            others[route] = observed
        self.orders = replace(self.orders, epoch=self.orders.epoch + 1, observed=others)
        self._relaxes.pop(route, None)
        if observed is not None and observed.until is not None:
            self._relaxes[route] = monotonic() + observed.until - observed.since
        await self._recompile()
        durable = await self._save()
        words: tuple[Enforcement, Enforcement] = ("enforce", "observe")
        after = words[observed is not None]
        self._record(
            EnforcementChanged(
                who=order.who, route=route, before=words[before], after=after, why=order.reason,
                until=observed.until if observed else None, epoch=self.orders.epoch, durable=durable,
            )
        )  # fmt: skip
        return {"epoch": self.orders.epoch, "route": route, "enforcement": after, "durable": durable}

    # ── time and the kill file ────────────────────────────────────────────────────────────────────────────────────

    async def expire(self) -> None:
        """End what was ordered for a time; called each second."""
        now = monotonic()
        for route in [route for route, end in self._ends.items() if end <= now]:
            async with self._turn:
                if self._ends.get(route, now + 1) > now:
                    continue
                before = self.orders.order(route)
                after = Order("normal", "its time is over", before.who, self._wall())
                self._decide(route, after, None)
                self._tell(route, before, after, durable=await self._save())
        for route in [route for route, end in self._relaxes.items() if end <= now]:
            async with self._turn:
                before = (self.orders.observed or {}).get(route, NORMAL)
                await self._enforce(route, None, Order("normal", "its time is over", before.who, self._wall()))

    def heed_file(self, text: str | None) -> None:
        """What the kill file says now; None where there is none."""
        before = self.orders.file
        order = kill_order(text, before, self._wall())
        if order == before:
            return
        self.orders = replace(self.orders, file=order)
        self.bound()
        self._tell(None, before or NORMAL, order or Order("normal", "the kill file is gone", "kill file"), durable=True)


def _written(orders: Orders) -> dict[str, Any]:
    """The orders as they are kept; the kill file is its own record."""
    routes = {route: asdict(order) for route, order in (orders.routes or {}).items()}
    return {"format": FORMAT, "epoch": orders.epoch, "everywhere": asdict(orders.everywhere), "routes": routes,
            "forced": dict(orders.forced or {}),
            "observed": {route: asdict(order) for route, order in (orders.observed or {}).items()}}  # fmt: skip


def _read(document: Mapping[str, Any]) -> Orders:
    if document["format"] != FORMAT:
        raise ValueError("another format")
    routes = {str(route): _order(order) for route, order in document["routes"].items()}
    forced = {str(key): str(state) for key, state in document["forced"].items() if state in {"open", "closed"}}
    observed = {str(route): _order(order) for route, order in document["observed"].items()}
    return Orders(int(document["epoch"]), _order(document["everywhere"]), routes, None, forced, observed)


def _order(fields: Mapping[str, Any]) -> Order:
    order = Order(**fields)
    modes: tuple[Mode, ...] = MODES
    if order.mode not in modes or not isinstance(order.until, float | int | None):
        raise ValueError("not an order")
    return order
