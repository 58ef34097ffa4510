"""Distribution of a model's predictions: one tally for each output, source and version. A batch is counted as a whole.

Every answer of a rung is counted, served or not, so that an answer which breaks its contract shows in the distribution.
"""

from collections import Counter as Multiset
from collections import deque
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final, Protocol, TypeAlias

from guard.proxy.values import Measure
from guard.telemetry.accumulators import Counter, Histogram
from guard.telemetry.instruments import DECADES, PREDICTION_VALUE

VALUE: Final = "<value>"
MISSING: Final = "<missing>"
NOT_FINITE: Final = "<not_finite>"
OUT_OF_RANGE: Final = "<out_of_range>"
UNSEEN: Final = "<unseen>"
INVALID: Final = "<invalid>"
STATES: Final = (VALUE, MISSING, NOT_FINITE, OUT_OF_RANGE, UNSEEN, INVALID)
"""States that replace a class. The brackets keep them apart from the classes of a contract."""

STEPS: Final = 20
FEW: Final = 8
"""Classes that are counted one by one: each is sought in C, which for so few is less than a table of what was found."""
WINDOW: Final = 300.0
EVERY: Final = 30.0

Count: TypeAlias = Callable[[str], Counter]
"""The series of a class, or of a state in its place."""


class Tally(Protocol):
    """Counts the predictions of one output."""

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """One value for each instance. `valid`: they keep the contract, and need no second look."""

    def weights(self) -> Sequence[float]:
        """Number of times that each class, or bucket of values, was seen."""


def buckets(measure: Measure) -> tuple[float, ...]:
    """Twenty equal ones over the contract's bounds; without both, decades in steps of 1, 2.5 and 5."""
    low, high = measure.low, measure.high
    if low is not None and high is not None and low < high:
        steps = (low + (high - low) * step / STEPS for step in range(STEPS))
        return tuple(sorted({*filter(_finite, steps), high}))  # so near that two are one, or so far that none is between
    if low is not None and low >= 0:
        return (0.0, *DECADES)
    return PREDICTION_VALUE.buckets


class Classes:
    """A Tally of an output that is one of a few values."""

    def __init__(self, measure: Measure, count: Count) -> None:
        self._count = count
        self._types = frozenset(type(class_) for class_ in measure.classes)
        self._by_value = {class_: count(text(class_)) for class_ in measure.classes}

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """See Tally."""
        if not valid:
            for value in values:
                self._odd(value)
            return
        if len(self._by_value) > FEW:
            for value, times in Multiset(values).items():
                self._add_value(value, times)
            return
        remaining = len(values)
        for value, counter in self._by_value.items():
            times = values.count(value)
            counter.value += times
            remaining -= times
        if remaining:
            for value in values:
                if value not in self._by_value:
                    self._add_value(value, 1)

    def _add_value(self, value: Any, times: int) -> None:
        add = self._by_value.get(value)
        if add is None:
            add = self._count(MISSING if value is None else UNSEEN)
        add.value += times

    def _odd(self, value: Any) -> None:
        if value is None or type(value) in self._types:
            self._add_value(value, 1)
        else:
            self._count(INVALID).value += 1

    def weights(self) -> Sequence[float]:
        """See Tally."""
        return [counter.value for counter in self._by_value.values()]


class Numbers:
    """A Tally of an output that is a number within bounds."""

    def __init__(self, measure: Measure, count: Count, histogram: Histogram) -> None:
        self._low, self._high = measure.low, measure.high
        self._bounded = measure.low is not None and measure.high is not None
        self._count, self._seen, self._histogram = count, count(VALUE), histogram

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """See Tally."""
        if not (valid and self._bounded) or None in values:
            values = [value for value in values if self._add_value(value)]
        if len(values) == 1:
            self._histogram.record(values[0])
        else:
            self._histogram.record_all(values)
        self._seen.value += len(values)

    def _add_value(self, value: Any) -> bool:
        """Whether it is a number of the contract; what is not is counted here."""
        if value is None:
            state = MISSING
        elif type(value) not in (int, float):
            state = INVALID
        elif not _finite(value):
            state = NOT_FINITE
        elif (self._low is not None and value < self._low) or (self._high is not None and value > self._high):
            state = OUT_OF_RANGE
        else:
            return True
        self._count(state).value += 1
        return False

    def weights(self) -> Sequence[float]:
        """See Tally."""
        return list(self._histogram.counts)


class Vectors:
    """A Tally of an output that is a list of numbers, of which the largest is the model's confidence."""

    def __init__(self, count: Count, histogram: Histogram) -> None:
        self._count, self._histogram = count, histogram

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """See Tally. A list may have any length, so each is looked at."""
        del valid
        for value in values:
            if value is None or value == []:
                self._count(MISSING).value += 1
            elif type(value) is list and all(type(item) in (int, float) and _finite(item) for item in value):
                self._count(VALUE).value += 1
                self._histogram.record(max(value))
            else:
                self._count(INVALID).value += 1

    def weights(self) -> Sequence[float]:
        """See Tally."""
        return list(self._histogram.counts)


class Presence:
    """A Tally of an output that only is there or not."""

    def __init__(self, count: Count) -> None:
        self._value, self._missing = count(VALUE), count(MISSING)

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """See Tally."""
        del valid
        missing = sum(value is None for value in values)
        self._missing.value += missing
        self._value.value += len(values) - missing

    def weights(self) -> Sequence[float]:
        """See Tally: nothing that could collapse."""
        return ()


class Undeclared:
    """A Tally of an output that the policy in force does not declare: nothing is counted."""

    def add(self, values: Sequence[Any], *, valid: bool) -> None:
        """See Tally."""

    def weights(self) -> Sequence[float]:
        """See Tally."""
        return ()


class Window:
    """Share of the most frequent prediction in the last five minutes. A high share is a sign that a model has collapsed."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._seen: deque[tuple[float, Sequence[float]]] = deque()

    def top_share(self, now: float) -> float | None:
        """0 to 1; None where nothing was predicted. Asked at each export, and remembers what it saw."""
        weights = self._tally.weights()
        seen = self._seen
        while len(seen) > 1 and now - seen[1][0] >= WINDOW:
            seen.popleft()
        recent = [after - before for after, before in zip(weights, seen[0][1], strict=True)] if seen else weights
        if not seen or now - seen[-1][0] >= EVERY:
            seen.append((now, weights))
        total = sum(recent)
        return max(recent) / total if total > 0 else None


def text(value: object) -> str:
    """A class as a label."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _finite(value: Any) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # an integer that no double holds
        return False
