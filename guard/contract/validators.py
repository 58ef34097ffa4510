"""Turns declared shapes into pydantic-core schemas, and pydantic's errors into violations.

Types are strict: true and "12" are not numbers. JSON is read as it is meant: 34.0 is an integer (JSON Schema 2020-12
§6.1.1), and null of an optional field is an absent one. Pydantic's messages and locations may hold what a client sent;
only an error's type, its indexes and declared names pass `violations`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isinf
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic_core import SchemaError, SchemaValidator
from pydantic_core import core_schema as core

from guard.contract.absence import absences, settle
from guard.contract.breaches import Breach
from guard.contract.fields import ContractInvalid, Part, Shape, join
from guard.contract.strict import BEYOND, LARGEST_EXACT, LEAST_EXACT, SAFE
from guard.contract.violation_codes import BY_ERROR
from guard.proxy.values import Violation

Undeclared: TypeAlias = Literal["reject", "strip", "pass"]
Schema: TypeAlias = core.CoreSchema

UNDECLARED: Final = "<undeclared>"

_EXTRA: Final[dict[Undeclared, Literal["forbid", "ignore", "allow"]]] = {
    "reject": "forbid",
    "strip": "ignore",
    "pass": "allow",
}
_DAYS: Final = (
    r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_HOUR: Final = "(?:[01][0-9]|2[0-3])"
_OFFSET: Final = "(?:(?:[01][0-9]|2[0-2]):[0-9]{2}|23:[0-5][0-9])"
"""An offset from UTC of less than a day, as Python's `datetime` accepts it."""
_CLOCK: Final = rf"[Tt ]{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,9}})?"
_RFC3339: Final = rf"^(?:{_DAYS}){_CLOCK}(?:[Zz]|[+-]{_OFFSET})$"
"""A date-time of RFC 3339 that Python's `datetime` can hold, for the linear-time engine: Python took 1.6 µs for each."""
_ZONED: Final = rf"^(?:{_DAYS})(?:{_CLOCK}(?:[Zz]|[+-]{_OFFSET})?)?$"
"""A date-time with or without an offset, or a date alone, as pandas writes times without a zone."""
_NAIVE: Final = re.compile(rf"(?:{_DAYS})(?:{_CLOCK})?")

_LONGEST_TIME: Final = 64

FIRST_SECOND: Final = -62_135_596_800
LAST_SECOND: Final = 253_402_300_800
"""Bounds of times in seconds since the epoch: the years 0001 to 9999, which RFC 3339 and Python's `datetime` have."""
_NUMBERS: Final = frozenset(("integer_type", "epoch_type", "float_type"))
"""Errors that a number of the right type has only if it is out of bounds."""


def validator(schema: Schema, path: tuple[Part, ...] = ()) -> SchemaValidator:
    """Compile a validator. Raises ContractInvalid. It caches only names of a text: other strings are the client's."""
    try:
        return SchemaValidator(schema, core.CoreConfig(cache_strings="keys"))
    except SchemaError as error:
        raise ContractInvalid(str(error).splitlines()[-1].strip(), path) from None


def instant(value: object, unit: str | None, zone: str | None = None) -> float:
    """The time of a valid timestamp, in seconds since the epoch. `unit`: of a number; `zone`: of a text without offset."""
    if unit is not None:
        return float(value) / (1000.0 if unit == "ms" else 1.0)  # type: ignore[arg-type]
    return moment(str(value), zone).timestamp()


def moment(text: str, zone: str | None) -> datetime:
    """The time of a valid RFC 3339 timestamp. Without an offset it is a time of `zone`.

    A time that the zone's clocks show twice is the first one, so an age is never too small. A time that they skip is read
    with the offset from before: 02:30 of a night in which 02:00 became 03:00 is 03:30 (PEP 495, fold=0).
    """
    time = datetime.fromisoformat(_microseconds(text) if "." in text or "z" in text else text)
    return time.replace(tzinfo=ZoneInfo(zone)) if time.tzinfo is None and zone is not None else time


def _microseconds(text: str) -> str:
    """The timestamp with at most six fractional digits: RFC 3339 allows more, `fromisoformat` does not."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text.replace("z", "Z").replace("t", "T"))


def value_schema(shape: Shape, undeclared: Undeclared, path: tuple[Part, ...] = ()) -> Schema:
    """The schema of one value that is not null. Raises ContractInvalid with a path that begins with `path`."""
    match shape.type:
        case "string":
            schema: Schema = _string(shape, path)
        case "integer":
            schema = _integer(shape)
        case "number":
            schema = core.float_schema(strict=True, ge=shape.min, le=shape.max, allow_inf_nan=False)
            if shape.enum is not None:
                members = [float(member) for member in shape.enum]  # type: ignore[arg-type]
                schema = core.chain_schema([schema, core.literal_schema(members)])
        case "boolean":
            schema = core.chain_schema(
                [core.bool_schema(strict=True), core.literal_schema(list(shape.enum or (False, True)))]
            )
        case "timestamp":
            schema = _timestamp(shape)
        case "array":
            items = nullable(shape.items, undeclared, (*path, "items")) if shape.items is not None else core.any_schema()
            schema = list_schema(items, shape.min_items, shape.max_items)
        case "object":
            if shape.fields is None:
                schema = core.dict_schema(strict=True)
            else:
                schema = members_schema(
                    {
                        name: (field, value_schema(field, undeclared, (*path, "fields", name)))
                        for name, field in shape.fields.items()
                    },
                    undeclared,
                )
    return schema


def list_schema(items: Schema, least: int | None = None, most: int | None = None) -> Schema:
    """The schema of a list. Validation stops at the first wrong item; `Breaches` collects the others, up to 64."""
    return core.list_schema(items, strict=True, min_length=least, max_length=most, fail_fast=True)


def nullable(shape: Shape, undeclared: Undeclared, path: tuple[Part, ...] = ()) -> Schema:
    """The schema of a value that cannot be absent, such as an item or a position: null if the shape permits it."""
    schema = value_schema(shape, undeclared, path)
    return core.nullable_schema(schema) if shape.nullable or not shape.required else schema


def members_schema(members: Mapping[str, tuple[Shape | None, Schema]], undeclared: Undeclared) -> Schema:
    """The schema of an object that settles absent members. A member without a shape is a pointer's step, and required."""
    absent = absences({name: shape for name, (shape, _) in members.items() if shape is not None})
    schema = sent_schema(members, undeclared)
    return core.no_info_after_validator_function(lambda document: settle(document, absent), schema) if absent else schema


def sent_schema(
    members: Mapping[str, tuple[Shape | None, Schema]], undeclared: Undeclared, *, partial: bool = False
) -> Schema:
    """The schema of an object that keeps nulls and absent members as sent. `partial`: every member is optional."""
    fields: dict[str, core.TypedDictField] = {}
    for name, (shape, schema) in members.items():
        if shape is None or (shape.required and not shape.nullable):
            fields[name] = core.typed_dict_field(schema, required=not partial)
        else:
            fields[name] = core.typed_dict_field(core.nullable_schema(schema), required=shape.required and not partial)
    return core.typed_dict_schema(fields, strict=True, extra_behavior=_EXTRA[undeclared])


def partial_schema(members: Mapping[str, tuple[Shape | None, Schema]], undeclared: Undeclared) -> Schema:
    """The schema of an object whose members are all optional and kept as sent."""
    return sent_schema(members, undeclared, partial=True)


def _string(shape: Shape, path: tuple[Part, ...]) -> Schema:
    if shape.enum is not None:
        return core.chain_schema([core.str_schema(strict=True), core.literal_schema(list(shape.enum))])
    schema = core.str_schema(strict=True, pattern=shape.pattern, min_length=shape.min_length, max_length=shape.max_length)
    if shape.pattern is not None:
        validator(schema, (*path, "pattern"))
    return schema


def _integer(shape: Shape) -> Schema:
    """The schema of integers. A literal like 1.0 must be within ±SAFE; others have 64 bits if the field is `exact`."""
    double = core.float_schema(strict=True, ge=-SAFE, le=SAFE, allow_inf_nan=False)
    integral = core.no_info_after_validator_function(_integral, double)
    least, largest = (LEAST_EXACT, LARGEST_EXACT) if shape.exact else (-SAFE, SAFE)
    schema: Schema = core.union_schema(
        [core.int_schema(strict=True, ge=least, le=largest), integral],
        mode="left_to_right",
        custom_error_type="integer_type",
        custom_error_message="not an integer",
    )
    steps = [schema]
    if shape.min is not None or shape.max is not None:
        low = None if shape.min is None else int(shape.min)
        high = None if shape.max is None else int(shape.max)
        steps.append(core.int_schema(ge=low, le=high))
    if shape.enum is not None:
        steps.append(core.literal_schema(list(shape.enum)))
    return core.chain_schema(steps) if len(steps) > 1 else schema


def _integral(value: float) -> int:
    """The integer that equals a double. `multiple_of` is not used: it accepts 1000000.0005 and 1e-138 as integers."""
    if not value.is_integer():
        raise ValueError
    return int(value)


def _timestamp(shape: Shape) -> Schema:
    if shape.unit is None:
        time = core.custom_error_schema(
            core.str_schema(pattern=_RFC3339 if shape.zone is None else _ZONED),
            "timestamp",
            custom_error_message="not a date-time of RFC 3339",
        )
        return core.chain_schema([core.str_schema(strict=True, max_length=_LONGEST_TIME), time])
    scale = 1000 if shape.unit == "ms" else 1
    least, largest = FIRST_SECOND * scale, LAST_SECOND * scale
    return core.union_schema(
        [
            core.int_schema(strict=True, ge=least, le=largest),
            core.float_schema(strict=True, ge=least, le=largest, allow_inf_nan=False),
        ],
        mode="left_to_right",
        custom_error_type="epoch_type",
        custom_error_message="not a number",
    )


def violations(
    breaches: Iterable[Breach], names: frozenset[str], structure: frozenset[int] = frozenset()
) -> list[Violation]:
    """A violation for each breach, in the same order. A wrong type at a depth in `structure` is reported as "shape"."""
    violations: list[Violation] = []
    for path, kind, value in breaches:
        code = BY_ERROR.get(kind, "type")
        if code == "type" and len(path) in structure:
            code = "shape"
        elif type(value) is float and isinf(value):
            code = "not_finite"
        elif code == "type" and kind in _NUMBERS and (type(value) is int or (type(value) is float and value.is_integer())):
            code = "not_finite" if not -BEYOND < value < BEYOND else "max" if value > 0 else "min"
        elif code == "type" and value is None:
            code = "null"
        elif kind == "timestamp" and type(value) is str and len(value) <= _LONGEST_TIME and _NAIVE.fullmatch(value):
            code = "offset"
        violations.append(Violation(join(declared(path, names)), code))
    return violations


def declared(path: Iterable[Part], names: frozenset[str]) -> tuple[Part, ...]:
    """The path with a placeholder for each name that is not in `names`, because a client chose it."""
    return tuple(part if isinstance(part, int) or part in names else UNDECLARED for part in path)
