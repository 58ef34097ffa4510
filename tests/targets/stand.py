"""Purses, permits and calls for tests of budgets."""

from types import SimpleNamespace
from typing import Any

from guard.events import Event
from guard.proxy.values import Attempt, Closed, Permit, Usage
from guard.targets.budgets import Budget, Price, Purse, Reservation
from guard.targets.estimates import Estimates
from guard.targets.ledger import DAY, Ledger, Window
from tests.proxy.scene import target


class Disk:
    """What a crash leaves: the newest lease of each ledger."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, int, int]] = {}
        self.broken = False
        self.writes = 0

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        if self.broken:
            window.unleased()
            return False
        if window.day >= self.kept.get(ledger.name, (0,))[0]:
            self.kept[ledger.name] = (window.day, granted, window.told)
            self.writes += 1
        return True

    def hurry(self) -> None:
        """This disk takes no time."""

    def ledger(self, name: str = "", currency: str = "EUR") -> Ledger:
        """The ledger after a restart."""
        ledger = Ledger(name, currency)
        ledger.store = self
        if name in self.kept:
            ledger.recall(*self.kept[name])
        return ledger


def budget(
    ledger: Ledger, limit: int, events: list[Event] | None = None, *, on_spent: str = "next", strict: bool = True,
    shares: tuple[float, ...] = (0.5, 1.0),
) -> Budget:  # fmt: skip
    return Budget(ledger, limit, shares, on_spent, strict=strict, publish=(events if events is not None else []).append)


def purse(price: Price, *budgets: Budget, day: int = 20_000, most_output: int = 0) -> Purse:
    return Purse(price, budgets, Estimates(), SimpleNamespace(offset=day * DAY), most_output=most_output)


def permit(body: bytes = b"", document: Any = None, *, stream: bool = False) -> Permit:
    message = SimpleNamespace(document=document, beside={}, stream=stream) if document is not None else None
    fields = dict.fromkeys(("route", "head", "forward", "rows", "lowered", "request_id"), None)
    return Permit(**fields, body=body, document=document, deadline=1e9, message=message)  # type: ignore[arg-type]


def attempt(*, status: int = 200, failed: Any = None, usage: Usage | None = None) -> Attempt:
    made = Attempt(target(), 0.0)
    made.status, made.failed, made.usage = status, failed, usage
    return made


def reserved(hold: Reservation | Closed) -> Reservation:
    assert isinstance(hold, Reservation), hold
    hold.sent = True
    return hold
