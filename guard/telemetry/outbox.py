"""Between the life and the sinks: records wait until the replies of this turn of the loop are written.

A sink is called with one record at a time, in the order of the list. One that crashes is counted and the next one called;
one that is slow is counted, and cannot delay the exchange that it is told of.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from guard.proxy.values import Record, Sink

SLOW: Final = 0.005
MOST: Final = 10_000
"""Records waiting at most: a turn of the loop has never more than a few of each connection."""


class Outbox:
    """A Sink that passes on. `soon` is the loop's call_soon."""

    def __init__(self, sinks: Sequence[Sink], soon: Callable[[Callable[[], None]], object]) -> None:
        self.sinks = sinks
        self._soon = soon
        self._waiting: deque[Record] = deque()
        self.crashes: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.dropped = 0

    def record(self, record: Record) -> None:
        """Take it in; it is passed on when this turn of the loop is over."""
        if not self._waiting:
            self._soon(self.flush)
        elif len(self._waiting) >= MOST:
            self.dropped += 1
            return
        self._waiting.append(record)

    def names(self) -> list[str]:
        """Of the sinks, in their order."""
        return [type(sink).__name__ for sink in self.sinks]

    def flush(self) -> None:
        """Pass on what waits."""
        records = tuple(self._waiting)
        self._waiting.clear()
        for sink in self.sinks:
            begun = perf_counter()
            for record in records:
                try:
                    sink.record(record)
                except Exception:  # noqa: BLE001 — law 3: a crashed sink is counted and never felt
                    self.crashes[type(sink).__name__] += 1
            if perf_counter() - begun > SLOW * max(1, len(records)):
                self.slow[type(sink).__name__] += 1
