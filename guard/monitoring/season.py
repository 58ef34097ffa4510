"""Hours of the week: a signal's shares in each of 168 slots, and the bands made of them.

- `envelope`: the null is [min, max] over the slots of θ̂ₛ ∓ z/√(mₛ/D), widened by h₀; slots under 200 rows are merged
  with the next. Within the daily range nothing is claimed.
- `slot`: p̂ₛ = (cₛ + κp̂)/(mₛ + κ), κ = 200, u = h₀ + z·√(D/mₛ + τ²). τ² is the variance of a slot between weeks, less its
  sampling variance, pooled over slots and cells.

Shares are kept as angles in 16 bits (π/65,535 = 0.00005, against h₀ = 0.03) and rows as logarithms (to 0.05 %), an hour
at a time: 2 bytes a cell and slot.
"""

from array import array
from collections.abc import Sequence
from math import exp, log1p, pi, sin, sqrt
from typing import Final

from guard.monitoring.detector import Band, theta

SLOTS: Final = 168
SLOT_ROWS: Final = 200.0
PRIOR: Final = 200.0
STEP: Final = pi / 65_535
LOG_STEP: Final = 16.0


class Season:
    """The table of one signal with this many cells."""

    __slots__ = ("_angles", "_cells", "_hits", "_hour", "_means", "_rows", "_spread", "_spreads", "_trials")

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._angles = array("H", bytes(2 * SLOTS * cells))
        self._rows = bytearray(SLOTS)
        self._hour = -1
        self._hits = array("d", bytes(8 * cells))  # of the hour under way
        self._trials = 0.0
        self._spread = 0.0
        self._spreads = 0
        self._means: list[float] | None = None

    def add(self, hits: Sequence[float], trials: float, hour: int, dispersion: float) -> None:
        """Count one tick. `hour` counts hours since a Monday's midnight; its slot is hour mod 168."""
        if hour != self._hour:
            self._fold(dispersion)
            self._hour = hour
        self._trials += trials
        for cell, x in enumerate(hits):
            self._hits[cell] += x

    def slot_rows(self, slot: int) -> float:
        """Trials of an hour of the week, as far as its hours are whole."""
        return exp(self._rows[slot] / LOG_STEP) - 1.0

    def rows(self) -> float:
        """Trials of all whole hours."""
        return sum(self.slot_rows(slot) for slot in range(SLOTS))

    def between_weeks(self) -> float:
        """τ²: variance of a slot's angle from week to week; 0 until two weeks were seen."""
        return max(0.0, self._spread / self._spreads) if self._spreads else 0.0

    def envelope(self, tolerate: float, z: float, dispersion: float) -> list[Band | None]:
        """The bands of stage `envelope`; None for every cell without one slot's worth of rows."""
        bands: list[Band | None] = []
        groups = self._groups()
        for cell in range(self._cells):
            low, high = pi, 0.0
            for slots, rows in groups:
                share = sum(self._share(slot, cell) * self.slot_rows(slot) for slot in slots) / rows
                angle, doubt = theta(share), z * sqrt(dispersion / rows)
                low, high = min(low, angle - doubt), max(high, angle + doubt)
            bands.append(Band(low - tolerate, high + tolerate) if groups else None)
        return bands

    def slot(self, slot: int, tolerate: float, z: float, dispersion: float) -> list[Band | None]:
        """The bands of stage `slot` in one hour of the week; None where it never had 36 rows."""
        rows = self.slot_rows(slot)
        if rows < 36.0 * dispersion:
            return [None] * self._cells
        u = tolerate + z * sqrt(dispersion / rows + self.between_weeks())
        if self._means is None:
            everything = self.rows()
            self._means = [
                sum(self._share(s, cell) * self.slot_rows(s) for s in range(SLOTS)) / everything
                for cell in range(self._cells)
            ]
        bands: list[Band | None] = []
        for cell, mean in enumerate(self._means):
            angle = theta((self._share(slot, cell) * rows + PRIOR * mean) / (rows + PRIOR))
            bands.append(Band(angle - u, angle + u))
        return bands

    def state(self) -> bytes:
        """The table and the hour under way."""
        figures = array("d", [self._hour, self._trials, self._spread, self._spreads, *self._hits])
        return figures.tobytes() + bytes(self._rows) + self._angles.tobytes()

    def load(self, state: bytes) -> None:
        """Take up what `state` returned. ValueError where it does not fit."""
        head, middle = 8 * (4 + self._cells), SLOTS
        if len(state) != head + middle + 2 * SLOTS * self._cells:
            raise ValueError("the season is of other cells")
        figures = array("d", state[:head])
        self._hour, self._spreads = int(figures[0]), int(figures[3])
        self._trials, self._spread = figures[1], figures[2]
        self._hits = figures[4:]
        self._rows = bytearray(state[head : head + middle])
        self._angles = array("H", state[head + middle :])
        self._means = None

    def _share(self, slot: int, cell: int) -> float:
        return sin(self._angles[slot * self._cells + cell] * STEP / 2.0) ** 2

    def _groups(self) -> list[tuple[list[int], float]]:
        """Slots in order, merged until each group has `SLOT_ROWS`; what is left at the end joins the last group."""
        groups: list[tuple[list[int], float]] = []
        slots: list[int] = []
        rows = 0.0
        for slot in range(SLOTS):
            if self.slot_rows(slot) > 0.0:
                slots.append(slot)
                rows += self.slot_rows(slot)
                if rows >= SLOT_ROWS:
                    groups.append((slots, rows))
                    slots, rows = [], 0.0
        if slots and groups:
            last, before = groups.pop()
            groups.append((last + slots, before + rows))
        return groups

    def _fold(self, dispersion: float) -> None:
        """Add the hour that ended to its slot."""
        rows = self._trials
        if self._hour < 0 or rows <= 0.0:
            return
        slot = self._hour % SLOTS
        before = self.slot_rows(slot)
        compare = before >= SLOT_ROWS and rows >= SLOT_ROWS
        apart = 0.0
        for cell in range(self._cells):
            share = self._share(slot, cell)
            hour = self._hits[cell] / rows
            if compare:
                apart += (theta(hour) - theta(share)) ** 2
            angle = theta((share * before + self._hits[cell]) / (before + rows))
            self._angles[slot * self._cells + cell] = round(angle / STEP)
            self._hits[cell] = 0.0
        if compare:
            self._spread += apart / self._cells - dispersion * (1.0 / rows + 1.0 / before)
            self._spreads += 1
        self._rows[slot] = min(255, round(log1p(before + rows) * LOG_STEP))
        self._trials = 0.0
        self._means = None
