"""The concurrency limit of one (route, target), with its bounded queue."""

from collections import deque
from collections.abc import Callable


class ConcurrencyLimiter:
    """A limiter that permits `concurrency` calls at once; at most `queue` more wait, in order of arrival.

    A released slot goes to the waiter that has waited longest, through `defer` (the loop's `call_soon`): a waiter acts at
    once, and a chain of waiters must not grow the stack.
    """

    __slots__ = ("_defer", "_queue", "concurrency", "held", "queue_limit")

    def __init__(self, concurrency: int, queue: int, defer: Callable[[Callable[[], None]], object]) -> None:
        self.concurrency = concurrency
        self.queue_limit = queue
        self.held = 0
        self._defer = defer
        self._queue: deque[Callable[[], None]] = deque()

    def __repr__(self) -> str:
        return f"<ConcurrencyLimiter {self.held}/{self.concurrency} waiting={len(self._queue)}/{self.queue_limit}>"

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._queue)

    def acquire(self) -> bool:
        """Take a slot now if one is free and no call waits. Whether it was taken."""
        if self.held < self.concurrency and not self._queue:
            self.held += 1
            return True
        return False

    def enqueue(self, waiter: Callable[[], None]) -> bool:
        """Add `waiter` to the queue; it is called once it holds a slot. False: the queue is full."""
        if len(self._queue) >= self.queue_limit:
            return False
        self._queue.append(waiter)
        return True

    def forget(self, waiter: Callable[[], None]) -> None:
        """Remove `waiter` from the queue. One that has left the queue already will be called, and must release its slot."""
        if waiter in self._queue:
            self._queue.remove(waiter)

    def release(self) -> None:
        """Release a slot. If calls wait, the first of them takes the slot over."""
        if self._queue:
            self._defer(self._queue.popleft())
        else:
            self.held -= 1
