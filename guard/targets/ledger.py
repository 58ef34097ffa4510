"""The sums of one budget: what its day has spent, and what calls under way hold. Integers; time is an argument.

Amounts are millionths of a millionth of the currency (`PICO`), so that no sum is ever rounded. A day is a `Window` of its
own, and a call settles in the window in which it reserved: no reset exists that could race with a call.

spent + held never exceeds `granted`, which a `lease` has made durable before. After kill -9 the day goes on as if all that
was granted had been spent, so nothing can be spent twice. A lease is a small slice, and what is left of it is lost.

The next lease is asked for while half of the one before is left, and a thread writes it: no call waits for a disk. Where
the disk is slower than the calls, they are refused until the lease is durable, and the next leases are larger.
"""

from typing import Final, Protocol

PICO: Final = 1_000_000_000_000
"""Units of a ledger in one unit of its currency."""
DAY: Final = 86400.0
SLICES: Final = 200
"""A lease is this part of the limit, or `CALLS` times what the call reserves if that is more."""
CALLS: Final = 8
MOST_SLICES: Final = 16
"""A lease is at most so many times larger on a disk that is slower than the calls."""
UNASKED: Final = -1


class Window:
    """One day of a ledger."""

    def __init__(self, day: int) -> None:
        self.day = day  # since the epoch, UTC
        self.spent = 0
        self.held = 0
        self.granted = 0  # the sum that is durable
        self.asked = UNASKED  # the sum that a write under way makes durable
        self.low = UNASKED  # a sum that needs no new lease yet
        self.margin = 0  # of `low` below `granted`, once the write under way is done
        self.slices = 1  # how much larger leases are
        self.starved = False  # a call was refused while a lease was being written
        self.least = 1 << 62  # the smallest amount that a call reserved or wanted to
        self.told = 0  # shares of the budget that were announced

    def __repr__(self) -> str:
        return f"<Window {self.day}: {self.spent / PICO:g} spent, {self.held / PICO:g} held>"

    def leased(self, granted: int) -> None:
        """Note that this sum is durable. Called from the writing thread; no other writes these while a sum is asked."""
        if granted > self.granted:
            self.granted = granted
            self.low = granted - self.margin
        if granted >= self.asked:
            self.asked = UNASKED

    def unleased(self) -> None:
        """The sum that was asked for could not be written; the next call asks again."""
        self.asked = UNASKED


class Store(Protocol):
    """Keeps a ledger's sum over a restart."""

    def lease(self, ledger: "Ledger", window: Window, granted: int) -> bool:
        """Begin to make `granted` the durable sum of that day. Whether it is already.

        If not, `window.leased` is called once it is, or `window.unleased` if it cannot be.
        """

    def hurry(self) -> None:
        """Give the write under way a moment, once: a disk in health is done before it is over."""


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
        if amount < window.least:  # noqa: PLR1730 — a call of `min` costs more
            window.least = amount
        total = window.spent + window.held + amount
        if total > limit or (total > window.low and not self.cover(window, total, amount, limit)):
            return False
        window.held += amount
        return True

    def cover(self, window: Window, total: int, amount: int, limit: int) -> bool:
        """Whether a lease covers `total`. The next slice is asked for before the last is used up. `amount`: of a call."""
        store = self.store
        if store is None:
            return False
        if window.asked <= window.granted:
            self._ask(store, window, total, amount, limit)
        if total > window.granted and amount and window.asked > window.granted:
            store.hurry()
            if total > window.granted:
                window.starved = True
        return total <= window.granted

    def _ask(self, store: Store, window: Window, total: int, amount: int, limit: int) -> None:
        """Ask for the next lease."""
        if window.starved:
            window.slices = min(2 * window.slices, MOST_SLICES)
            window.starved = False
        piece = max(limit // SLICES, CALLS * amount) * window.slices
        granted = max(total, min(limit, total + piece))
        if granted <= window.granted:
            window.low = window.granted
            return
        window.margin = 0 if granted >= limit else piece // 2
        window.asked = granted
        if store.lease(self, window, granted):
            window.leased(granted)

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
