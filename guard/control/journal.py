"""Makes orders durable and audits them, in threads of its own, after they are in force.

Orders in force may be many while one write is slow; each write holds the newest of them, so one write makes all of them
durable. What cannot be written stays in force and is tried again until it can. The orders and the audit have a thread each:
neither waits for the other's disk.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from guard.control import orders_file
from guard.control.audit import Audit
from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.events import AuditUnavailable, OrdersDurable, OrdersNotDurable, Publish
from guard.ladder.mode import Orders

ANSWER_WITHIN: Final = 0.15
"""Seconds that an order's answer waits for the disk: with what the request itself takes, it comes within 300 ms."""
AGAIN: Final = 2.0
"""Seconds after which a failed write is tried again."""
MOST_UNWRITTEN: Final = 10_000
"""Entries of the audit that wait for a disk; the oldest is dropped for the newest, and counted."""


@dataclass(slots=True)
class Pending:
    """One change that is in force. `saved` and `audited` say whether it is on disk, once that is known."""

    epoch: int
    saved: "asyncio.Future[bool]"
    entry: dict[str, Any]
    audited: "asyncio.Future[bool]"
    late: bool = False  # answered already, with `durable: false`


class Journal:
    """The orders and the audit of one state folder; without a folder nothing is durable."""

    def __init__(self, publish: Publish) -> None:
        self.lost = 0
        """Entries of the audit that were dropped because no disk took them for too long."""
        self.audit: Audit | None = None
        self._publish = publish
        self._state: StateFolder | None = None
        self._orders, self._waiting = Orders(), list[Pending]()
        self._unwritten: deque[Pending] = deque()
        self._saver, self._auditor = Worker("guard-orders"), Worker("guard-audit")
        self._saving = self._auditing = self._failed = False
        self._retry: asyncio.TimerHandle | None = None

    @property
    def durable(self) -> bool:
        """Whether the orders in force are on disk."""
        return not (self._failed or self._saving or self._waiting)

    def open(self, state: StateFolder | None) -> None:
        """Write to this folder from now on."""
        self._state = state
        self.audit = Audit(state.path) if state is not None else None

    def keep(self, orders: Orders, entry: dict[str, Any]) -> Pending:
        """Begin to make the orders durable, and then to audit the last of them by its entry. Returns at once."""
        loop = asyncio.get_running_loop()
        waiting = Pending(orders.epoch, loop.create_future(), entry, loop.create_future())
        self._orders = orders
        self._waiting.append(waiting)
        self._save()
        return waiting

    async def answer(self, waiting: Pending) -> tuple[bool, bool]:
        """Whether an order is on disk, and whether its audit is, by the time that it has to be answered."""
        await asyncio.wait({waiting.audited}, timeout=ANSWER_WITHIN)
        durable = waiting.saved.done() and waiting.saved.result()
        waiting.late = not durable
        return durable, waiting.audited.done() and waiting.audited.result()

    def note(self, entry: dict[str, Any]) -> None:
        """Audit something that is no order and needs no state."""
        loop = asyncio.get_running_loop()
        waiting = Pending(0, loop.create_future(), entry, loop.create_future())
        self._unwritten.append(waiting)
        self._append()

    async def settled(self, within: float) -> None:
        """Wait until nothing is left to write, or for `within` seconds: at the end of the process."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while (self._saving or self._auditing) and loop.time() < until:  # noqa: ASYNC110 — two threads, each done at its own time
            await asyncio.sleep(0.01)

    # ── the orders ────────────────────────────────────────────────────────────────────────────────────────────────

    def _save(self) -> None:
        if self._saving:
            return
        batch, self._waiting = self._waiting, []
        if self._state is None:
            self._saved(batch, OSError("no state folder"))
            return
        self._saving = True
        content = partial(_write, self._state, self._orders)
        self._saver.submit(content).add_done_callback(lambda done: self._after_save(batch, done.exception()))

    def _after_save(self, batch: list[Pending], error: BaseException | None) -> None:
        self._saving = False
        self._saved(batch, error)
        if self._waiting:
            self._save()
        elif error is not None and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(AGAIN, self._save_again)

    def _save_again(self) -> None:
        self._retry = None
        if self._failed:
            self._save()

    def _saved(self, batch: list[Pending], error: BaseException | None) -> None:
        """Tell whoever waits, and let the audit follow."""
        failed = error is not None
        if failed and (batch or not self._failed):
            self._publish(OrdersNotDurable(epoch=self._orders.epoch, why=_why(error)))
        if not failed and (self._failed or any(waiting.late for waiting in batch)):
            self._publish(OrdersDurable(epoch=self._orders.epoch))
        self._failed = failed
        for waiting in batch:
            waiting.saved.set_result(not failed)
            waiting.entry["durable"] = not failed
            self._unwritten.append(waiting)
        self._append()

    # ── the audit ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _append(self) -> None:
        while self._unwritten and (self.audit is None or len(self._unwritten) > MOST_UNWRITTEN):
            self._dropped(self._unwritten.popleft())
        if self.audit is None or self._auditing or not self._unwritten:
            return
        self._auditing = True
        batch, self._unwritten = self._unwritten, deque()
        entries = [waiting.entry for waiting in batch]
        done = self._auditor.submit(partial(self.audit.append, entries))
        done.add_done_callback(lambda done: self._after_append(batch, done.exception()))

    def _after_append(self, batch: deque[Pending], error: BaseException | None) -> None:
        self._auditing = False
        for waiting in batch:
            if not waiting.audited.done():
                waiting.audited.set_result(error is None)
        if error is None:
            self._append()
            return
        self._publish(AuditUnavailable(entries=len(batch), why=_why(error)))
        self._unwritten = batch + self._unwritten
        asyncio.get_running_loop().call_later(AGAIN, self._append)

    def _dropped(self, waiting: Pending) -> None:
        self.lost += 1
        if not waiting.audited.done():
            waiting.audited.set_result(False)


def _why(error: BaseException | None) -> str:
    return str(error) or type(error).__name__


def _write(state: StateFolder, orders: Orders) -> None:
    """Write in the thread, encoding included."""
    state.save(orders_file.NAME, orders_file.encode(orders))
