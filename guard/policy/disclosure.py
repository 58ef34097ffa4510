"""The data of a route that telemetry may show, and its form (docs/telemetry.md#what-never-leaves), fixed at compilation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from guard.contract.fields import split
from guard.contract.input import InputContract
from guard.policy.fields import InputField, OutputField, most_sensitive
from guard.policy.route import Route
from guard.privacy.sensitivity import MEASURED
from guard.privacy.treatment import DROPPED, Hasher, treat
from guard.proxy.values import Measure

UNDECLARED: Final = "<undeclared>"
WHOLE: Final = "<body>"
"""Name that replaces a field's if a violation concerns the document as a whole."""
MOST_ROWS: Final = 10

Pattern: TypeAlias = tuple[str, ...]
"""Reference tokens of where a field stands; `*` is any position."""


def measures(outputs: Mapping[str, OutputField]) -> tuple[Measure, ...]:
    """The outputs that telemetry may show, in the contract's order."""
    untreated = {name: field for name, field in outputs.items() if field.treatment is None}
    return tuple(_measure(name, field) for name, field in untreated.items() if most_sensitive(field) in MEASURED)


def _measure(name: str, field: OutputField) -> Measure:
    if field.enum is not None:
        return Measure(name, "class", tuple(field.enum))
    if field.type == "boolean":
        return Measure(name, "class", (False, True))
    if field.type in ("integer", "number"):
        return Measure(name, "number", (), field.min, field.max)
    if field.type == "array" and field.items is not None and field.items.type in ("integer", "number"):
        return Measure(name, "vector")
    return Measure(name, "presence")


def shown(
    fields: Mapping[str, InputField], contract: InputContract | None, hasher: Hasher
) -> Callable[[object], Mapping[str, object]] | None:
    """A function that returns the part of an input that a sampled exchange's log may show; None if nothing may be shown.

    A field with `log: true` is shown unchanged, or as its treatment requires. Another field is shown as its mask or hash
    if it declares one and is not secret.
    """
    raw = {name for name, field in fields.items() if field.log and field.treatment is None}
    treated = {
        name: field.treatment
        for name, field in fields.items()
        if field.treatment in ("mask", "hash") and field.sensitivity != "secret"
    }
    if contract is None or not (raw or treated):
        return None

    def show(row: Mapping[str, object]) -> dict[str, object]:
        values: dict[str, object] = {name: value for name, value in row.items() if name in raw}
        for name, treatment in treated.items():
            if name in row and treatment is not None:
                values[name] = treat(treatment, name, row[name], hasher)
        return {name: value for name, value in values.items() if value is not DROPPED}

    def of(document: object) -> Mapping[str, object]:
        rows = [show(row) for row in contract.instances(document, MOST_ROWS)]
        if len(rows) == 1:
            return rows[0]
        names = [name for name in fields if any(name in row for row in rows)]
        return {name: [row.get(name) for row in rows] for name in names}

    return of


def field_of(route: Route) -> Callable[[str, bool], str]:
    """Names the declared field that a violation's pointer is about."""
    sides = (_inputs(route), _outputs(route))

    def find(pointer: str, answer: bool) -> str:  # noqa: FBT001 — see Route.field_of
        parts = split(pointer)
        for name, pattern in sides[answer]:
            if len(pattern) <= len(parts) and all(map(_fits, pattern, parts)):
                return name
        if UNDECLARED in parts:
            return UNDECLARED
        named = [part for part in parts if not (part.isascii() and part.isdigit())]
        return named[0] if named and not sides[answer] else WHOLE  # of a schema file: the first declared name

    return find


def _fits(expected: str, part: str) -> bool:
    return expected == part or (expected == "*" and part.isascii() and part.isdigit())


def _inputs(route: Route) -> Sequence[tuple[str, Pattern]]:
    base = (*split(route.rows), "*") if route.rows is not None else ()
    if route.columns is not None:
        return [(name, (*base, str(index))) for index, name in enumerate(route.columns)]
    return [(name, (*base, *_place(name, field.at))) for name, field in route.inputs.items()]


def _outputs(route: Route) -> Sequence[tuple[str, Pattern]]:
    return [(name, _place(name, field.at)) for name, field in route.outputs.items()]


def _place(name: str, at: str | None) -> Pattern:
    return tuple(split(at)) if at is not None else (name,)
