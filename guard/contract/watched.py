"""Counts the watched fields of valid rows for monitoring: values are read as they were sent, counted, and not kept."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from guard.contract.fields import Part
from guard.contract.reach import ABSENT, reach
from guard.contract.validators import instant
from guard.proxy.values import Watch

RowReader: TypeAlias = Callable[[Any], Sequence[Any]]
"""The values of some fields of a row, in their order; None for each that is absent or null."""
HASHED_ROWS: Final = 64
"""Rows of a batch whose values tell one request's inputs from another's."""


class Age(NamedTuple):
    """A watched timestamp, of which its age is counted: its position among the watched fields, its unit and its zone."""

    position: int
    unit: str | None
    zone: str | None


class WatchedInputs:
    """The watched fields of a contract. `read` reads them, in the order of the monitor's input fields."""

    def __init__(self, watch: Watch, read: RowReader, ages: Sequence[Age]) -> None:
        self.watch: Final = watch
        self._read: Final = read
        self._ages: Final = tuple(ages)

    def count(self, rows: Sequence[Any], wall: float) -> None:
        """Count a request that is looked at. `wall`: seconds since the epoch."""
        if not rows:
            self.watch.inputs((), 0, 0)
            return
        read = self._read
        values = [read(row) for row in rows]
        columns: list[Sequence[Any]] = [*zip(*values, strict=True)]
        key = hash(repr(values[:HASHED_ROWS]))
        for age in self._ages:
            columns[age.position] = [
                None if value is None else wall - instant(value, age.unit, age.zone) for value in columns[age.position]
            ]
        self.watch.inputs(columns, len(rows), key)


def row_reader(places: Sequence[tuple[Part, ...]]) -> RowReader:
    """A function that reads the values at these places of a valid row; None for each absent value."""
    names = [place[0] for place in places if len(place) == 1 and isinstance(place[0], str)]
    if len(names) < len(places):
        return lambda row: [_standing(row, place) for place in places]
    return lambda row: [*map(row.get, names)]


def _standing(row: object, place: tuple[Part, ...]) -> object:
    match place:
        case ():
            return None
        case (int(position),):
            return row[position] if isinstance(row, list | tuple) and position < len(row) else None
    value = reach(row, tuple(str(part) for part in place))
    return None if value is ABSENT else value
