"""A reference: how a route's cells were filled while all was well. A value, a file, and how one is made of rows.

The file is JSON, strict and versioned (`format`): an unknown or missing key is an error, so is a digest that does not
fit. It holds counts of cells and quantile cuts, no rows. Cuts of fields above `internal` are rounded to two digits,
marked `private`, and left out by `shown`.

A file of rows is read twice, in constant memory: first `CutMaker` samples the numbers and counts the classes, then
`ReferenceMaker` counts in the cells that this made. Counts are exact; see `quantiles` for the cuts.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from guard.monitoring.cells import (
    LEVELS,
    UNIT,
    Cut,
    FieldCells,
    FieldSpec,
    Kind,
    Side,
    compile_cells,
    keep_largest,
    text,
)
from guard.monitoring.quantiles import FILE_SIZE, QuantileSample
from guard.monitoring.tally import FieldTally, RouteTally

FORMAT: Final = 1
LARGEST: Final = 1 << 20
"""Bytes of a reference file, at most."""

Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ReferenceInvalid(ValueError):  # noqa: N818 — named as the contract's is
    """A reference file is invalid. The message names the place and the reason; it quotes no value."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FieldReference(_Strict):
    """One field. `counts` are of its value cells and states, in rows; `repeats` and `confidence` are sum and trials."""

    name: str
    side: Side
    kind: Kind
    private: bool = False
    cuts: tuple[tuple[Finite, Finite], ...] = ()
    """Level and value, both rising."""
    classes: tuple[str, ...] = ()
    """Labels of the classes that have a cell of their own."""
    states: tuple[str, ...]
    counts: tuple[Count, ...]
    repeats: tuple[Count, Count] = (0.0, 0.0)
    confidence: tuple[Count, Count] = (0.0, 0.0)
    dispersions: dict[str, Annotated[float, Field(ge=1, allow_inf_nan=False)]] = {}
    """D of each kind of signal, where it was measured."""
    correlation: Annotated[float, Field(ge=0, le=1)] = 1.0
    """ρ of rows inside a batch; 1 where it is unknown."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(later <= earlier for i in (0, 1) for (earlier, later) in _steps([cut[i] for cut in self.cuts])):
            raise ValueError("cuts do not rise")
        if any(level not in LEVELS for level, _ in self.cuts):
            raise ValueError("a cut stands at a level that is none of guard's")
        if any(hits > trials for hits, trials in (self.repeats, self.confidence)):
            raise ValueError("more hits than trials")
        return self


class Reference(_Strict):
    """A frozen reference of one route. `made` is an RFC 3339 time; `model_version` is that of the outputs."""

    format: Literal[1]
    made: str
    source: Literal["file", "learned"]
    requests: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=1)]
    model_version: str | None = None
    fields: tuple[FieldReference, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({(field.side, field.name) for field in self.fields}) < len(self.fields):
            raise ValueError("a field stands twice")
        return self

    @property
    def made_at(self) -> float:
        """Seconds since 1970 of `made`; 0 where that is no time."""
        try:
            return datetime.fromisoformat(self.made).timestamp()
        except ValueError:
            return 0.0

    @property
    def digest(self) -> str:
        """`sha256:` and the hash of the canonical form: sorted keys, no spaces."""
        return "sha256:" + hashlib.sha256(_canonical(self.model_dump(mode="json"))).hexdigest()

    def field(self, spec: FieldSpec) -> FieldReference | None:
        """The field that was declared so; None where there is none, or it was of another kind."""
        for field in self.fields:
            if (field.name, field.side, field.kind) == (spec.name, spec.side, spec.kind):
                return field
        return None

    def to_json(self) -> str:
        """The file's text: the reference and its digest."""
        return json.dumps({**self.model_dump(mode="json"), "digest": self.digest}, indent=1, allow_nan=False) + "\n"

    def shown(self) -> dict[str, Any]:
        """The content that may be shown and exported: private fields without cuts and counts."""
        shown = self.model_dump(mode="json")
        for field in shown["fields"]:
            if field["private"]:
                del field["cuts"], field["counts"], field["classes"]
        return {**shown, "digest": self.digest}


def parse_reference(document: str | bytes) -> Reference:
    """Read a reference file. ReferenceInvalid names the place and the fault."""
    try:
        tree = json.loads(document, object_pairs_hook=_unique, parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise ReferenceInvalid(f"a reference is JSON with each name once and finite numbers: {_brief(error)}") from None
    if not isinstance(tree, dict):
        raise ReferenceInvalid("a reference is a JSON object")
    if tree.get("format") != FORMAT:
        raise ReferenceInvalid(f"`format` is not {FORMAT}: make the reference again with this guard")
    digest = tree.pop("digest", None)
    try:
        reference = Reference.model_validate_json(json.dumps(tree))
    except ValidationError as invalid:
        fault = invalid.errors(include_input=False, include_url=False)[0]
        raise ReferenceInvalid(f"{'.'.join(map(str, fault['loc'])) or 'reference'}: {fault['msg']}") from None
    if digest != reference.digest:
        raise ReferenceInvalid("the digest does not fit the content: the file was changed after it was made")
    return reference


def cells_from(spec: FieldSpec, field: FieldReference) -> FieldCells:
    """The cells that a reference's field was counted in. ReferenceInvalid where the field is declared otherwise by now."""
    labels = {text(value): value for value in spec.classes}
    if not set(field.classes) <= set(labels):
        raise ReferenceInvalid(f"{spec.name}: the reference has classes that the contract does not declare")
    cells = compile_cells(spec, field.cuts, [labels[label] for label in field.classes])
    if len(field.counts) != len(cells.names) or field.states != cells.states:
        raise ReferenceInvalid(f"{spec.name}: the reference's counts do not fit the declared field")
    return cells


def describe_field(spec: FieldSpec, cells: FieldCells, counts: Sequence[float], cuts: Sequence[Cut]) -> FieldReference:
    """A field's reference of its block of counts, in rows."""
    values, at = len(cells.names), cells.confidence_at
    names = cells.names[: cells.values]
    kept = tuple(name for name in names if name in {text(value) for value in spec.classes})
    return FieldReference(
        name=spec.name, side=spec.side, kind=spec.kind, private=spec.private, cuts=tuple(cuts),
        classes=kept if spec.kind == "class" else (), states=cells.states, counts=tuple(counts[:values]),
        repeats=(counts[values], counts[values + 1]) if cells.repeats else (0.0, 0.0),
        confidence=(counts[at], counts[at + 1]) if cells.confidence else (0.0, 0.0),
    )  # fmt: skip


class CutMaker:
    """The first pass over a file: samples numbers, counts classes. Memory does not depend on the number of rows."""

    def __init__(self, specs: Sequence[FieldSpec]) -> None:
        self._cells = [(spec, compile_cells(spec)) for spec in specs]
        self._samples = [
            QuantileSample(FILE_SIZE, 0, seed) if spec.kind in ("number", "age", "vector") else None
            for seed, spec in enumerate(specs)
        ]
        self._classes: list[Counter[Any]] = [Counter() for _ in specs]

    def add(self, row: Mapping[tuple[Side, str], Any]) -> None:
        """Take one row: values by side and name; what is not there is missing."""
        for (spec, cells), sample, classes in zip(self._cells, self._samples, self._classes, strict=True):
            value = row.get((spec.side, spec.name))
            if sample is not None:
                number = cells.number(value)
                if number is not None:
                    sample.add(number)
            elif spec.kind == "class":
                place = cells.index(value)
                if place < cells.values:
                    classes[spec.classes[place]] += 1

    def finish(self) -> "ReferenceMaker":
        """The maker of the second pass."""
        parts: list[tuple[FieldSpec, FieldCells, tuple[Cut, ...]]] = []
        for (spec, _), sample, classes in zip(self._cells, self._samples, self._classes, strict=True):
            cuts = sample.cuts(private=spec.private) if sample is not None else ()
            kept = keep_largest(spec.classes, classes) if spec.kind == "class" else None
            parts.append((spec, compile_cells(spec, cuts, kept), cuts))
        return ReferenceMaker(parts)


class ReferenceMaker:
    """The second pass over a file: counts its rows in the cells that the first one made. Each row is a request."""

    def __init__(self, parts: Sequence[tuple[FieldSpec, FieldCells, tuple[Cut, ...]]]) -> None:
        self._parts = parts
        self._tally = RouteTally()
        self._fields: list[FieldTally] = [self._tally.field(cells) for _, cells, _ in parts]

    def add(self, row: Mapping[tuple[Side, str], Any]) -> None:
        """Take one row, in the order of the file: repeats are of neighbouring rows."""
        values = [row.get((spec.side, spec.name)) for spec, _, _ in self._parts]
        inputs = [repr(value) for (spec, _, _), value in zip(self._parts, values, strict=True) if spec.side == "input"]
        self._tally.begin(hash(tuple(inputs)), 1)
        for field, value in zip(self._fields, values, strict=True):
            field.add([value])

    def finish(self, made: str, model_version: str | None) -> Reference:
        """The reference. ReferenceInvalid where no row was added."""
        rows = self._tally.rows
        if not rows:
            raise ReferenceInvalid("no rows: a reference is made of at least one")
        counts = [count / UNIT for count in self._tally.counts]
        fields = tuple(
            describe_field(spec, cells, counts[field.base : field.base + cells.size], cuts)
            for (spec, cells, cuts), field in zip(self._parts, self._fields, strict=True)
        )
        return Reference(
            format=FORMAT, made=made, source="file", requests=rows, rows=rows, model_version=model_version, fields=fields
        )


def utc(seconds: float) -> str:
    """A time as references and alarms write it: RFC 3339, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _steps(values: Sequence[float]) -> list[tuple[float, float]]:
    return list(pairwise(values))


def _canonical(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return tree


def _not_finite(_name: str) -> float:
    raise ValueError("a number is not finite")


def _brief(error: BaseException) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
