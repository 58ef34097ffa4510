"""Cells of a declared field: each value has one index, and nothing but indices is counted.

A field's block of counts, in this order:

    value cells    intervals of a number between quantile cuts, classes, or one cell for "there"
    states         what stands in place of a value, from `NUMBER_STATES`, `CLASS_STATES` or `PRESENCE_STATES`
    repeats        hits and trials of "equal to the previous request's value although the inputs differ"
    confidence     the sum and the number of the largest probability of a vector

Counts are integers in units of 1/`UNIT` of a row, so that a batch may count as less than its rows and sums stay exact.
Whoever counts calls `FieldCells.index(value)`, which never fails and keeps nothing of the value.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log10
from typing import Any, Final, Literal, TypeAlias

Side: TypeAlias = Literal["input", "output"]
Kind: TypeAlias = Literal["number", "class", "presence", "vector", "age"]

MISSING: Final = "<missing>"
INVALID: Final = "<invalid>"
NOT_FINITE: Final = "<not_finite>"
OUT_OF_RANGE: Final = "<out_of_range>"
UNSEEN: Final = "<unseen>"
REST: Final = "<rest>"
VALUE: Final = "<value>"
REPEAT: Final = "<repeat>"
CONFIDENCE: Final = "<confidence>"

NUMBER_STATES: Final = (MISSING, INVALID, NOT_FINITE, OUT_OF_RANGE)
CLASS_STATES: Final = (MISSING, INVALID, UNSEEN)
PRESENCE_STATES: Final = (MISSING,)

UNIT: Final = 1 << 20
"""The count of one row that is a request of its own."""
CLASSES: Final = 20
"""Class cells of a field. Of more classes, the largest in the reference have a cell, and `<rest>` counts the others."""

LEVELS: Final = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
"""Quantiles at which numbers are cut."""
TAIL_ROWS: Final = 20_000
"""Rows that the cuts at 0.1 and 99.9 % need: twenty beyond each."""
SIDE_ROWS: Final = 500
"""Rows that the cuts at 1 and 99 % need."""
FEWEST: Final = 32
"""Rows that any cut needs."""

Cut: TypeAlias = tuple[float, float]
"""A level and the value that stands there."""


@dataclass(frozen=True)
class FieldSpec:
    """A field to watch, as declared. `private`: above `internal`, so its cuts are rounded and neither shown nor exported.

    An `age` is a number: seconds between the timestamp and the request. A `vector` is a list of numbers, of which the
    largest is the model's confidence. `tolerate` is the field's own h₀; it puts the field in stage `fixed`.
    """

    name: str
    side: Side
    kind: Kind
    classes: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    private: bool = False
    tolerate: float | None = None


@lru_cache(maxsize=512)
def interval_names(levels: tuple[float, ...]) -> tuple[str, ...]:
    """The names of the intervals between cuts at these levels. Fields cut alike share them."""
    if not levels:
        return (VALUE,)
    return (*(f"<= {level * 100:g} %" for level in levels), f"> {levels[-1] * 100:g} %")


@lru_cache(maxsize=512)
def _joined(names: tuple[str, ...], states: tuple[str, ...]) -> tuple[str, ...]:
    return names + states


class FieldCells:
    """The cells of one field. `values` of them hold values, then come its states."""

    __slots__ = ("confidence", "confidence_at", "names", "repeat_at", "repeats", "size", "states", "values")

    def __init__(self, names: Sequence[str], states: tuple[str, ...], *, repeats: bool, confidence: bool) -> None:
        self.names: Final = _joined(tuple(names), tuple(states))
        self.values: Final = len(names)
        self.states: Final = states
        self.repeats: Final = repeats
        self.confidence: Final = confidence
        self.repeat_at: Final = len(self.names)
        self.confidence_at: Final = self.repeat_at + (2 if repeats else 0)
        self.size: Final = self.confidence_at + (2 if confidence else 0)

    def index(self, value: Any) -> int:
        """The cell of a value, in [0, values + states). Never fails."""
        raise NotImplementedError

    def number(self, value: Any) -> float | None:
        """The number that is cut into intervals; None if the value has no such number."""
        del value
        return None


class NumberCells(FieldCells):
    """Intervals (−∞, c₁], (c₁, c₂], …, (cₖ, ∞) and the states of a number. Without cuts there is one interval."""

    __slots__ = ("_cuts", "_high", "_low")

    def __init__(self, cuts: Sequence[Cut], low: float | None, high: float | None, *, repeats: bool = True) -> None:
        super().__init__(
            interval_names(tuple(level for level, _ in cuts)), NUMBER_STATES, repeats=repeats, confidence=False
        )
        self._cuts: Final = [value for _, value in cuts]
        self._low: Final = low
        self._high: Final = high

    def index(self, value: Any) -> int:
        """See FieldCells."""
        kind = type(value)
        if kind is float:
            if value - value != 0.0:
                return self.values + 2
        elif kind is not int:
            return self.values if value is None else self.values + 1
        if (self._low is not None and value < self._low) or (self._high is not None and value > self._high):
            return self.values + 3
        return bisect_left(self._cuts, value)

    def number(self, value: Any) -> float | None:
        """See FieldCells. An integer that no double holds has none."""
        if self.index(value) >= self.values:
            return None
        try:
            return float(value)
        except OverflowError:
            return None


class VectorCells(FieldCells):
    """Intervals of the largest number of a list, its mean as confidence, and the states of a list."""

    __slots__ = ("_cuts",)

    def __init__(self, cuts: Sequence[Cut]) -> None:
        super().__init__(interval_names(tuple(level for level, _ in cuts)), NUMBER_STATES, repeats=True, confidence=True)
        self._cuts: Final = [value for _, value in cuts]

    def index(self, value: Any) -> int:
        """See FieldCells. An empty list is missing."""
        if value is None or value == []:
            return self.values
        if type(value) is not list:
            return self.values + 1
        for element in value:
            kind = type(element)
            if kind is float:
                if element - element != 0.0:
                    return self.values + 2
            elif kind is not int:
                return self.values + 1
        return bisect_left(self._cuts, max(value))

    def number(self, value: Any) -> float | None:
        """See FieldCells."""
        return float(max(value)) if self.index(value) < self.values and abs(max(value)) <= 1e300 else None


class ClassCells(FieldCells):
    """One cell a class, in the order of `kept`; declared classes that are not kept share `<rest>`."""

    __slots__ = ("_kinds", "_places")

    def __init__(self, classes: Sequence[Any], kept: Sequence[Any]) -> None:
        few = len(kept) == len(classes)
        super().__init__([*map(text, kept), *(() if few else (REST,))], CLASS_STATES, repeats=False, confidence=False)
        rest = len(kept)
        places: dict[Any, int] = dict.fromkeys(classes, rest)
        places.update({value: place for place, value in enumerate(kept)})
        self._places: Final = places
        kinds = {type(value) for value in classes}
        self._kinds: Final = frozenset(kinds | {int, float}) if kinds & {int, float} else frozenset(kinds)

    def index(self, value: Any) -> int:
        """See FieldCells."""
        if value is None:
            return self.values
        if type(value) not in self._kinds:
            return self.values + 1
        return self._places.get(value, self.values + 2)


class PresenceCells(FieldCells):
    """Whether a value is there."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__((VALUE,), PRESENCE_STATES, repeats=False, confidence=False)

    def index(self, value: Any) -> int:
        """See FieldCells."""
        return 1 if value is None else 0


def compile_cells(spec: FieldSpec, cuts: Sequence[Cut] = (), kept: Sequence[Any] | None = None) -> FieldCells:
    """The cells of a field. `cuts` are of a number, an age or a vector; `kept` are the classes with a cell of their own."""
    if spec.kind == "class":
        return ClassCells(spec.classes, spec.classes if kept is None else kept)
    if spec.kind == "presence":
        return PresenceCells()
    if spec.kind == "vector":
        return VectorCells(cuts)
    return NumberCells(cuts, spec.low, spec.high, repeats=spec.kind == "number")


def make_cuts(ordered: Sequence[float], rows: int, *, private: bool) -> tuple[Cut, ...]:
    """Cuts at `LEVELS`: the smallest value v with F(v) ≥ level. `ordered` is a sorted sample of `rows` values.

    Equal cuts are one. Tails are cut where `rows` suffice. Private cuts are rounded to two significant digits.
    """
    cuts: list[Cut] = []
    if len(ordered) < FEWEST:
        return ()
    for level in LEVELS:
        tail = min(level, 1.0 - level)
        if rows < (TAIL_ROWS if tail < 0.005 else SIDE_ROWS if tail < 0.05 else FEWEST):
            continue
        place = min(max(ceil(level * len(ordered)) - 1, 0), len(ordered) - 1)
        value = round_to_two(ordered[place]) if private else ordered[place]
        if not cuts or value > cuts[-1][1]:
            cuts.append((level, value))
    return tuple(cuts)


def keep_largest(classes: Sequence[Any], counts: Mapping[Any, float]) -> tuple[Any, ...]:
    """All classes in their declared order, or the 19 most frequent where there are more than 20."""
    if len(classes) <= CLASSES:
        return tuple(classes)
    ranked = sorted(range(len(classes)), key=lambda place: (-counts.get(classes[place], 0.0), place))
    return tuple(classes[place] for place in sorted(ranked[: CLASSES - 1]))


def round_to_two(value: float) -> float:
    """The value, rounded to two significant decimal digits."""
    return 0.0 if value == 0.0 else round(value, 1 - floor(log10(abs(value))))


def text(value: object) -> str:
    """A class as a label."""
    return str(value).lower() if isinstance(value, bool) else str(value)
