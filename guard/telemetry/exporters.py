"""Threads that carry telemetry away, so that nobody who handles requests waits for a collector.

A queue is bounded: the oldest goes when it is full. What is lost is counted by why. The SDK's own processors do neither
count nor end in time: at shutdown they wait for an export's whole timeout, thirty seconds by default.

What is raised for one item or one delivery costs that one: it is counted, `crashed` is told, and the thread goes on.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import Any, Final, Generic, TypeAlias, TypeVar

from guard.telemetry.environment import Queue

Item = TypeVar("Item")

CLOSE_WITHIN: Final = 1.0
"""Seconds that the last delivery may take."""
Crashed: TypeAlias = Callable[[Exception], object]
"""Counts an exception and logs its place in the code; never its message, which may hold any value."""


class BatchExporter(Generic[Item]):
    """Delivers items in batches. `send` returns whether they arrived; it may block, and may raise."""

    def __init__(
        self,
        signal: str,
        send: Callable[[Sequence[Any]], bool],
        queue: Queue,
        lost: Counter[tuple[str, str]],
        form: Callable[[Item], Any] | None = None,
        crashed: Crashed = lambda _error: None,
    ) -> None:
        """`lost` counts by (signal, why). `form` makes of an item what is sent, when it is."""
        self._signal, self._send, self._queue, self._lost, self._crashed = signal, send, queue, lost, crashed
        self._form: Callable[[Item], Any] = form or (lambda item: item)
        self._waiting: deque[Item] = deque()
        self._wake, self._ending = Event(), False
        self._thread = Thread(target=self._run, name=f"guard-{signal}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Take it; the oldest goes where there is no room."""
        if len(self._waiting) >= self._queue.most:
            with suppress(IndexError):
                self._waiting.popleft()
                self._lost[self._signal, "queue_full"] += 1
        self._waiting.append(item)
        if len(self._waiting) >= self._queue.batch:
            self._wake.set()

    def close(self, interrupt: Callable[[], object]) -> None:
        """Deliver what waits, for a moment; `interrupt` makes a delivery under way give up."""
        self._ending = True
        self._wake.set()
        self._thread.join(CLOSE_WITHIN)
        interrupt()
        if self._waiting:
            self._lost[self._signal, "shutdown"] += len(self._waiting)
            self._waiting.clear()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._queue.every)
            self._wake.clear()
            while self._waiting:
                try:
                    self._deliver()
                except Exception as error:  # noqa: BLE001 — the thread outlives whatever one delivery raises
                    self._crashed(error)
                if not self._ending and len(self._waiting) < self._queue.batch:
                    break
            if self._ending:
                return

    def _deliver(self) -> None:
        batch: list[Any] = []
        with suppress(IndexError):  # `put` may take the oldest away meanwhile
            while len(batch) < self._queue.batch:
                item = self._waiting.popleft()
                try:
                    batch.append(self._form(item))
                except Exception as error:  # noqa: BLE001 — a bug costs this item
                    self._crashed(error)
        arrived = False
        try:
            arrived = bool(batch) and self._send(batch)
        finally:
            if not arrived:
                self._lost[self._signal, "export_failed"] += len(batch)


class PeriodicExporter:
    """Makes and delivers one thing each `every` seconds, and once more at the end."""

    def __init__(
        self,
        signal: str,
        send: Callable[[], bool],
        every: float,
        lost: Counter[tuple[str, str]],
        crashed: Crashed = lambda _error: None,
    ) -> None:
        self._signal, self._send, self._every, self._lost, self._crashed = signal, send, every, lost, crashed
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"guard-{signal}", daemon=True)
        self._thread.start()

    def close(self, interrupt: Callable[[], object]) -> None:
        """The last delivery, for a moment."""
        self._stop.set()
        self._thread.join(CLOSE_WITHIN)
        interrupt()

    def _run(self) -> None:
        due = monotonic() + self._every
        while not self._stop.wait(max(0.0, due - monotonic())):
            self._once()
            due = max(due + self._every, monotonic())
        self._once()

    def _once(self) -> None:
        arrived = False
        try:
            arrived = self._send()
        except Exception as error:  # noqa: BLE001 — the thread outlives whatever one delivery raises
            self._crashed(error)
        if not arrived:
            self._lost[self._signal, "export_failed"] += 1


def together(workers: Sequence[tuple[Any, Callable[[], object]]]) -> None:
    """Close all at once: the last deliveries of one do not wait for another's."""
    threads = [Thread(target=worker.close, args=(interrupt,), daemon=True) for worker, interrupt in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CLOSE_WITHIN * 1.5)
