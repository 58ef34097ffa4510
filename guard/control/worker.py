"""Threads of guard's own for work that may be slow or hang: disks, mounts, compilation.

The executor that asyncio shares is used for none of it: whoever fills that executor must not delay an order, and a thread
of it that hangs keeps the process from ending. A worker's thread is a daemon, so a hung one ends with the process.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Final, TypeVar

T = TypeVar("T")

LOOK_EVERY: Final = 0.25
"""Seconds between two looks whether a call is late."""
ABANDONED: Final = 4
"""Threads of one worker that may hang at once; after that its jobs with a deadline fail until one of them returns."""


class _Job:
    """One call, and the future of its result."""

    def __init__(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.call, self.loop = call, loop
        self.done: asyncio.Future[Any] = loop.create_future()

    def run(self) -> None:
        """Call, and hand the result to the loop. A loop that has closed meanwhile wants nothing."""
        try:
            result, error = self.call(), None
        except BaseException as raised:  # noqa: BLE001 — it is raised where the result is awaited
            result, error = None, raised
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.done.cancelled():
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)


class _Lane:
    """One thread and its queue."""

    def __init__(self, name: str) -> None:
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.current: _Job | None = None
        self.abandoned = False
        Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while not self.abandoned:
            self.current = job = self.jobs.get()
            job.run()
            self.current = None
            del job  # or an idle thread would hold the last policy in memory


class Worker:
    """Runs calls one after another in a daemon thread, which starts with the first call."""

    def __init__(self, name: str) -> None:
        """`name`: of the thread, at most 15 characters."""
        self._name = name
        self._lane: _Lane | None = None
        self._hung: list[_Lane] = []

    def submit(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Queue a call. The future belongs to the running loop."""
        job = _Job(call, asyncio.get_running_loop())
        if self._lane is None:
            self._lane = _Lane(self._name)
        self._lane.jobs.put(job)
        return job.done

    async def run(self, call: Callable[[], T], within: float, hangs: Callable[[], bool] = lambda: False) -> T:
        """Queue a call and await its result. Raises what it raises, and TimeoutError where it is late.

        A call is late after `within` seconds, or once `hangs` says that it does nothing any more. The thread of a call
        that is late is abandoned with it, and the next call gets a new one.
        """
        self._hung = [lane for lane in self._hung if lane.current is not None]
        if len(self._hung) >= ABANDONED:
            raise TimeoutError(f"{len(self._hung)} threads hang")
        done, until = self.submit(call), monotonic() + within
        lane = self._lane
        while not (await asyncio.wait({done}, timeout=LOOK_EVERY))[0]:
            if monotonic() > until or hangs():
                done.cancel()
                if lane is not None and lane is self._lane:
                    self._abandon(lane)
                raise TimeoutError(f"{self._name} hangs")
        return done.result()

    def _abandon(self, lane: _Lane) -> None:
        """Leave a thread that hangs; what is queued behind its call goes to a new one."""
        lane.abandoned = True
        self._hung.append(lane)
        self._lane = fresh = _Lane(self._name)
        while not lane.jobs.empty():
            fresh.jobs.put(lane.jobs.get())
