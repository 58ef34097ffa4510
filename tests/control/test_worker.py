"""A worker's thread may hang: it holds neither other calls nor the end of the process, and hung threads are bounded."""

import asyncio
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guard.control import worker
from guard.control.worker import ABANDONED, Worker
from tests.within import within


@contextmanager
def released() -> Iterator[threading.Event]:
    """What hanging calls wait for; set at the end."""
    event = threading.Event()
    try:
        yield event
    finally:
        event.set()


def test_calls_run_one_after_another_and_raise_where_they_are_awaited() -> None:
    async def main() -> None:
        work, order = Worker("w"), list[int]()
        calls = [work.submit(lambda number=number: order.append(number)) for number in range(50)]  # type: ignore[misc]
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda: 1 // 0, 5.0)
        assert all(call.done() for call in calls)
        assert order == list(range(50))

    asyncio.run(main())


@pytest.mark.parametrize("by", ["time", "hangs"])
def test_a_call_that_hangs_is_abandoned_and_what_is_queued_behind_it_runs(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.001)

    async def main() -> None:
        with released() as goes_on:
            work = Worker("w")
            hung = work.run(goes_on.wait, 0.001) if by == "time" else work.run(goes_on.wait, 60.0, lambda: True)
            late = asyncio.ensure_future(hung)
            await asyncio.sleep(0)
            behind = work.submit(lambda: "ran")
            with pytest.raises(TimeoutError):
                await late
            assert await within(behind, 5.0) == "ran"
            assert await work.run(lambda: "fresh", 5.0) == "fresh"

    asyncio.run(main())


def test_threads_that_hang_are_bounded_and_their_return_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.001)

    async def main() -> None:
        work, begun = Worker("w"), list[int]()
        with released() as goes_on:

            def hang() -> None:
                begun.append(1)
                goes_on.wait()

            for _ in range(ABANDONED + 3):
                with pytest.raises(TimeoutError):
                    await work.run(hang, 60.0, lambda: len(begun) > 0)
            assert len(begun) <= ABANDONED + 1
        while True:
            try:
                assert await work.run(lambda: 7, 5.0) == 7
                break
            except TimeoutError:
                await asyncio.sleep(0.001)

    asyncio.run(main())


def test_an_idle_thread_keeps_nothing_of_its_last_call() -> None:
    class Policy:
        """Something large."""

    async def main() -> None:
        work = Worker("w")
        policy = Policy()
        kept = weakref.ref(policy)
        await work.run(lambda policy=policy: None, 5.0)  # type: ignore[misc]
        del policy
        await work.run(lambda: None, 5.0)
        assert kept() is None

    asyncio.run(main())


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    code = """
import asyncio, threading
from guard.control.worker import Worker
from tests.within import within
async def main():
    try:
        await Worker("w").run(threading.Event().wait, 0.01)
    except TimeoutError:
        print("late")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "late\n")


def test_nothing_on_the_way_of_an_order_uses_the_executor_that_asyncio_shares() -> None:
    control = Path(worker.__file__).parent
    for name in ("order_store", "journal", "policy_store", "reload", "watched_files", "state", "audit", "worker"):
        text = (control / f"{name}.py").read_text()
        assert "to_thread" not in text, name
        assert "run_in_executor" not in text, name
