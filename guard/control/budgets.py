"""Keeps what budgets have spent over a restart, and reports it.

Each budget has a small file in the state folder, with two records that are written in turn: a crash leaves one of them
whole. A lease is written at once, into the open file, and survives kill -9; a thread then synchronises the file, so that a
loss of power forgets at most what was spent in those milliseconds. Budgets that only alert are written each minute, and go
on from there.
"""

import asyncio
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.events import Publish, StateUnavailable
from guard.targets.budgets import Budget
from guard.targets.ledger import DAY, PICO, Ledger, Window
from guard.telemetry import instruments as of
from guard.telemetry.family import Family, Point

SAVE_EVERY: Final = 60.0
SAVE_WITHIN: Final = 10.0
"""Seconds that a disk may take; one that takes longer hangs."""
CLOSE_WITHIN: Final = 3.0
RECORD: Final = 128
"""Bytes of a record."""


class BudgetFile:
    """The durable sum of one ledger."""

    def __init__(self, descriptor: int, keeper: "BudgetKeeper") -> None:
        self._descriptor, self._keeper = descriptor, keeper
        self._next, self._day = 0, 0

    def recall(self, ledger: Ledger) -> None:
        """Go on from what the file says; an empty or damaged record counts for nothing. Raises OSError."""
        found = [record for slot in (0, 1) if (record := _parse(os.pread(self._descriptor, RECORD, slot * RECORD)))]
        if found:
            self._next, self._day, spent, told = max(found)
            self._next += 1
            ledger.recall(self._day, spent, told)

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store. A day that is over needs no lease."""
        del ledger
        if window.day < self._day:
            return True
        text = b"%d %d %d %d" % (self._next, window.day, granted, window.told)
        record = b"%b %08x" % (text, zlib.crc32(text))
        try:
            os.pwrite(self._descriptor, record.ljust(RECORD - 1) + b"\n", self._next % 2 * RECORD)
        except OSError as error:
            self._keeper.failed(error)
            return False
        self._next, self._day = self._next + 1, window.day
        self._keeper.written(self)
        return True

    def close(self) -> None:
        """Close the file; nothing is written to it any more."""
        os.close(self._descriptor)

    def synchronise(self) -> None:
        """Put on disk what was written. Raises OSError."""
        os.fdatasync(self._descriptor)


def _parse(record: bytes) -> tuple[int, int, int, int] | None:
    """Number, day, sum and announced shares of a record; None if it is not whole."""
    text, _, check = record.strip().rpartition(b" ")
    parts = text.split(b" ")
    if len(parts) != 4 or check != b"%08x" % zlib.crc32(text):
        return None
    number, day, spent, told = map(int, parts)
    return number, day, spent, told


def _synchronise(files: Iterable[BudgetFile]) -> None:
    for file in files:
        file.synchronise()


class InMemory:
    """A Store without a state folder. A restart forgets what was spent."""

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store."""
        del ledger, window, granted
        return True


class Unkept:
    """The Store of a strict budget without a state folder: nothing may be spent that a restart would forget."""

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store."""
        del ledger, window, granted
        return False


class BudgetKeeper:
    """The budgets in force, and their files."""

    def __init__(self, publish: Publish) -> None:
        self.state: StateFolder | None = None
        self.budgets: Sequence[Budget] = ()
        self._publish = publish
        self._files: dict[Ledger, BudgetFile] = {}
        self._unsynced: set[BudgetFile] = set()
        self._due = asyncio.Event()
        self._worker = Worker("guard-budgets")
        self._failing = False

    def adopt(self, budgets: Sequence[Budget]) -> None:
        """Put the budgets of a plan in force, and recall what theirs have spent."""
        self.budgets = budgets
        kept = {budget.ledger for budget in budgets}
        for gone in [ledger for ledger in self._files if ledger not in kept]:
            self._let_go(gone)
        for budget in budgets:
            ledger = budget.ledger
            file = self._files.get(ledger) or self._open(ledger)
            ledger.store = file if file is not None else Unkept() if budget.strict else InMemory()

    def _open(self, ledger: Ledger) -> BudgetFile | None:
        if self.state is None or not self.state.writable:
            return None
        name = hashlib.sha256(f"{ledger.name}\n{ledger.currency}".encode()).hexdigest()[:16]
        try:
            file = BudgetFile(self.state.open(f"budget-{name}"), self)
            file.recall(ledger)
        except OSError as error:
            self.failed(error)
            return None
        self._files[ledger] = file
        return file

    def _let_go(self, ledger: Ledger) -> None:
        """Write the exact sum of a budget that no plan has any more. Its calls under way settle in memory."""
        file, window = self._files.pop(ledger), ledger.window
        if window.day:
            file.lease(ledger, window, window.spent + window.held)
        ledger.store = InMemory()
        self._unsynced.discard(file)
        file.close()

    def written(self, file: BudgetFile) -> None:
        """Synchronise this file soon."""
        self._failing = False
        self._unsynced.add(file)
        self._due.set()

    def failed(self, error: OSError) -> None:
        """Publish that a budget cannot be kept, once until it can."""
        if not self._failing:
            self._failing = True
            self._publish(StateUnavailable(why=f"a budget cannot be kept: {error.strerror or error}"))

    async def keep(self) -> None:
        """Synchronise leases as they are written, and save each minute, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time() + SAVE_EVERY
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - loop.time())):
                    await self._due.wait()
            if loop.time() >= due:
                self._save()
                due = loop.time() + SAVE_EVERY
            await self._synchronise(SAVE_WITHIN)

    async def close(self) -> None:
        """Save what was spent, exactly."""
        self._save(last=True)
        await self._synchronise(CLOSE_WITHIN)

    def _save(self, *, last: bool = False) -> None:
        """Write what was spent of budgets that only alert, and at the end of all."""
        for budget in self.budgets:
            window, file = budget.ledger.window, self._files.get(budget.ledger)
            if file is not None and window.day and (last or not budget.acts):
                file.lease(budget.ledger, window, window.spent + (window.held if budget.acts else 0))

    async def _synchronise(self, within: float) -> None:
        self._due.clear()
        files, self._unsynced = self._unsynced, set()
        if not files:
            return
        try:
            await self._worker.run(partial(_synchronise, files), within)
        except OSError as error:  # a hang too
            self.failed(error)

    # ── reports ───────────────────────────────────────────────────────────────────────────────────────────────────

    def status(self, wall: float) -> list[dict[str, Any]]:
        """The budgets of the day, the service's first. `wall`: seconds since the epoch."""
        day = int(wall // DAY)
        ends = datetime.fromtimestamp((day + 1) * DAY, UTC).isoformat()
        report: list[dict[str, Any]] = []
        for budget in self.budgets:
            ledger, window = budget.ledger, budget.ledger.at(day)
            report.append({
                "route": ledger.name or None,
                "currency": ledger.currency,
                "limit": budget.limit / PICO,
                "spent": window.spent / PICO,
                "held": window.held / PICO,
                "share": round(budget.share(day), 4),
                "on_spent": budget.on_spent,
                "strict": budget.strict,
                "durable": ledger in self._files,
                "closed": budget.acts and window.told >= len(budget.shares),
                "ends": ends,
            })  # fmt: skip
        return report

    def families(self, wall: float) -> Iterator[Family]:
        """The budgets of the day as metrics."""
        day = int(wall // DAY)
        shares: list[Point] = []
        limits: list[Point] = []
        spent: list[Point] = []
        held: list[Point] = []
        for budget in self.budgets:
            ledger, window = budget.ledger, budget.ledger.at(day)
            if not budget.limit:
                continue
            if not ledger.name:
                shares.append(((ledger.currency,), budget.share(day)))
            method, _, template = ledger.name.partition(" ")
            labels = (method, template, ledger.currency)
            limits.append((labels, budget.limit / PICO))
            spent.append((labels, window.spent / PICO))
            held.append((labels, window.held / PICO))
        every = ((of.BUDGET_SHARE, shares), (of.BUDGET_LIMIT, limits), (of.BUDGET_SPENT, spent), (of.BUDGET_HELD, held))
        for instrument, points in every:
            if points:
                yield Family(instrument, points)
