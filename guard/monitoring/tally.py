"""Counts of cells, where values are judged: flat integers for a route, which add up.

One request is one bet, whatever its rows: by Hölder's inequality E[∏ Lᵢ^{1/n}] ≤ 1 for any dependence inside a batch,
so a row of n counts 1/n. Where the correlation ρ of rows inside a batch is known, a batch counts as ν = n/(1 + (n −
1)ρ) rows (Kish 1965, design effect), so a row counts 1/(1 + (n − 1)ρ); ρ = 1 until it is known. D, measured on these
counts, catches what ρ missed.

This module is on the path of a request: `begin` once, then `FieldTally.add` with each field's values.
"""

from collections.abc import Sequence
from typing import Any, Final

from guard.monitoring.cells import UNIT, FieldCells
from guard.monitoring.quantiles import QuantileSample

ROWS: Final = 200
"""Rows of a batch that are counted: a larger batch is sampled at about this many evenly spaced rows."""
CLASSES_PAIRED: Final = 64
"""Fields with more cells are not asked for the correlation inside a batch."""


class RouteTally:
    """The counts of a route's fields since the last `take`. Each field's block begins at its `base`."""

    __slots__ = ("answered", "counts", "differs", "fields", "inputs", "requests", "rows")

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.fields: list[FieldTally] = []
        self.requests = 0
        self.rows = 0
        self.differs = False
        self.inputs = 0
        self.answered = 0

    def field(self, cells: FieldCells) -> "FieldTally":
        """Append a field's block."""
        tally = FieldTally(self, cells, len(self.counts))
        self.counts.extend([0] * cells.size)
        self.fields.append(tally)
        return tally

    def follow(self, before: "RouteTally") -> None:
        """Go on from a tally with other cells: requests, and what repeats."""
        self.requests, self.rows, self.inputs = before.requests, before.rows, before.inputs
        self.answered = before.answered
        for field, old in zip(self.fields, before.fields, strict=True):
            field.remember(old)

    def begin(self, inputs: int, rows: int) -> None:
        """Count a request. `inputs` is a hash of all its inputs: a value that repeats although they differ is a sign."""
        self.differs = self.requests > 0 and inputs != self.inputs
        self.inputs = inputs
        self.requests += 1
        self.rows += rows

    def answer(self, inputs: int) -> None:
        """Count the answer to a request with this hash of its inputs; other requests may have begun in between."""
        self.differs = self.answered not in (0, inputs)
        self.answered = inputs

    def take(self) -> list[int]:
        """The counts so far, and begin at 0. `requests` and `rows` go on."""
        counts = self.counts[:]
        self.counts[:] = [0] * len(counts)
        return counts


class FieldTally:
    """Counts one field's values. `sample` takes its numbers, where cuts are to be made of them."""

    __slots__ = ("base", "cells", "correlation", "known", "last", "pairs", "route", "sample")

    def __init__(self, route: RouteTally, cells: FieldCells, base: int) -> None:
        self.cells: Final = cells
        self.base: Final = base
        self.route: Final = route
        self.sample: QuantileSample | None = None
        self.correlation = 1.0
        self.pairs: BatchPairs | None = None
        self.last = 0
        self.known = False

    def remember(self, before: "FieldTally") -> None:
        """Know the last value's hash of the same field's tally with other cells."""
        self.last, self.known = before.last, before.known

    def add(self, values: Sequence[Any]) -> None:
        """Count the field's values of one request, one for each row; None where it is absent."""
        counts, base, cells = self.route.counts, self.base, self.cells
        rows = len(values)
        if rows == 1:
            value = values[0]
            place = cells.index(value)
            counts[base + place] += UNIT
            if cells.confidence and place < cells.values:
                self._confide(value, UNIT)
            if self.sample is not None:
                self._sample(value)
        elif rows > 1:
            self._add_batch(values if rows <= ROWS else values[:: -(-rows // ROWS)])
        else:
            return
        if cells.repeats:
            self._repeat(values[0])

    def _add_batch(self, values: Sequence[Any]) -> None:
        counts, base, cells = self.route.counts, self.base, self.cells
        rows = len(values)
        weight = max(1, int(UNIT / (1.0 + (rows - 1) * self.correlation)))
        places: list[int] = []
        for value in values:
            place = cells.index(value)
            counts[base + place] += weight
            places.append(place)
            if cells.confidence and place < cells.values:
                self._confide(value, weight)
        if self.sample is not None:
            self._sample(values[0])
        if self.pairs is not None and cells.values <= CLASSES_PAIRED:
            self.pairs.add(places)

    def _sample(self, value: Any) -> None:
        number = self.cells.number(value)
        if number is not None and self.sample is not None:
            self.sample.add(number)

    def _confide(self, value: Any, weight: int) -> None:
        """A vector's largest number, within [0, 1], as a hit that may be a fraction."""
        at = self.base + self.cells.confidence_at
        self.route.counts[at] += int(weight * min(max(0.0, *value), 1.0))
        self.route.counts[at + 1] += weight

    def _repeat(self, value: Any) -> None:
        """One trial a request, of its first row; the hash of the last one is all that is held."""
        kind = type(value)
        if kind is list:
            if self.cells.index(value) >= self.cells.values:
                return
            digest = hash(tuple(value))
        elif kind is float or kind is int:
            digest = hash(value)
        else:
            return
        if self.route.differs and self.known:
            at = self.base + self.cells.repeat_at
            self.route.counts[at + 1] += UNIT
            if digest == self.last:
                self.route.counts[at] += UNIT
        self.last = digest
        self.known = True


class BatchPairs:
    """Correlation of a batch's rows: the share of pairs that a cell tells apart, compared with that of independent rows.

    ρ̂ = 1 − Σ_c E[2H(n − H)/(n(n − 1))] / Σ_c 2p(1 − p), with H rows of n in cell c, plus two standard errors of at
    most 1/√B for B batches. The cells are those that are bet on: cumulative ones for numbers.
    """

    FEWEST: Final = 200

    def __init__(self, values: int, *, cumulative: bool) -> None:
        self._values = values
        self._cumulative = cumulative
        self.batches = 0
        self.apart = 0.0
        self._shares = [0.0] * values

    def add(self, places: Sequence[int]) -> None:
        """Take the cells of one batch's rows. States are left out."""
        hits = [0] * self._values
        rows = 0
        for place in places:
            if place < self._values:
                hits[place] += 1
                rows += 1
        if rows < 2:
            return
        self.batches += 1
        below = 0
        for cell, count in enumerate(hits):
            below = below + count if self._cumulative else count
            self.apart += 2.0 * below * (rows - below) / (rows * (rows - 1))
            self._shares[cell] += below / rows

    def correlation(self) -> float:
        """ρ̂, 0 to 1; 1 where fewer than 200 batches were seen or nothing varies."""
        if self.batches < self.FEWEST:
            return 1.0
        expected = sum(2.0 * (p / self.batches) * (1.0 - p / self.batches) for p in self._shares)
        if expected <= 0.0:
            return 1.0
        estimate = 1.0 - self.apart / self.batches / expected
        return float(min(1.0, max(0.0, estimate) + 2.0 / self.batches**0.5))
