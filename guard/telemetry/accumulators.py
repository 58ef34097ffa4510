"""Sums that requests are counted into: a bound series costs an addition; an SDK's instrument sorts attributes each time.

Whoever counts binds a series once and keeps it; whoever exports reads all series of an instrument. Reading happens in
another thread: a histogram's count is the sum of its buckets, so a reader may see a sum that is one value behind, and no
more.

A series belongs to the declaration that it was bound under. When that changes the series is dropped, and the next one of
the same labels is another object that begins at zero: an exporter tells them apart by identity.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

Labels: TypeAlias = tuple[str, ...]
"""Values in the order of the instrument's attribute names; an empty one is left out."""

MOST_SERIES: Final = 2000
"""Series of one instrument, OpenTelemetry's default; later label sets share one overflow series."""


class Counter:
    """A sum that only grows."""

    __slots__ = ("value",)

    def __init__(self, _buckets: Sequence[float] = ()) -> None:
        self.value: int | float = 0


class Exemplar(NamedTuple):
    """One measurement with the trace it was taken in."""

    value: float
    wall: float
    trace_id: int
    span_id: int


class Histogram:
    """Counts by bucket: the first holds what is at or below the first bound, the last what is above the last."""

    __slots__ = ("bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.exemplars: dict[int, Exemplar] | None = None  # the latest of each bucket

    def record(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def record_all(self, values: Sequence[float]) -> None:
        """Count many: sorted once, and each bound between the least and the most is sought once."""
        if not values:
            return
        ordered, counts, bounds, before = sorted(values), self.counts, self.bounds, 0
        last = bisect_left(bounds, ordered[-1])
        for index in range(bisect_left(bounds, ordered[0]), last):
            after = bisect_right(ordered, bounds[index], before)
            counts[index] += after - before
            before = after
        counts[last] += len(ordered) - before
        self.sum = sum(ordered, self.sum)  # from a double on: a sum of integers may be more than one holds

    def exemplify(self, exemplar: Exemplar) -> None:
        """Keep it for its bucket."""
        if self.exemplars is None:
            self.exemplars = {}
        self.exemplars[bisect_left(self.bounds, exemplar.value)] = exemplar


Kind: TypeAlias = Literal["counter", "updowncounter", "gauge", "histogram"]
S = TypeVar("S", Counter, Histogram)


class Instrument(NamedTuple):
    """A measurement, in OpenTelemetry's terms. `attributes`: names, in the order of a series' labels."""

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Series(Generic[S]):
    """All series of one instrument."""

    def __init__(self, instrument: Instrument, make: Callable[[Sequence[float]], S]) -> None:
        """`make` receives the buckets."""
        self.instrument = instrument
        self._buckets = instrument.buckets
        self._make: Callable[[Sequence[float]], S] = make
        self._bound: dict[Labels, S] = {}
        self._overflow: S | None = None
        self.overflowed = 0  # bindings that found no room
        self.ended: deque[tuple[Labels, S, float]] | None = None
        """Dropped series, each with when, in seconds since the epoch. A deque only where deltas are exported, which still
        owe what was counted since the last export."""
        self.lost = 0
        """Dropped series beyond MOST_SERIES between two exports."""

    def bind(self, labels: Labels, buckets: Sequence[float] = ()) -> S:
        """The series of these labels until they are dropped; the overflow where there are too many.

        Series of several buckets overflow into those of the instrument.
        """
        series = self._bound.get(labels)
        if series is None:
            if len(self._bound) >= MOST_SERIES:
                self.overflowed += 1
                if self._overflow is None:
                    self._overflow = self._make(self._buckets)
                return self._overflow
            series = self._bound[labels] = self._make(buckets or self._buckets)
        return series

    def drop(self, is_gone: Callable[[Labels], bool], at: float) -> None:
        """End the series whose labels are `is_gone`. `at`: seconds since the epoch."""
        ended = self.ended
        for labels in [labels for labels in self._bound if is_gone(labels)]:
            series = self._bound.pop(labels)
            if ended is not None:
                if len(ended) >= MOST_SERIES:
                    ended.popleft()
                    self.lost += 1
                ended.append((labels, series, at))

    def rebucket(self, buckets: tuple[float, ...], at: float) -> bool:
        """Count into these buckets from now on: the series of others end. Returns whether they are others."""
        if buckets == self._buckets:
            return False
        self._buckets, self._overflow = buckets, None
        self.drop(lambda _labels: True, at)
        return True

    def __iter__(self) -> Iterator[tuple[Labels | None, S]]:
        """A copy, so that another thread may read; the overflow has no labels."""
        yield from list(self._bound.items())
        if self._overflow is not None:
            yield None, self._overflow

    def __len__(self) -> int:
        return len(self._bound)
