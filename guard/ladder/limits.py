"""The concurrency limit of one (route, target), and the bounded queue before it."""

from collections import deque
from collections.abc import Callable


class ConcurrencyLimiter:
    """At most `concurrency` calls at once; at most `queue` wait, in order of arrival.

    A freed slot goes to the longest waiting, through `defer` (the loop's `call_soon`): a waiter acts at once, and a chain
    of them must not grow the stack.
    """

    __slots__ = ("_defer", "_queue", "concurrency", "held", "queue_limit")

    def __init__(self, concurrency: int, queue: int, defer: Callable[[Callable[[], None]], object]) -> None:
        self.concurrency = concurrency
        self.queue_limit = queue
        self.held = 0
        self._defer = defer
        self._queue: deque[Callable[[], None]] = deque()

    def __repr__(self) -> str:
        return f"<Slots {self.held}/{self.concurrency} waiting={len(self._queue)}/{self.queue_limit}>"

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._queue)

    def acquire(self) -> bool:
        """Hold a slot now, if one is free."""
        if self.held < self.concurrency and not self._queue:
            self.held += 1
            return True
        return False

    def enqueue(self, waiter: Callable[[], None]) -> bool:
        """Wait: `waiter` is called once a slot is held for it. False: the queue is full."""
        if len(self._queue) >= self.queue_limit:
            return False
        self._queue.append(waiter)
        return True

    def forget(self, waiter: Callable[[], None]) -> None:
        """Leave the queue. A waiter that is not in it any more will be called, and has a slot to give back."""
        if waiter in self._queue:
            self._queue.remove(waiter)

    def release(self) -> None:
        """Give a held slot back; the longest waiting takes it over, so it stays held."""
        if self._queue:
            self._defer(self._queue.popleft())
        else:
            self.held -= 1
