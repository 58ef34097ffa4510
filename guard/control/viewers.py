"""Documents that many viewers may read at once, made so that neither clients nor orders wait."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Generic, TypeVar

from guard.control.order_store import Refused
from guard.control.worker import Worker

T = TypeVar("T")

QUEUED: Final = 16
"""Readers that wait for the thread, or have it; the next is answered 503."""
REST: Final = 4.0
"""Shared work is not begun again before so many times of what it took have passed, at most LONGEST_REST seconds."""
LONGEST_REST: Final = 1.0


class ViewerThread:
    """A thread of their own for readers. A second would only take the interpreter from the loop twice as often."""

    def __init__(self) -> None:
        self._thread = Worker("guard-viewers")
        self._waiting = 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call in the thread. Raises Refused where too many wait."""
        if self._waiting >= QUEUED:
            raise Refused(503, "overloaded", "too many viewers read at once; try again")
        self._waiting += 1
        try:
            return await self._thread.submit(call)
        finally:
            self._waiting -= 1


class Shared(Generic[T]):
    """Makes one result for all that asked before it was begun, and rests before the next."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._next: asyncio.Task[T] | None = None
        self._turn = asyncio.Lock()
        self._rest_until = 0.0

    async def __call__(self) -> T:
        """A result that was begun after this was called. Raises what `make` raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        async with self._turn:
            await asyncio.sleep(max(0.0, self._rest_until - monotonic()))
            self._next = None
            begun = monotonic()
            try:
                return await self._make()
            finally:
                ended = monotonic()
                self._rest_until = ended + min(LONGEST_REST, REST * (ended - begun))
