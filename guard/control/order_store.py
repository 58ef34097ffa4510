"""Orders of operators: in force at once, then durable, then audited.

Whatever lowers takes effect within the call that orders it: before any lock, disk or compilation. Nothing is awaited
between the decision and the rung limits of the routes. An order that raises names the epoch that it was decided on. An
order
that needs another plan (an enforcement) goes through the policy's queue of changes, and holds only once its plan does.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Final, NotRequired, Protocol, TypeAlias, TypedDict, Unpack

from guard.control import orders_file
from guard.control.journal import Journal, Pending
from guard.control.state import StateFolder
from guard.events import (
    BreakerForced,
    Enforcement,
    EnforcementChanged,
    EnforcementDue,
    EnforcementRefused,
    ModeChanged,
    ModeRecalled,
    OrderGiven,
    OrdersUnreadable,
    Publish,
)
from guard.ladder.mode import KILLED, MODES, NORMAL, Mode, Order, Orders, kill_order
from guard.policy.errors import PolicyInvalid
from guard.proxy.values import RungLimit

OVER: Final = "its ttl has ended"
IN_FORCE_WITHIN: Final = 0.15
"""Seconds that the answer to an enforcement order waits for its plan."""
TRY_AGAIN: Final = 1.0
"""Seconds after which an enforcement that could not be brought back is tried again."""


Wanted: TypeAlias = Callable[[], frozenset[str] | None]
"""The routes to compile as observed; None where nothing is left to change."""


def listed(names: Sequence[str], at_most: int = 10) -> str:
    """Names for a sentence: all of a few, or the first of many and how many more there are."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")


class Refused(Exception):  # noqa: N818
    """An order that is not taken, with an HTTP status and a code that say why."""

    def __init__(self, status: int, code: str, detail: str, gates: Sequence[Mapping[str, object]] = ()) -> None:
        """`gates`: those that do not hold, with their numbers."""
        super().__init__(detail)
        self.status, self.code, self.detail, self.gates = status, code, detail, gates


class DataPlane(Protocol):
    """The parts of the data plane that orders change."""

    def rung_limits(self) -> Iterable[tuple[str, RungLimit]]:
        """The routes in force by key, each with the object that bounds it."""

    def force(self, forced: Mapping[str, str]) -> None:
        """Bring every breaker to the state that it is forced to, or release it."""

    def has_contract(self, route: str) -> bool:
        """Whether a route in force has a contract, so that it may be observed."""

    def cut(self) -> int:
        """End the streams that operators no longer allow; returns how many."""

    def observe(self, wanted: "Wanted", hold: Callable[[], None]) -> "asyncio.Future[None]":
        """Queue a change of the observed routes; the future is done once it is in force, or raises PolicyInvalid.

        `wanted` is asked when the turn of the change has come; `hold` is called in the same step as the plan is swapped.
        """


class WantedMode(TypedDict):
    """The arguments of an order that sets a mode. `ttl` in seconds; None: until the next order.

    `epoch`: of the status on which a raise was decided. `expected_epoch`: the order is given only if nobody has given
    another one of its scope since; whoever lowers in an emergency leaves it out.
    """

    mode: Mode
    route: str | None
    reason: str
    ttl: float | None
    cut: bool
    who: str
    epoch: int | None
    expected_epoch: NotRequired[int | None]


class OrderStore:
    """The orders in force and their times to live. Every change of them is made here."""

    def __init__(self, data_plane: DataPlane, journal: Journal, *, wall: Callable[[], float], publish: Publish) -> None:
        self.orders = Orders()
        self.journal = journal
        self._data_plane, self._wall, self._publish = data_plane, wall, publish
        self._ends: dict[str | None, float] = {}  # monotonic: a step of the wall clock ends nothing
        self._observe_ends: dict[str, float] = {}  # likewise
        self._due: set[str] = set()  # routes whose observation is over and whose plan did not compile

    @property
    def durable(self) -> bool:
        """Whether the orders in force are on disk."""
        return self.journal.durable

    @property
    def observed(self) -> frozenset[str]:
        """Routes whose contract is not enforced for now."""
        return frozenset(self.orders.observed or {})

    # ── start and reload ──────────────────────────────────────────────────────────────────────────────────────────

    def recall(self, state: StateFolder | None, *, doubt: str = "") -> None:
        """Read the orders from before the restart. Orders that cannot be read are taken for a kill.

        `doubt`: why the folder cannot be trusted to hold them, which kills too; empty where it can.
        """
        self.journal.open(state)
        wall = self._wall()
        try:
            raw = state.read(orders_file.NAME) if state is not None else None
            self.orders = orders_file.decode(raw, wall) if raw is not None else Orders()
        except orders_file.Damaged as damaged:
            self._publish(OrdersUnreadable(why=orders_file.UNREADABLE))
            self.orders = damaged.salvaged
        except OSError as error:
            doubt = doubt or f"{orders_file.UNREADABLE}: {error.strerror or error}"
        if doubt:
            self._publish(OrdersUnreadable(why=doubt))
            if self.orders.everywhere.level < MODES.index(KILLED):
                self.orders = replace(self.orders, everywhere=Order(KILLED, doubt, "guard", wall))
        self._resume(wall)
        self.bound()
        for route, order in self.orders.standing():
            self._publish(ModeRecalled(route=route, mode=order.mode, who=order.who, why=order.reason))

    def _resume(self, wall: float) -> None:
        """Count on what was ordered for a time; end what has ended meanwhile."""
        now, ended = monotonic(), []
        for route, order in tuple(self.orders.standing()):
            remaining = _remaining(order, wall)
            if remaining is None:
                continue
            self._ends[route] = now + remaining
            if remaining <= 0:
                ended.append(route)
        for route, order in (self.orders.observed or {}).items():
            remaining = _remaining(order, wall)
            self._observe_ends[route] = now + (remaining or 0.0)
            if not remaining or remaining <= 0:  # an observation without an end is damage
                self.orders = self.orders.observing(route, None)
                self._observe_ends.pop(route)
                self._enforcement_changed(route, "observe", "enforce", Order("normal", OVER, order.who, wall))
        for route in ended:
            self._end(route)

    def bound(self) -> None:
        """Bring every route's rung limit and every breaker up to date; after a change of the plan too."""
        for route, rung_limit in self._data_plane.rung_limits():
            self.orders.bound(rung_limit, route)
        self._data_plane.force(self.orders.forced or {})

    # ── modes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_mode(self, **wanted: Unpack[WantedMode]) -> dict[str, object]:
        """Set a mode. Raises Refused."""
        mode, route, ttl = wanted["mode"], wanted["route"], wanted["ttl"]
        self._refuse(mode, route, wanted["epoch"], wanted.get("expected_epoch"))
        before, wall = self.orders.order(route), self._wall()
        until = wall + ttl if ttl is not None and mode != "normal" else None
        order = Order(mode, wanted["reason"], wanted["who"], wall, until)
        self.orders = self.orders.decided(route, order)
        self._ends.pop(route, None)
        if ttl is not None and mode != "normal":
            self._ends[route] = monotonic() + ttl
        self.bound()  # in force: nothing was awaited
        ended = self._data_plane.cut() if wanted["cut"] else 0
        answer: dict[str, object] = {"epoch": self.orders.epoch, "mode": mode, "route": route, "cut": ended}
        return answer | await self._answer(self._mode_changed(route, before, order))

    def _refuse(self, mode: str, route: str | None, epoch: int | None, expected_epoch: int | None) -> None:
        if mode not in MODES:
            raise Refused(422, "mode", f"mode must be one of {', '.join(MODES)}")
        self._refuse_unknown(route)
        if self.orders.raises(route, mode):
            if epoch is None:
                raise Refused(428, "epoch", "raising a mode needs If-Match with the current epoch")
            if self.orders.stale(route, epoch):
                raise Refused(412, "epoch", "another order came first; read the status again")
        if expected_epoch is not None and self.orders.stale(route, expected_epoch):
            raise Refused(412, "epoch", "another order came first, so this one was not given")

    def _refuse_unknown(self, route: str | None) -> None:
        known = [key for key, _ in self._data_plane.rung_limits()]
        if route is not None and route not in known:
            raise Refused(404, "route", f"the policy has no such route; its routes are {listed(known)}")

    # ── breakers ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_breaker(self, *, route: str, target: str, state: str, reason: str, actor: str) -> dict[str, object]:
        """Force a breaker, or release it. It stays so over restarts."""
        key = f"{route} > {target}"
        before = (self.orders.forced or {}).get(key, "auto")
        self.orders = self.orders.forcing(key, state)
        self.bound()
        answer: dict[str, object] = {"epoch": self.orders.epoch, "route": route, "target": target, "state": state}
        forced = BreakerForced(
            who=actor, route=route, target=target, before=before, after=state, why=reason, epoch=self.orders.epoch
        )
        return answer | await self._answer(self._account(forced))

    # ── enforcement ───────────────────────────────────────────────────────────────────────────────────────────────

    async def set_enforcement(
        self, *, route: str, enforcement: Enforcement, reason: str, ttl: float | None, actor: str
    ) -> dict[str, object]:
        """Stop enforcing a contract that is itself wrong, for a time; or enforce it again. Raises Refused.

        An order whose plan does not compile is refused and leaves no trace.
        """
        self._refuse_unknown(route)
        if enforcement == "observe" and not self._data_plane.has_contract(route):
            raise Refused(422, "route", "this route has no contract that could be observed")
        if enforcement == "observe" and ttl is None:
            raise Refused(422, "ttl", "observing needs a ttl: a contract is only observed for a limited time")
        wall = self._wall()
        order = Order("normal", reason, actor, wall, None if ttl is None or enforcement == "enforce" else wall + ttl)
        holding = asyncio.ensure_future(self._observe(route, order if enforcement == "observe" else None, order))
        answer: dict[str, object] = {"route": route, "enforcement": enforcement}
        try:
            async with asyncio.timeout(IN_FORCE_WITHIN):
                pending = await asyncio.shield(holding)
        except TimeoutError:
            holding.add_done_callback(lambda done: self._late(route, enforcement, done))
            return answer | {"epoch": self.orders.epoch, "in_force": False, "durable": False, "audited": False}
        except PolicyInvalid as invalid:
            raise Refused(409, "policy", f"the policy does not compile now: {_why(invalid)}") from None
        return answer | {"epoch": self.orders.epoch, "in_force": True} | await self._answer(pending)

    async def _observe(
        self, route: str, observed: Order | None, order: Order, *, ends: Order | None = None
    ) -> Pending | None:
        """Change whether a route is observed, in its turn. Raises PolicyInvalid. `ends`: only while that order holds."""
        pending: Pending | None = None

        def wanted() -> frozenset[str] | None:
            if ends is not None and (self.orders.observed or {}).get(route) is not ends:
                return None
            return self.observed - {route} if observed is None else self.observed | {route}

        def hold() -> None:
            nonlocal pending
            pending = self._hold(route, observed, order)

        await self._data_plane.observe(wanted, hold)
        return pending

    def _hold(self, route: str, observed: Order | None, order: Order) -> Pending:
        """The plan of an enforcement order is in force, and so is the order."""
        words: tuple[Enforcement, Enforcement] = ("enforce", "observe")
        before = words[route in self.observed]
        self.orders = self.orders.observing(route, observed)
        self._observe_ends.pop(route, None)
        self._due.discard(route)
        if observed is not None and observed.until is not None:
            self._observe_ends[route] = monotonic() + observed.until - observed.since
        return self._enforcement_changed(route, before, words[observed is not None], order)

    def _late(self, route: str, enforcement: Enforcement, done: "asyncio.Future[Pending | None]") -> None:
        """An order that was answered before its plan was in force has come to its end: report a refusal."""
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._publish(EnforcementRefused(route=route, enforcement=enforcement, why=_why(error)))

    # ── time and the kill file ────────────────────────────────────────────────────────────────────────────────────

    def expire_modes(self) -> None:
        """End the modes whose time is over."""
        now = monotonic()
        for route in [route for route, end in self._ends.items() if end <= now]:
            self._end(route)

    def _end(self, route: str | None) -> None:
        before = self.orders.order(route)
        self._ends.pop(route, None)
        self.orders = self.orders.without(route)
        self.bound()
        self._mode_changed(route, before, Order("normal", OVER, before.who, self._wall()))

    async def expire_observations(self) -> None:
        """Enforce again the contracts whose time of observation is over. What does not compile stays due."""
        now = monotonic()
        for route in [route for route, end in self._observe_ends.items() if end <= now]:
            before = (self.orders.observed or {}).get(route)
            if before is None:  # somebody enforced it while an end before it waited for its plan
                continue
            try:
                await self._observe(route, None, Order("normal", OVER, before.who, self._wall()), ends=before)
            except PolicyInvalid as invalid:
                self._observe_ends[route] = monotonic() + TRY_AGAIN
                if route not in self._due:
                    self._publish(EnforcementDue(route=route, why=_why(invalid)))
                self._due.add(route)

    def apply_kill_file(self, text: str | None) -> None:
        """Bring the kill file's text in force; None where there is no file."""
        before = self.orders.file
        order = kill_order(text, before, self._wall())
        if order == before:
            return
        self.orders = replace(self.orders, file=order)
        self.bound()
        after = order or Order("normal", "the kill file was removed", "kill file", self._wall())
        self._mode_changed(None, before or NORMAL, after)

    def apply_unreadable_kill_file(self, *, there: bool, first: bool) -> None:
        """A kill file that cannot be read keeps its last order; without one it kills if it is `there`, or at the start."""
        if self.orders.file is None and (there or first):
            self.apply_kill_file("")

    # ── account ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _account(self, order: OrderGiven) -> Pending:
        """A change is in force: the log says so at once, the disk follows."""
        self._publish(order)
        return self.journal.keep(self.orders, {"at": self._wall(), "what": order.name, **order.keys()})

    def _mode_changed(self, route: str | None, before: Order, after: Order) -> Pending:
        return self._account(
            ModeChanged(
                who=after.who, route=route, before=before.mode, after=after.mode, why=after.reason, until=after.until,
                epoch=self.orders.epoch,
            )
        )  # fmt: skip

    def _enforcement_changed(self, route: str, before: Enforcement, after: Enforcement, order: Order) -> Pending:
        return self._account(
            EnforcementChanged(
                who=order.who, route=route, before=before, after=after, why=order.reason, until=order.until,
                epoch=self.orders.epoch,
            )
        )  # fmt: skip

    async def _answer(self, pending: Pending | None) -> dict[str, object]:
        """The members of an answer about an order's durability."""
        durable, audited = await self.journal.answer(pending) if pending is not None else (self.durable, True)
        return {"durable": durable, "audited": audited}


def _remaining(order: Order, wall: float) -> float | None:
    """Seconds that an order still holds; None without an end. A clock that went back since does not make it longer."""
    return None if order.until is None else min(order.until - wall, order.until - order.since)


def _why(error: BaseException) -> str:
    return "; ".join(str(line) for line in error.errors[:3]) if isinstance(error, PolicyInvalid) else type(error).__name__
