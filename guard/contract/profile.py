"""Facts about valid inputs: counts of fields that are absent, defaulted, at a bound or old, and ages. Never the values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

from guard.contract.fields import InputField
from guard.contract.validators import instant
from guard.proxy.values import Facts, FeatureState

Row: TypeAlias = Any
Read: TypeAlias = Callable[[Row], Sequence[Any]]
"""The values of some fields of a row, in their order; None for each that is absent or null."""
BOUNDS: Final[tuple[FeatureState, FeatureState]] = ("at_min", "at_max")


class Profile:
    """Counts the states of `fields`. `reading` makes a reader of named fields; `every` reads all values, if hashable."""

    def __init__(
        self,
        fields: Mapping[str, InputField],
        reading: Callable[[Sequence[str]], Read],
        every: Callable[[Row], Iterable[Any]] | None,
    ) -> None:
        self._optional: dict[str, FeatureState] = {
            name: "defaulted" if field.has_default else "missing"
            for name, field in fields.items()
            if not field.required or field.nullable
        }
        self._read_optional = reading([*self._optional])
        bounded = {
            name: (field.min, field.max)
            for name, field in fields.items()
            if field.type in ("integer", "number") and (field.min is not None or field.max is not None)
        }
        self._read_bounded = reading([*bounded])
        self._edges = [
            (position, name, state, limit)
            for position, (name, limits) in enumerate(bounded.items())
            for state, limit in zip(BOUNDS, limits, strict=True)
            if limit is not None
        ]
        self._limits = frozenset(limit for *_, limit in self._edges)
        self._scan = every if every is not None and 2 * len(bounded) > len(fields) else self._read_bounded
        self._aged = {
            name: (field.unit, field.zone, field.freshness.warn)
            for name, field in fields.items()
            if field.freshness is not None
        }
        self._read_aged = reading([*self._aged])

    def facts(self, rows: Sequence[Row], wall: float) -> Facts | None:
        """The facts about valid rows as sent, at the time `wall` in seconds; None if there is nothing to report."""
        features: list[tuple[str, FeatureState, int]] = []
        if self._optional and None in _values(self._read_optional, rows):
            for (name, state), values in zip(self._optional.items(), _columns(self._read_optional, rows), strict=True):
                if count := values.count(None):
                    features.append((name, state, count))
        if self._limits and not self._limits.isdisjoint(_values(self._scan, rows)):  # most values are no field's bound
            features += self._at_bounds(rows)
        if not (features or self._aged):
            return None
        facts = Facts(features)
        if self._aged:
            self._age(facts, rows, wall)
        return facts

    def _at_bounds(self, rows: Sequence[Row]) -> list[tuple[str, FeatureState, int]]:
        if len(rows) == 1:  # columns of one value each would cost 20,000 instructions more for ten fields
            values = self._read_bounded(rows[0])
            return [(name, state, 1) for position, name, state, limit in self._edges if values[position] == limit]
        columns = _columns(self._read_bounded, rows)
        counts = [(name, state, columns[position].count(limit)) for position, name, state, limit in self._edges]
        return [tally for tally in counts if tally[2]]

    def _age(self, facts: Facts, rows: Sequence[Row], wall: float) -> None:
        for (name, (unit, zone, warn)), values in zip(self._aged.items(), _columns(self._read_aged, rows), strict=True):
            ages = [wall - instant(value, unit, zone) for value in values if value is not None]
            facts.ages.append((name, ages))
            aging = sum(age > warn for age in ages)
            if aging:
                facts.features.append((name, "aging", aging))


def _values(read: Callable[[Row], Iterable[Any]], rows: Sequence[Row]) -> Iterable[Any]:
    """The values of all rows, one after the other."""
    return read(rows[0]) if len(rows) == 1 else chain.from_iterable(map(read, rows))


def _columns(read: Read, rows: Sequence[Row]) -> Sequence[tuple[Any, ...]]:
    """The values of each field in all rows."""
    return [*zip(*map(read, rows), strict=True)]
