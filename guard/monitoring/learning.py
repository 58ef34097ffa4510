"""Learns the reference of one side of a route, its inputs or its outputs, from live traffic.

    requests
         0   values are sampled; states, repeats and classes are counted
       512   numbers are cut at their quantiles, the largest classes are kept; the sample is counted in the new cells
     2,000   the first reference: stage `gross`, or `fixed` where there is no season
    20,000   numbers are cut again, with tails at 0.1 and 99.9 %; their cells count from here on    (only with `season`
    written) 22,000   the reference again. With `season: week` it is final and the hours of the week are counted in its
    cells 40,000   with `season: none`, the final reference

Samples are in memory only: a restart, or an alarm before the end, takes learning back to the last reference.
"""

from array import array
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from guard.monitoring.cells import UNIT, Cut, FieldCells, FieldSpec, Side, compile_cells, keep_largest
from guard.monitoring.quantiles import QuantileSample
from guard.monitoring.reference import FieldReference, cells_from, describe_field
from guard.monitoring.stages import GROSS_REQUESTS, SeasonMode
from guard.monitoring.tally import BatchPairs, FieldTally

CUT_REQUESTS: Final = 512
TAIL_REQUESTS: Final = 20_000
AGAIN_REQUESTS: Final = 22_000
FULL_REQUESTS: Final = 40_000
MILESTONES: Final = (CUT_REQUESTS, GROSS_REQUESTS, TAIL_REQUESTS, AGAIN_REQUESTS, FULL_REQUESTS)
LAST: Final[dict[SeasonMode, int]] = {"unset": GROSS_REQUESTS, "week": AGAIN_REQUESTS, "none": FULL_REQUESTS}
"""The request after which a reference is final."""

Step: TypeAlias = Literal["none", "cells", "reference"]
"""The result of a tick: new cells, for which the tally is rebuilt, or a new reference for the same cells."""


class FrozenField:
    """One field's reference, held compactly. `counts` is its block: value cells, states, repeats, confidence, in rows."""

    __slots__ = ("cells", "correlation", "counts", "cuts", "dispersions")

    def __init__(
        self, cells: FieldCells, cuts: tuple[Cut, ...], counts: "array[float]", correlation: float,
        dispersions: dict[str, float],
    ) -> None:  # fmt: skip
        self.cells, self.cuts, self.counts = cells, cuts, counts
        self.correlation, self.dispersions = correlation, dispersions

    def block(self, cells: FieldCells) -> "array[float]":
        """The counts in these cells of the same field; 0 in value cells that are not those of the reference."""
        if cells is self.cells:
            return self.counts
        return array("d", bytes(8 * cells.values)) + self.counts[self.cells.values :]


class LearningField:
    """One field: its cells, the cuts in them, its counts so far, in rows, and its last reference."""

    __slots__ = ("cells", "correlation", "counts", "cuts", "frozen", "pairs", "sample", "spec")

    def __init__(self, spec: FieldSpec, reference: FieldReference | None = None) -> None:
        self.spec: Final = spec
        self.cuts: tuple[Cut, ...] = ()
        self.cells: FieldCells = compile_cells(spec)
        self.sample: QuantileSample | None = None
        self.pairs: BatchPairs | None = None
        self.correlation = 1.0
        self.frozen: FrozenField | None = None
        self.take(reference)

    @property
    def measured(self) -> bool:
        """Whether it has numbers to cut."""
        return self.spec.kind in ("number", "age", "vector")

    def take(self, reference: FieldReference | None) -> None:
        """Have the cells and counts of a reference, or of nothing."""
        if reference is None:
            self.cuts, self.cells, self.frozen, self.correlation = (), compile_cells(self.spec), None, 1.0
            self.counts = array("d", bytes(8 * self.cells.size))
            return
        cells = cells_from(self.spec, reference)
        counts = array("d", reference.counts)
        if cells.repeats:
            counts.extend(reference.repeats)
        if cells.confidence:
            counts.extend(reference.confidence)
        self.frozen = FrozenField(cells, reference.cuts, counts, reference.correlation, dict(reference.dispersions))
        self.back()

    def back(self) -> None:
        """Have the cells and counts of the last reference. With one, counts go on in a copy."""
        if self.frozen is None:
            self.take(None)
            return
        self.cells, self.cuts, self.correlation = self.frozen.cells, self.frozen.cuts, self.frozen.correlation
        self.counts = self.frozen.counts[:]

    def freeze(self, *, final: bool) -> None:
        """Make the counts the reference. A final one counts no more, and holds them once."""
        dispersions = {} if self.frozen is None else self.frozen.dispersions
        counts = self.counts if final else self.counts[:]
        self.frozen = FrozenField(self.cells, self.cuts, counts, self.correlation, dispersions)

    def reference(self) -> FieldReference | None:
        """The reference as a value."""
        frozen = self.frozen
        if frozen is None:
            return None
        described = describe_field(self.spec, frozen.cells, frozen.counts, frozen.cuts)
        return described.model_copy(update={"correlation": frozen.correlation, "dispersions": frozen.dispersions})

    def cut(self, *, count_sample: bool) -> None:
        """Make cells of what was sampled. States, repeats and confidence keep their counts."""
        before, counts = self.cells, self.counts
        if self.measured and self.sample is not None:
            self.cuts = self.sample.cuts(private=self.spec.private)
            self.cells = compile_cells(self.spec, self.cuts)
        elif self.spec.kind == "class":
            seen = dict(zip(self.spec.classes, counts, strict=False))
            kept = keep_largest(self.spec.classes, seen)
            self.cells = compile_cells(self.spec, kept=kept)
        else:
            return
        values = array("d", bytes(8 * self.cells.values))
        if self.measured and self.sample is not None and count_sample:
            for value in self.sample.values:
                values[self.cells.index(_as_sent(self.spec, value))] += 1.0
        elif self.spec.kind == "class":
            for value, count in zip(self.spec.classes, counts, strict=False):
                values[self.cells.index(value)] += count
        self.counts = values + counts[before.values :]


class Learning:
    """The learning of one side. `references` are frozen ones to begin with, final if they come from a file."""

    def __init__(self, side: Side, specs: Sequence[FieldSpec], season: SeasonMode) -> None:
        self.side: Final = side
        self.season: Final = season
        self.fields: Final = [LearningField(spec) for spec in specs if spec.side == side]
        self.requests = 0
        self.referred = False
        """Whether there is a reference."""
        self.from_file = False
        self.final = False
        self.freezes = 0
        """The number of times that counts became the reference."""
        self._prepare()

    def use(self, fields: Sequence[FieldReference]) -> None:
        """Take a reference made of a file. Fields that it lacks are not watched."""
        named = {field.name: field for field in fields if field.side == self.side}
        for field in self.fields:
            field.take(named.get(field.spec.name))
        self.referred = self.from_file = self.final = True
        self._attach()

    def restart(self) -> None:
        """Forget everything: another model version, or a new state that was accepted."""
        self.requests, self.referred, self.from_file, self.final = 0, False, False, False
        for field in self.fields:
            field.take(None)
            field.pairs = None
        self._prepare()

    def resume(self, requests: int, frozen: Sequence[FieldReference] | None, *, final: bool, from_file: bool) -> None:
        """Take up a saved state, from its last reference on."""
        if frozen is None:
            self.restart()
            return
        self.use(frozen)
        self.requests, self.final, self.from_file = requests, final, from_file
        self.back()

    def back(self) -> None:
        """Return to the last reference: what came after it may not have been as it should be."""
        if self.final:
            return
        if not self.referred:
            self.restart()
            return
        for field in self.fields:
            field.back()
        self.requests = AGAIN_REQUESTS if self.requests >= AGAIN_REQUESTS else GROSS_REQUESTS
        self._prepare()

    def add(self, blocks: Sequence[Sequence[float]], requests: int) -> Step:
        """Count one tick: each field's block, in rows."""
        if self.final or not requests:
            return "none"
        before = self.requests
        self.requests += requests
        for field, block in zip(self.fields, blocks, strict=True):
            counts = field.counts
            for place, count in enumerate(block):
                if count:
                    counts[place] += count

        return self._pass(before)

    def _pass(self, before: int) -> Step:
        """Do what the milestones ask that requests went past."""
        steps: set[Step] = set()
        for milestone in MILESTONES[: 2 if self.season == "unset" else None]:
            if not before < milestone <= self.requests or self.final:
                continue
            if milestone in (CUT_REQUESTS, TAIL_REQUESTS):
                self._cut(count_sample=milestone == CUT_REQUESTS)
                steps.add("cells")
            else:
                self._freeze(final=milestone == LAST[self.season])
                steps.add("reference")
        return "cells" if "cells" in steps else "reference" if steps else "none"

    def attach(self, tallies: Sequence[FieldTally]) -> None:
        """Give the fields' tallies their samples and their correlation inside a batch."""
        for field, tally in zip(self.fields, tallies, strict=True):
            tally.sample, tally.pairs, tally.correlation = field.sample, field.pairs, field.correlation

    def _prepare(self) -> None:
        sampling = self.requests < TAIL_REQUESTS and not self.final
        for field in self.fields:
            field.sample = QuantileSample(seed=self.requests) if sampling and field.measured else None
        self._attach()

    def _attach(self) -> None:
        if self.final:
            for field in self.fields:
                field.sample = None

    def _cut(self, *, count_sample: bool) -> None:
        for field in self.fields:
            if count_sample or field.measured:
                field.cut(count_sample=count_sample)
            field.pairs = BatchPairs(field.cells.values, cumulative=field.measured)
            if not count_sample or self.season == "unset":
                field.sample = None

    def _freeze(self, *, final: bool) -> None:
        for field in self.fields:
            if field.pairs is not None and self.requests < AGAIN_REQUESTS:
                field.correlation = field.pairs.correlation()
            field.freeze(final=final)
        self.referred, self.final = True, final
        self.freezes += 1
        self._attach()

    def references(self) -> tuple[FieldReference, ...] | None:
        """The references of the fields as values; None before there is one."""
        if not self.referred:
            return None
        return tuple(reference for field in self.fields if (reference := field.reference()) is not None)


def _as_sent(spec: FieldSpec, value: float) -> object:
    """A sampled number in the form that the field's cells read."""
    return [value] if spec.kind == "vector" else value


def block_rows(counts: Sequence[int], tally: FieldTally) -> list[float]:
    """One field's counts in rows."""
    return [count / UNIT for count in counts[tally.base : tally.base + tally.cells.size]]
