"""The sums of one budget: what its day has spent, and what calls under way hold. Integers; time is an argument.

Amounts are millionths of a millionth of the currency (`PICO`), so that no sum is ever rounded. A day is a `Window` of its
own, and a call settles in the window in which it reserved: no reset exists that could race with a call.

spent + held never exceeds `granted`, which a `lease` has made durable before. After kill -9 the day goes on as if all that
was granted had been spent, so nothing can be spent twice. A lease is a small slice, and what is left of it is lost.
"""

from typing import Final, Protocol

PICO: Final = 1_000_000_000_000
"""Units of a ledger in one unit of its currency."""
DAY: Final = 86400.0
SLICES: Final = 200
"""A lease is this part of the limit, or `CALLS` times what the call reserves if that is more."""
CALLS: Final = 8


class Window:
    """One day of a ledger."""

    def __init__(self, day: int) -> None:
        self.day = day  # since the epoch, UTC
        self.spent = 0
        self.held = 0
        self.granted = 0  # the sum that is durable
        self.least = 1 << 62  # the smallest amount that a call reserved or wanted to
        self.told = 0  # shares of the budget that were announced

    def __repr__(self) -> str:
        return f"<Window {self.day}: {self.spent / PICO:g} spent, {self.held / PICO:g} held>"


class Store(Protocol):
    """Keeps a ledger's sum over a restart."""

    def lease(self, ledger: "Ledger", window: Window, granted: int) -> bool:
        """Make `granted` the durable sum of that day before this returns. Whether it is."""


class Ledger:
    """The sums of one budget, in one currency."""

    def __init__(self, name: str, currency: str) -> None:
        self.name = name  # a route's key; empty for the service
        self.currency = currency
        self.window = Window(0)
        self.store: Store | None = None
        self.recalled = False

    def __repr__(self) -> str:
        return f"<Ledger {self.name or 'service'} {self.currency} {self.window!r}>"

    def at(self, day: int) -> Window:
        """The window of that day. A clock that is set back stays in the window that it has reached."""
        if day > self.window.day:
            self.window = Window(day)
        return self.window

    def reserve(self, window: Window, amount: int, limit: int) -> bool:
        """Hold `amount`, if it fits the limit and a lease covers it. Whether it is held."""
        window.least = min(window.least, amount)
        total = window.spent + window.held + amount
        if total > limit or not self.cover(window, total, amount, limit):
            return False
        window.held += amount
        return True

    def cover(self, window: Window, total: int, amount: int, limit: int) -> bool:
        """Whether a lease covers `total`. The next slice is leased before the last is used up."""
        if self.store is None:
            return False
        piece = max(limit // SLICES, CALLS * amount)
        if total + piece // 2 <= window.granted or (window.granted >= limit and total <= window.granted):
            return True
        granted = max(total, min(limit, total + piece))
        if granted > window.granted and self.store.lease(self, window, granted):
            window.granted = granted
        return total <= window.granted

    def settle(self, window: Window, held: int, spent: int) -> None:
        """Let go of what was held, and count what was spent."""
        window.held -= held
        window.spent += spent

    def recall(self, day: int, spent: int, told: int) -> None:
        """Go on from an earlier process: all that it was granted counts as spent. What was spent since is added."""
        window = self.at(day)
        if window.day == day:
            window.spent += spent
            window.granted += spent
            window.told = max(window.told, told)
