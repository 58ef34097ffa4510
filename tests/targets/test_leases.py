"""Leases on a disk that is slow, hangs or breaks: no call waits for it, and nothing is spent that is not durable."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from guard.control.budgets import BudgetKeeper
from guard.control.state import StateFolder
from guard.events import Event, StateUnavailable
from guard.proxy.values import Closed
from guard.targets.budgets import Budget, Price
from guard.targets.ledger import CALLS, DAY, MOST_SLICES, PICO, Ledger, Window
from tests.orders.stage import Stage, staged
from tests.targets.stand import Disk, attempt, permit, purse, reserved
from tests.targets.stand import budget as budget_of
from tests.targets.test_process import LIMIT, POLICY, Model, ask, burst
from tests.within import within

WITHIN = 20.0
DAY_OF_TEST = 20_000


class SlowDisk(Disk):
    """Writes end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Ledger, Window, int]] = []

    def lease(self, ledger: Ledger, window: Window, granted: int) -> bool:
        self.waiting.append((ledger, window, granted))
        return False

    def work(self) -> None:
        """Do what waits."""
        waiting, self.waiting = self.waiting, []
        for ledger, window, granted in waiting:
            if super().lease(ledger, window, granted):
                window.leased(granted)


@pytest.mark.source  # stand-ins for permits
def test_calls_are_refused_while_a_lease_is_written_and_the_next_leases_are_larger() -> None:
    disk = SlowDisk()
    ledger = disk.ledger()
    mine = purse(Price(10), budget_of(ledger, 100_000))
    sizes: list[int] = []
    for _ in range(8):
        while not disk.waiting:  # spend until a lease is asked for, and then until nothing is left of the one before
            mine.reserve(permit(), 0.0)
        while not isinstance(mine.reserve(permit(), 0.0), Closed):
            pass
        before = ledger.window.granted
        disk.work()
        sizes.append(ledger.window.granted - before)
    assert sizes[0] < sizes[-1] <= MOST_SLICES * 100_000 // 200 + 10
    assert ledger.window.held <= ledger.window.granted


@pytest.mark.source  # stand-ins for permits
def test_the_next_lease_is_asked_for_while_half_of_the_one_before_is_left() -> None:
    disk = SlowDisk()
    ledger = disk.ledger()
    mine = purse(Price(10), budget_of(ledger, 1_000))
    mine.reserve(permit(), 0.0)
    disk.work()
    calls = 0
    while not disk.waiting:
        reserved(mine.reserve(permit(), 0.0))
        calls += 1
    for _ in range(CALLS - calls):
        reserved(mine.reserve(permit(), 0.0))
    assert len(disk.waiting) == 1, "one write at a time"


@pytest.mark.source  # stand-ins for permits
@pytest.mark.parametrize("seed", range(4))
def test_on_a_slow_disk_no_crash_lets_a_strict_budget_be_spent_twice(seed: int) -> None:
    draw, disk, paid, crashes = Random(seed), SlowDisk(), 0, 0
    ledger = disk.ledger()
    mine = purse(Price(10), budget_of(ledger, 20_000))
    for _ in range(20_000):
        chance = draw.random()
        if chance < 0.8:
            hold = mine.reserve(permit(), 0.0)
            if not isinstance(hold, Closed):
                paid += 10  # the worst: the model is paid at once
                reserved(hold).settle(attempt(), 0)
        elif chance < 0.9:
            disk.work()
        elif chance < 0.9005:
            if draw.random() < 0.5:
                disk.work()  # the write under way reaches the disk and nobody learns of it
            disk.waiting.clear()
            ledger = disk.ledger()
            mine = purse(Price(10), budget_of(ledger, 20_000))
            crashes += 1
        assert paid <= disk.kept.get("", (0, 0))[1] <= 20_000
    assert crashes
    assert paid > 10_000


class Held:
    """`os.pwrite`, as a disk that waits for the test."""

    def __init__(self) -> None:
        self.go, self.error = threading.Event(), False
        self.threads: set[str] = set()
        self._real = os.pwrite

    def __call__(self, descriptor: int, content: bytes, offset: int) -> int:
        self.threads.add(threading.current_thread().name)
        assert self.go.wait(WITHIN)
        if self.error:
            raise OSError(28, "No space left on device")
        return self._real(descriptor, content, offset)


class Serving:
    """A keeper in a process that serves."""

    def __init__(self, folder: Path, disk: Held) -> None:
        self.events: list[Event] = []
        self.disk = disk
        self.now = DAY_OF_TEST * DAY
        self.state = StateFolder(folder / "state")
        self.keeper = BudgetKeeper(self.events.append, lambda: self.now)
        self.keeper.state = self.state
        self.ledger = Ledger("", "EUR")
        self.keeper.adopt([self.budget(self.ledger)])

    def budget(self, ledger: Ledger) -> Budget:
        return Budget(ledger, 1000 * PICO, (1.0,), "next", strict=True, publish=self.events.append)

    def reserve(self, ledger: Ledger | None = None) -> bool:
        """One call that costs 1 EUR."""
        ledger = ledger or self.ledger
        return ledger.reserve(ledger.at(DAY_OF_TEST), PICO, 1000 * PICO)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN):
            while not condition():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(folder: Path, disk: Held) -> AsyncIterator[Serving]:
    world = Serving(folder, disk)
    task = asyncio.create_task(world.keeper.keep())
    await asyncio.sleep(0)
    try:
        yield world
    finally:
        disk.go.set()
        task.cancel()
        await asyncio.wait({task})
        await world.keeper.close()
        world.state.close()


def played(folder: Path, monkeypatch: Any, play: Callable[[Serving], Awaitable[None]]) -> None:
    """Play a scene with a disk that is held."""

    async def run() -> None:
        async with serving(folder, disk) as world:
            await within(play(world), 2 * WITHIN)

    disk = Held()
    monkeypatch.setattr("guard.control.budgets.os.pwrite", disk)
    asyncio.run(run())


def test_a_lease_is_written_in_a_thread_and_counts_once_it_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    async def play(world: Serving) -> None:
        assert not world.reserve(), "the disk is held: this would wait for ever if the loop wrote"
        world.disk.go.set()
        await world.until(lambda: world.ledger.window.granted > 0)
        assert world.reserve()
        assert world.disk.threads == {"guard-leases"}

    played(tmp_path, monkeypatch, play)


def test_a_disk_in_health_refuses_no_call(tmp_path: Path, monkeypatch: Any) -> None:
    async def play(world: Serving) -> None:
        world.disk.go.set()
        monkeypatch.setattr("guard.control.budgets.PAUSE", WITHIN)  # this machine may be slow, the disk is not
        assert all(world.reserve() for _ in range(1000))
        assert not world.reserve()

    played(tmp_path, monkeypatch, play)


def test_a_lease_that_cannot_be_written_is_published_and_asked_for_again(tmp_path: Path, monkeypatch: Any) -> None:
    async def play(world: Serving) -> None:
        world.disk.error = True
        world.disk.go.set()
        await world.until(lambda: bool(world.reserve() or world.events))
        assert [type(event) for event in world.events] == [StateUnavailable]
        world.disk.error = False
        await world.until(world.reserve)

    played(tmp_path, monkeypatch, play)


def test_a_write_that_hangs_is_not_durable_and_published(tmp_path: Path, monkeypatch: Any) -> None:
    async def play(world: Serving) -> None:
        monkeypatch.setattr("guard.control.budgets.SAVE_WITHIN", 0.01)
        assert not world.reserve()
        world.keeper._due.set()  # look now, not in a few seconds
        await world.until(lambda: bool(world.events))
        assert world.keeper.status(world.now)[0]["durable"] is False
        monkeypatch.undo()
        world.disk.go.set()
        await world.until(world.reserve)
        assert world.keeper.status(world.now)[0]["durable"] is True

    played(tmp_path, monkeypatch, play)


def test_a_day_that_begins_has_a_lease_before_its_first_call(tmp_path: Path, monkeypatch: Any) -> None:
    async def play(world: Serving) -> None:
        world.disk.go.set()
        world.now += DAY
        world.keeper._due.set()  # it is midnight
        await world.until(lambda: world.ledger.window.granted > 0)
        assert world.ledger.window.day == DAY_OF_TEST + 1

    played(tmp_path, monkeypatch, play)


def test_a_budget_that_a_reload_brings_is_opened_in_the_thread_and_goes_on_from_its_file(
    tmp_path: Path, monkeypatch: Any
) -> None:
    async def play(world: Serving) -> None:
        world.disk.go.set()
        await world.until(world.reserve)
        world.keeper.adopt([])
        back = Ledger("", "EUR")
        world.keeper.adopt([world.budget(back)])
        assert not world.reserve(back), "its file is not open yet"
        await world.until(lambda: world.reserve(back))
        assert back.window.spent == PICO, "what the call under way held"

    played(tmp_path, monkeypatch, play)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.005)


def policy(model: Model) -> str:
    return POLICY.format(port=model.port, limit=LIMIT / 100, keys="on_spent: next")


async def enter(stage: Any) -> Stage:
    entered: Stage = await asyncio.to_thread(stage.__enter__)
    return entered


def test_a_real_guard_answers_while_its_disk_hangs_and_goes_on_once_it_is_well(tmp_path: Path) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            context = staged(tmp_path, policy(model))
            stage = await enter(context)
            try:
                fault = stage.faults / "pwrite"
                assert await ask(stage.guard.port) == (200, b"model")
                fault.write_text("for ever")
                answers = await within(burst(stage.guard.port, LIMIT), WITHIN)
                assert len(answers) == LIMIT, "each is answered, though the disk never is"
                assert (200, b"rules") in answers
                assert {status for status, _ in answers} == {200}
                assert (stage.faults / "writing").exists()
                fault.unlink()
                asked = model.asked
                async with asyncio.timeout(WITHIN):
                    while await ask(stage.guard.port) != (200, b"model"):
                        pass
                assert model.asked == asked + 1
            finally:
                await asyncio.to_thread(context.__exit__, None, None, None)

    asyncio.run(run())


def test_a_real_guard_on_a_slow_disk_spends_nothing_twice_over_kills(tmp_path: Path) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            for kills in range(4):
                context = staged(tmp_path, policy(model))
                stage = await enter(context)
                try:
                    (stage.faults / "pwrite").write_text("0.05")
                    load = asyncio.ensure_future(burst(stage.guard.port, 20 * LIMIT))
                    most = 20 * (kills + 1)
                    while model.asked < most and not load.done():
                        await asyncio.sleep(0.002)
                    stage.guard.process.kill()
                    await load
                finally:
                    await asyncio.to_thread(context.__exit__, None, None, None)
                assert model.asked <= LIMIT
            assert model.asked > 20

    asyncio.run(run())
