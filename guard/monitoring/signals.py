"""Signals: groups of cells that are bet on together, named `side:field:kind`, and how they read a field's counts.

    values       numbers: 1{v ≤ cut} for each cut, so tails stay in sight; classes: one cell each; both directions
    states       <missing>, <unseen>, <invalid>, <not_finite>, <out_of_range>: upwards only
    repeat       a value equal to the previous request's although the inputs differ: upwards only
    confidence   the mean of a vector's largest probability: both directions

Weights: outputs ½, states ⅕, features ⅕, labels ⅒, renormalised over the groups that a route has and split evenly
inside. They are fixed by the declaration: a signal that is not armed keeps its weight, which only lowers the evidence.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from guard.monitoring.cells import CONFIDENCE, REPEAT, FieldCells, FieldSpec
from guard.monitoring.detector import SignalEvidence

SignalKind: TypeAlias = Literal["values", "states", "repeat", "confidence"]
Group: TypeAlias = Literal["outputs", "states", "features"]

WEIGHTS: Final[dict[Group, float]] = {"outputs": 0.5, "states": 0.2, "features": 0.2}
"""Weights before they are renormalised. Labels, if they existed, would have 0.1."""


class Signal:
    """One signal of one field. `base` is where the field's block of counts begins."""

    __slots__ = ("base", "cells", "field", "field_cells", "kind", "name", "side", "upwards_only")

    def __init__(self, spec: FieldSpec, cells: FieldCells, base: int, kind: SignalKind) -> None:
        self.name = f"{spec.side}:{spec.name}:{kind}"
        self.field = spec
        self.side = spec.side
        self.kind: SignalKind = kind
        self.base = base
        self.field_cells = cells
        self.cells = _names(spec, cells, kind)
        self.upwards_only = kind in ("states", "repeat")

    @property
    def group(self) -> Group:
        """The group whose weight the signal shares."""
        if self.kind == "states":
            return "states"
        return "outputs" if self.side == "output" else "features"

    def same_cells(self, other: "Signal") -> bool:
        """Whether the other signal is read of the same cells, wherever its block begins.

        Cells without values are the same whatever the cuts.
        """
        return self.cells == other.cells and (self.field_cells is other.field_cells or self.kind != "values")

    def read(self, counts: Sequence[float]) -> tuple[list[float], float]:
        """Hits of each cell, and trials, of a route's counts; in the unit of the counts."""
        base, cells = self.base, self.field_cells
        if self.kind == "repeat":
            at = base + cells.repeat_at
            return [counts[at]], counts[at + 1]
        if self.kind == "confidence":
            at = base + cells.confidence_at
            return [counts[at]], counts[at + 1]
        values = counts[base : base + cells.values]
        if self.kind == "states":
            states = list(counts[base + cells.values : base + cells.repeat_at])
            return states, sum(values) + sum(states)
        trials = sum(values)
        if self.field.kind == "class":
            return list(values[: len(self.cells)]), trials
        hits: list[float] = []
        below = 0.0
        for count in values[: len(self.cells)]:
            below += count
            hits.append(below)
        return hits, trials


def _names(spec: FieldSpec, cells: FieldCells, kind: SignalKind) -> tuple[str, ...]:
    if kind == "repeat":
        return (REPEAT,)
    if kind == "confidence":
        return (CONFIDENCE,)
    if kind == "states":
        return cells.states
    names = cells.names[: cells.values]
    if spec.kind == "class":
        return names[:1] if len(names) == 2 else names  # of two classes, one tells both
    return _all_but_last(names)  # every value is below the last one's end


@lru_cache(maxsize=512)
def _all_but_last(names: tuple[str, ...]) -> tuple[str, ...]:
    """Shared by fields that are cut alike."""
    return names[:-1]


def signals_of(spec: FieldSpec, cells: FieldCells, base: int) -> list[Signal]:
    """The signals of one field. Without cuts, or with one class only, it has no `values`."""
    kinds: list[SignalKind] = ["values", "states"]
    if cells.repeats:
        kinds.append("repeat")
    if cells.confidence:
        kinds.append("confidence")
    return [signal for kind in kinds if (signal := Signal(spec, cells, base, kind)).cells]


def weigh(signals: Sequence[Signal], specs: Iterable[FieldSpec]) -> list[float]:
    """Each signal's weight, as a share of what the fields could have, cut or not: cuts change no other signal's weight."""
    possible: dict[Group, int] = {"outputs": 0, "states": 0, "features": 0}
    for spec in specs:
        group: Group = "outputs" if spec.side == "output" else "features"
        possible["states"] += 1
        possible[group] += {"number": 2, "vector": 3, "class": 1, "age": 1, "presence": 0}[spec.kind]
    total = sum(weight for group, weight in WEIGHTS.items() if possible[group])
    return [WEIGHTS[signal.group] / total / possible[signal.group] for signal in signals]


def evidence_of(signals: Sequence[Signal], weights: Sequence[float]) -> list[SignalEvidence]:
    """The bets of signals, all off."""
    return [
        SignalEvidence(signal.name, weight, signal.cells, upwards_only=signal.upwards_only)
        for signal, weight in zip(signals, weights, strict=True)
    ]
