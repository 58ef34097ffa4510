"""Between the life and the sinks: records wait a moment, so that replies are written first and many are counted at once.

A sink is called with one record at a time, in the order of the list. One that crashes is counted and the next one called;
one that is slow is counted, and cannot delay the exchange that it is told of.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from guard.proxy.values import Record, Sink

TOGETHER: Final = 64
WITHIN: Final = 0.02
"""Seconds. Passed on so, a record costs the sinks half of what it costs alone: their code and series stay in the cache."""
SLOW: Final = 0.005
MOST: Final = 10_000
"""Records waiting at most; the oldest goes."""


class Outbox:
    """A Sink that passes on. `later` is the loop's call_later."""

    def __init__(self, sinks: Sequence[Sink], later: Callable[[float, Callable[[], None]], object]) -> None:
        self.sinks = sinks
        self._later = later
        self._waiting: deque[Record] = deque()
        self.crashes: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.dropped = 0

    def record(self, record: Record) -> None:
        """Take it in; it is passed on with what else comes in the next moment."""
        waiting = self._waiting
        if not waiting:
            self._later(WITHIN, self.flush)
        waiting.append(record)
        if len(waiting) == TOGETHER:
            self._later(0.0, self.flush)
        elif len(waiting) > MOST:
            waiting.popleft()
            self.dropped += 1

    def names(self) -> list[str]:
        """Of the sinks, in their order."""
        return [type(sink).__name__ for sink in self.sinks]

    def flush(self) -> None:
        """Pass on what waits."""
        records = tuple(self._waiting)
        self._waiting.clear()
        if not records:
            return
        for sink in self.sinks:
            begun = perf_counter()
            for record in records:
                try:
                    sink.record(record)
                except Exception:  # noqa: BLE001 — law 3: a crashed sink is counted and never felt
                    self.crashes[type(sink).__name__] += 1
            if perf_counter() - begun > SLOW * len(records):
                self.slow[type(sink).__name__] += 1
