"""What is worth knowing of inputs that keep their contract: absent, defaulted, at a bound, old. Counts, never values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from guard.contract.fields import InputField
from guard.contract.validators import instant
from guard.proxy.values import Facts, FeatureState

Row: TypeAlias = object
Read: TypeAlias = Callable[[Row], Sequence[Any]]
"""The values of some fields of a row, in their order; None for each that is absent or null."""
BOUNDS: Final[tuple[FeatureState, FeatureState]] = ("at_min", "at_max")


class Profile:
    """Notices what `fields` declare. `reading` makes a reader of fields, by their names."""

    def __init__(self, fields: Mapping[str, InputField], reading: Callable[[Sequence[str]], Read]) -> None:
        self._optional: dict[str, FeatureState] = {
            name: "defaulted" if field.has_default else "missing"
            for name, field in fields.items()
            if not field.required or field.nullable
        }
        self._read_optional = reading([*self._optional])
        self._bounded = {
            name: (field.min, field.max)
            for name, field in fields.items()
            if field.type in ("integer", "number") and (field.min is not None or field.max is not None)
        }
        self._read_bounded = reading([*self._bounded])
        self._limits = frozenset(limit for limits in self._bounded.values() for limit in limits if limit is not None)
        self._aged = {
            name: (field.unit, field.freshness.warn) for name, field in fields.items() if field.freshness is not None
        }
        self._read_aged = reading([*self._aged])

    def facts(self, rows: Sequence[Row], raw: Sequence[Row], wall: float) -> Facts | None:
        """Of rows that keep their contract, and as they were sent; None where there is nothing to tell."""
        features: list[tuple[str, FeatureState, int]] = []
        if self._optional:
            features += self._absent(raw)
        if self._limits:
            features += self._at_bounds(rows)
        if not (features or self._aged):
            return None
        found = Facts(features)
        if self._aged:
            self._age(found, rows, wall)
        return found

    def _absent(self, raw: Sequence[Row]) -> Iterator[tuple[str, FeatureState, int]]:
        for (name, state), values in zip(self._optional.items(), _columns(self._read_optional, raw), strict=True):
            count = values.count(None)
            if count:
                yield name, state, count

    def _at_bounds(self, rows: Sequence[Row]) -> Sequence[tuple[str, FeatureState, int]]:
        """Most values are not even another field's bound, which one look at a set shows."""
        if len(rows) == 1 and self._limits.isdisjoint(self._read_bounded(rows[0])):
            return ()
        columns = _columns(self._read_bounded, rows)
        return [
            (name, state, count)
            for (name, limits), values in zip(self._bounded.items(), columns, strict=True)
            for state, limit in zip(BOUNDS, limits, strict=True)
            if limit is not None and (count := values.count(limit))
        ]

    def _age(self, found: Facts, rows: Sequence[Row], wall: float) -> None:
        for (name, (unit, warn)), values in zip(self._aged.items(), _columns(self._read_aged, rows), strict=True):
            ages = [wall - instant(value, unit) for value in values if value is not None]
            found.ages.append((name, ages))
            aging = sum(age > warn for age in ages)
            if aging:
                found.features.append((name, "aging", aging))


def _columns(read: Read, rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    """The values of each field in all rows."""
    return zip(*map(read, rows), strict=True)
