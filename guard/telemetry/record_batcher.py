"""Batches records between the request pipeline and the sinks, so that replies are written first and counting is cheap.

The sinks are called in the order of the list, each with all waiting records: a call for each record would cost as much as
the counting. If that takes long, the loop runs between two sinks, so that a request waits for one sink and not for all.
A sink that crashes is counted, and receives the records after the one that it crashed on. A slow sink is counted, and
cannot delay the exchange that its record describes.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from time import perf_counter
from typing import Final, Protocol

from guard.proxy.values import Record

TOGETHER: Final = 64
"""Batch size. In a batch of this size a record costs the sinks a sixth of the instructions that it costs alone."""
FEW: Final = 16
"""Batch size while fewer exchanges than this are under way: a batch of 64 delays one request in 64, which a single client
sees as its slowest hundredth; in a batch of 16 each record costs 1.4 % of a request more."""
WITHIN: Final = 0.02
NOTABLE_TOGETHER: Final = 4
NOTABLE_WITHIN: Final = 0.1
"""Seconds that a record waits if it is worth a line or a trace: such a record is rare, and alone finds cold caches."""
TURN: Final = 0.00005
"""Seconds after which the loop goes on before the next sink: as long as a request takes."""
SLOW: Final = 0.005
MOST: Final = 10_000
"""Records waiting at most; the oldest goes."""


class BatchSink(Protocol):
    """A sink of many records."""

    def take(self, records: Iterator[Record]) -> None:
        """Take note of each. Where it raises, it is called again with what it has not drawn yet."""


class Timer(Protocol):
    """The handle that the loop's call_later returns."""

    def cancel(self) -> None:
        """Let it not ring."""


class RecordBatcher:
    """A Sink that passes on. `later` is the loop's call_later.

    At most one timer is ahead, and it is set anew with each batch: a loop whose next timer is nearer than the kernel's tick
    has the clock programmed anew each time it waits, which cost half of a request where that is a hypervisor's to do.
    """

    def __init__(
        self,
        sinks: Sequence[BatchSink],
        later: Callable[[float, Callable[[], None]], Timer],
        together: int = TOGETHER,
        within: float = WITHIN,
        crashed: Callable[[Exception], object] = lambda _error: None,
    ) -> None:
        """`crashed` is told what a sink raised."""
        self.sinks = sinks
        self._crashed = crashed
        self._later, self._together, self._few, self._within = later, together, min(FEW, together), within
        self._timer: Timer | None = None
        self._scheduled = False  # for a turn that begins with what waits
        self._waiting: deque[Record] = deque()
        self._due: deque[tuple[BatchSink, tuple[Record, ...]]] = deque()
        self.crashes: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.dropped = 0

    def record(self, record: Record) -> None:
        """Accept a record. It is passed on together with the next records, as many as exchanges are under way."""
        waiting = self._waiting
        if not waiting:
            self._timer = self._later(self._within, self._begin)
        waiting.append(record)
        length = len(waiting)
        if length < self._few:
            return
        if not self._scheduled and (length >= self._together or record.begun_at > waiting[0].ended_at):
            self._scheduled = True
            self._later(0.0, self._begin)
        elif length > MOST:
            waiting.popleft()
            self.dropped += 1

    def names(self) -> list[str]:
        """Names of the sinks, in their order."""
        return [type(sink).__name__ for sink in self.sinks]

    def flush(self) -> None:
        """Pass on what waits, to all of them and at once."""
        self._gather()
        while self._due:
            self._pass_on()

    def _begin(self) -> None:
        self._gather()
        self._turn()

    def _turn(self) -> None:
        """Call one sink, or several that are quick; records that `flush` has passed on meanwhile are no longer due."""
        until = perf_counter() + TURN
        while self._due:
            self._pass_on()
            if perf_counter() > until:
                self._later(0.0, self._turn)
                break

    def _gather(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._scheduled = False
        records = tuple(self._waiting)
        self._waiting.clear()
        if records:
            self._due.extend([(sink, records) for sink in self.sinks])

    def _pass_on(self) -> None:
        sink, records = self._due.popleft()
        begun = perf_counter()
        self._give(sink, iter(records), len(records))
        if perf_counter() - begun > SLOW * len(records):
            self.slow[type(sink).__name__] += 1

    def _give(self, sink: BatchSink, records: Iterator[Record], remaining: int) -> None:
        while remaining:
            try:
                sink.take(records)
                remaining = 0
            except Exception as error:  # noqa: BLE001 — a crashed sink is counted and never affects a request
                self.crashes[type(sink).__name__] += 1
                self._crashed(error)
                if length_hint(records) == remaining:  # it crashed before it drew any
                    next(records)
                remaining = length_hint(records)


class NotableFilter:
    """A Taker that hands on to an RecordBatcher what is worth a line or a trace: what is sampled, and what went wrong."""

    def __init__(self, batcher: RecordBatcher) -> None:
        self._batcher = batcher

    def take(self, records: Iterator[Record]) -> None:
        """See BatchSink."""
        for record in records:
            trace = record.trace
            if (trace is not None and trace.sampled) or trouble(record):
                self._batcher.record(record)


def trouble(record: Record) -> bool:
    """Whether an exchange was no plain answer of the first rung."""
    return bool(record.descents or record.code or record.error)
