"""What is worth knowing of inputs that keep their contract: absent, defaulted, at a bound, old. Counts, never values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from guard.contract.fields import InputField
from guard.contract.validators import instant
from guard.proxy.values import Facts, FeatureState

Row: TypeAlias = object
Read: TypeAlias = Callable[[Row], object]
"""The value of one field of a row; None where it is absent or null."""

NOTHING: Final[list[tuple[str, FeatureState, int]]] = []


class Profile:
    """Notices what `fields` declare. `read` makes the reader of a field, by its name."""

    def __init__(self, fields: Mapping[str, InputField], read: Callable[[str], Read]) -> None:
        self._optional: list[tuple[str, Read, FeatureState]] = [
            (name, read(name), "defaulted" if field.has_default else "missing")
            for name, field in fields.items()
            if not field.required or field.nullable
        ]
        self._bounded = [
            (name, read(name), field.min, field.max)
            for name, field in fields.items()
            if field.type in ("integer", "number") and (field.min is not None or field.max is not None)
        ]
        self._aged = [
            (name, read(name), field.unit, field.freshness.warn)
            for name, field in fields.items()
            if field.freshness is not None
        ]

    def facts(self, rows: Sequence[Row], raw: Sequence[Row], wall: float) -> Facts | None:
        """Of rows that keep their contract, and as they were sent; None where there is nothing to tell."""
        features = [
            *(self._absent(raw) if self._optional else NOTHING),
            *(self._bound_one(rows[0]) if len(rows) == 1 else self._bound_many(rows)),
        ]
        if not (features or self._aged):
            return None
        found = Facts(features)
        if self._aged:
            self._age(found, rows, wall)
        return found

    def _absent(self, raw: Sequence[Row]) -> Iterator[tuple[str, FeatureState, int]]:
        for name, read, state in self._optional:
            count = sum(read(row) is None for row in raw)
            if count:
                yield name, state, count

    def _bound_one(self, row: Row) -> list[tuple[str, FeatureState, int]]:
        found: list[tuple[str, FeatureState, int]] = []
        for name, read, low, high in self._bounded:
            value = read(row)
            if value == low:
                if value is not None:
                    found.append((name, "at_min", 1))
            elif value == high and value is not None:
                found.append((name, "at_max", 1))
        return found

    def _bound_many(self, rows: Sequence[Row]) -> Iterator[tuple[str, FeatureState, int]]:
        bounds: tuple[FeatureState, FeatureState] = ("at_min", "at_max")
        for name, read, *limits in self._bounded:
            values = [read(row) for row in rows]
            for state, limit in zip(bounds, limits, strict=True):
                count = values.count(limit) if limit is not None else 0
                if count:
                    yield name, state, count

    def _age(self, found: Facts, rows: Sequence[Row], wall: float) -> None:
        for name, read, unit, warn in self._aged:
            values = [read(row) for row in rows]
            ages = [wall - instant(value, unit) for value in values if value is not None]
            found.ages.append((name, ages))
            aging = sum(age > warn for age in ages)
            if aging:
                found.features.append((name, "aging", aging))
