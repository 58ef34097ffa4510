"""Keeps what budgets have spent over a restart, and reports it.

Each budget has a small file in the state folder, with two records that are written in turn: a crash leaves one of them
whole. A thread writes a lease into the open file; it then survives kill -9, and counts. Another thread then synchronises
the file, so that a loss of power forgets at most what was spent in those milliseconds. Budgets that only alert are written
each minute, and go on from there. Before guard serves, files are opened and written at once.
"""

import asyncio
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Event, Lock
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

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
PAUSE: Final = 0.02
"""Seconds that a call may wait for a lease that is being written, once for each."""
RECORD: Final = 128
"""Bytes of a record."""


class _Lease(NamedTuple):
    """A sum that a file is to hold."""

    window: Window
    day: int
    granted: int
    told: int


class BudgetFile:
    """The durable sum of one ledger. Only `read`, `write`, `synchronise` and `close` touch the disk."""

    def __init__(self, descriptor: int, keeper: "BudgetKeeper") -> None:
        self._descriptor, self._keeper = descriptor, keeper
        self._next, self._day = 0, 0
        self._wanted: _Lease | None = None
        self._queued = self._hurried = False
        self._lock = Lock()  # of what is wanted; never held while the disk works
        self._idle = Event()  # nothing waits to be written
        self._idle.set()
        self.since = 0.0  # when the write under way was asked for

    @property
    def writing(self) -> bool:
        """Whether something waits to be written."""
        return not self._idle.is_set()

    def read(self) -> tuple[int, int, int] | None:
        """Day, sum and announced shares; an empty or damaged record counts for nothing. Raises OSError."""
        found = [record for slot in (0, 1) if (record := _parse(os.pread(self._descriptor, RECORD, slot * RECORD)))]
        if not found:
            return None
        self._next, self._day, spent, told = max(found)
        self._next += 1
        return self._day, spent, told

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store. A day that is over needs no lease."""
        del ledger
        if window.day < self._day:
            return True
        self._day = window.day
        with self._lock:
            before, self._wanted = self._wanted, _Lease(window, window.day, granted, window.told)
            queued, self._queued = self._queued, True
            self._idle.clear()
        if before is not None and before.window is not window:
            before.window.leased(before.granted)
        if not queued:
            self._hurried, self.since = False, monotonic()
            self._keeper.ask(self)
        return False

    def hurry(self) -> None:
        """See Store."""
        if not self._hurried:
            self._hurried = True
            self._idle.wait(PAUSE)

    def write(self) -> OSError | None:
        """Write what is wanted now, in the writing thread; the error if that fails."""
        with self._lock:
            self._queued = False  # what is wanted from here on is written by the next call
            wanted, self._wanted = self._wanted, None
        error = None
        if wanted is not None:
            text = b"%d %d %d %d" % (self._next, wanted.day, wanted.granted, wanted.told)
            record = b"%b %08x" % (text, zlib.crc32(text))
            try:
                os.pwrite(self._descriptor, record.ljust(RECORD - 1) + b"\n", self._next % 2 * RECORD)
            except OSError as raised:
                error = raised
                wanted.window.unleased()
            else:
                self._next += 1
                wanted.window.leased(wanted.granted)
        with self._lock:
            if not self._queued:
                self._idle.set()
        return error

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


_Opened: TypeAlias = tuple[BudgetFile, tuple[int, int, int] | None]


def _opened(state: StateFolder, name: str, keeper: "BudgetKeeper") -> _Opened:
    """A budget's file and what it says. Raises OSError."""
    file = BudgetFile(state.open(name), keeper)
    return file, file.read()


def _synchronise(files: Iterable[BudgetFile]) -> None:
    for file in files:
        file.synchronise()


class InMemory:
    """A Store without a state folder. A restart forgets what was spent."""

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store."""
        del ledger, window, granted
        return True

    def hurry(self) -> None:
        """See Store."""


class Unkept:
    """The Store of a strict budget without a state folder: nothing may be spent that a restart would forget."""

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        """See Store."""
        del ledger, granted
        window.unleased()
        return False

    def hurry(self) -> None:
        """See Store."""


class BudgetKeeper:
    """The budgets in force, and their files."""

    def __init__(self, publish: Publish, wall: Callable[[], float]) -> None:
        """`wall`: seconds since the epoch, by the clock that the calls are counted by."""
        self.state: StateFolder | None = None
        self.budgets: Sequence[Budget] = ()
        self._publish, self._wall = publish, wall
        self._files: dict[Ledger, BudgetFile] = {}
        self._opening: set[Ledger] = set()
        self._unsynced: set[BudgetFile] = set()
        self._due = asyncio.Event()
        self._worker, self._writer = Worker("guard-budgets"), Worker("guard-leases")
        self._serving = False  # from here on no disk is touched on the event loop
        self._failing = False

    def adopt(self, budgets: Sequence[Budget]) -> None:
        """Put the budgets of a plan in force, and recall what theirs have spent."""
        self.budgets = budgets
        kept = {budget.ledger for budget in budgets}
        for gone in [ledger for ledger in self._files if ledger not in kept]:
            self._let_go(gone)
        for budget in budgets:
            ledger = budget.ledger
            if ledger not in self._files:
                self._open(ledger)
            self._store(budget)

    def _store(self, budget: Budget) -> None:
        file = self._files.get(budget.ledger)
        budget.ledger.store = file if file is not None else Unkept() if budget.strict else InMemory()

    def _open(self, ledger: Ledger) -> None:
        state = self.state
        if state is None or not state.writable or ledger in self._opening:
            return
        name = hashlib.sha256(f"{ledger.name}\n{ledger.currency}".encode()).hexdigest()[:16]
        opened = partial(_opened, state, f"budget-{name}", self)
        if not self._serving:
            try:
                self._recall(ledger, *opened())
            except OSError as error:
                self.failed(error)
            return
        self._opening.add(ledger)
        self._writer.submit(opened).add_done_callback(partial(self._late, ledger))

    def _late(self, ledger: Ledger, done: "asyncio.Future[_Opened]") -> None:
        """Keep a budget that a reload has brought, whose file is open now."""
        self._opening.discard(ledger)
        error = done.exception()
        if isinstance(error, OSError):
            self.failed(error)
            return
        file, found = done.result()
        budgets = [budget for budget in self.budgets if budget.ledger is ledger]
        if not budgets:
            self._writer.submit(file.close)
            return
        self._recall(ledger, file, found)
        for budget in budgets:
            self._store(budget)

    def _recall(self, ledger: Ledger, file: BudgetFile, found: tuple[int, int, int] | None) -> None:
        if found is not None:
            ledger.recall(*found)
        self._files[ledger] = file

    def _let_go(self, ledger: Ledger) -> None:
        """Write the exact sum of a budget that no plan has any more. Its calls under way settle in memory."""
        file, window = self._files.pop(ledger), ledger.window
        if window.day:
            file.lease(ledger, window, window.spent + window.held)
        ledger.store = InMemory()
        self._unsynced.discard(file)
        if self._serving:
            self._writer.submit(file.close)
        else:
            file.close()

    def ask(self, file: BudgetFile) -> None:
        """Write what a file wants, in the writing thread once calls are served."""
        if self._serving:
            self._writer.submit(file.write).add_done_callback(lambda done: self._wrote(file, done.result()))
        else:
            self._wrote(file, file.write())

    def _wrote(self, file: BudgetFile, error: OSError | None) -> None:
        if error is not None:
            self.failed(error)
        elif file in self._files.values():
            self.written(file)

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
        """Synchronise leases as they are written, lease when a day begins, and save each minute, for ever."""
        self._serving = True
        loop = asyncio.get_running_loop()
        due, day = loop.time() + SAVE_EVERY, int(self._wall() // DAY)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(due - loop.time(), SAVE_WITHIN, (day + 1) * DAY - self._wall()))):
                    await self._due.wait()
            if (today := int(self._wall() // DAY)) != day:
                day = today
                self._begin(day)
            if any(map(self._hangs, self._files.values())):
                self.failed(TimeoutError("the disk hangs"))
            if loop.time() >= due:
                self._save()
                due = loop.time() + SAVE_EVERY
            await self._synchronise(SAVE_WITHIN)

    def _begin(self, day: int) -> None:
        """Lease for a day that begins, before its first call."""
        for budget in self.budgets:
            window = budget.ledger.at(day)
            if budget.acts and not window.granted:
                budget.ledger.cover(window, 0, 0, budget.limit)

    def _hangs(self, file: BudgetFile) -> bool:
        """Whether the write under way takes longer than a disk may take."""
        return file.writing and monotonic() - file.since > SAVE_WITHIN

    async def close(self) -> None:
        """Save what was spent, exactly."""
        self._save(last=True)
        if self._serving:
            try:
                await self._writer.run(lambda: None, CLOSE_WITHIN)  # behind what waits to be written
            except TimeoutError as error:
                self.failed(error)
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
                "durable": (file := self._files.get(ledger)) is not None and not self._hangs(file),
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
