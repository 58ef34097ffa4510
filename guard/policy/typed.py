"""Values whose type the policy declares elsewhere: defaults, enum members, and the answers of rules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from guard.dialects.tensors import holds
from guard.policy import scalars
from guard.policy.document import Text
from guard.policy.errors import Path, listed, shown

if TYPE_CHECKING:
    from guard.policy.fields import Shape

_SPECIAL: Final = re.compile(r"[-+]?\.inf\Z|\.nan\Z", re.IGNORECASE)

Fault = tuple[Path, str, str]
"""A path below the value, the fault there, and the expected form."""


class Unreadable(Exception):  # noqa: N818
    """The value does not have its declared type."""

    def __init__(self, message: str, expected: str, path: Path = ()) -> None:
        super().__init__(message)
        self.fault: Fault = (path, message, expected)


def plain(value: Any) -> Any:
    """A value without a declared type, by YAML 1.2's core schema."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if not isinstance(value, Text) or not value.plain:
        return str(value) if isinstance(value, str) else value
    if value.null:
        return None
    if value in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return value.lower() == "true"
    parsed = scalars.number(value)
    return str(value) if parsed is None else parsed


def read(value: Any, field: "Shape") -> Any:
    """A value of the declared type. Raises Unreadable."""
    if isinstance(value, Text) and value.null and not (field.type == "string" and value == ""):
        if field.nullable:
            return None
        raise Unreadable("null, and the field is not nullable", _EXAMPLE[field.type])
    if field.type == "array":
        return _array(value, field)
    if field.type == "object":
        return _object(value, field)
    return _scalar(value, field)


_EXAMPLE: Final = {
    "string": "text",
    "integer": "an integer such as 18",
    "number": "a number such as 0.5",
    "boolean": "true or false",
    "timestamp": "a time such as 2025-01-31T12:00:00Z",
    "array": "a list",
    "object": "a mapping",
}


def _scalar(value: Any, field: "Shape") -> Any:
    expected = _EXAMPLE[field.type]
    if not isinstance(value, str):
        raise Unreadable("a list or mapping where one value belongs", expected)
    unquoted = getattr(value, "plain", True)
    kind = "number" if field.type == "timestamp" and field.unit else field.type
    parsed: Any = None
    if kind == "string":
        return str(value)
    if kind == "timestamp":
        time = _time(value)
        if time is not None and time.tzinfo is None and field.zone is None:
            raise Unreadable(f"{shown(value)} has no offset from UTC", "one such as Z or +02:00, or `zone` on the field")
        parsed = str(value) if time is not None else None
    elif kind == "boolean":
        parsed = {"true": True, "false": False}.get(value) if unquoted else None
    elif unquoted:
        parsed = scalars.integer(value) if kind == "integer" else scalars.number(value)
    if parsed is None:
        why = "" if unquoted or kind == "timestamp" else " (it is quoted, so it is text)"
        raise Unreadable(f"{shown(value)} is not {_EXAMPLE[kind].partition(' such ')[0]}{why}", _EXAMPLE[kind])
    return parsed


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def is_zone(name: str) -> bool:
    """Whether the IANA time zone database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, no name at all, a folder of the database
        return False
    return True


def _array(value: Any, field: "Shape") -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise Unreadable("not a list", "a list")
    if field.items is None:
        return [plain(item) for item in value]
    return [_inside(item, field.items, index) for index, item in enumerate(value)]


def _object(value: Any, field: "Shape") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable("not a mapping", "a mapping")
    known = field.fields
    if known is None:
        return {str(key): plain(item) for key, item in value.items()}
    for key in value:
        if key not in known:
            raise Unreadable("not a declared field", f"one of {listed(known)}" if known else "no key", (key,))
    for name, inner in known.items():
        if inner.required and name not in value:
            raise Unreadable(f"the required field {shown(name)} is missing", "", ())
    return {str(key): _inside(item, known[key], key) for key, item in value.items()}


def _inside(value: Any, field: "Shape", step: str | int) -> Any:
    try:
        parsed = read(value, field)
    except Unreadable as error:
        path, message, expected = error.fault
        raise Unreadable(message, expected, (step, *path)) from None
    for path, message, expected in breaches(parsed, field):
        raise Unreadable(message, expected, (step, *path))
    return parsed


def breaches(value: Any, field: "Shape") -> Iterator[Fault]:
    """Faults of a value that has the right type and breaks the field's bounds."""
    if value is None:
        return
    if field.enum is not None and not any(type(value) is type(member) and value == member for member in field.enum):
        yield (), f"{shown(str(value))} is not in the enum", f"one of {listed(str(member) for member in field.enum)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.min is not None and value < field.min:
            yield (), f"{value} is below min", f"at least {field.min}"
        if field.max is not None and value > field.max:
            yield (), f"{value} is above max", f"at most {field.max}"
    if isinstance(value, str) and field.type == "string":
        yield from _sized(len(value), field.min_length, field.max_length, "characters")
        if field.pattern is not None and not _fits(value, field.pattern):
            yield (), f"{shown(value)} does not match the pattern", f"text that matches {field.pattern}"
    if isinstance(value, list):
        yield from _sized(len(value), field.min_items, field.max_items, "items")
    datatype = getattr(field, "datatype", None)
    if datatype is not None and not holds(value if isinstance(value, list) else [value], datatype):
        yield (), f"{shown(str(value))} is not a value of {datatype}", f"values that {datatype} has"


def _sized(size: int, least: int | None, most: int | None, noun: str) -> Iterator[Fault]:
    if least is not None and size < least:
        yield (), f"{size} {noun} are too few", f"at least {least}"
    if most is not None and size > most:
        yield (), f"{size} {noun} are too many", f"at most {most}"


def _fits(text: str, pattern: str) -> bool:
    try:
        _compiled(pattern).validate_python(text)
    except (ValidationError, SchemaError):
        return False
    return True


def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def pattern_fault(pattern: str) -> str:
    """The reason why the linear-time engine (Rust's regex, as in the contract) refuses a pattern; empty if it does not."""
    try:
        _compiled(pattern)
    except SchemaError as error:
        last = str(error).strip().splitlines()[-1].strip()
        return last.removeprefix("error: ") or "not a regular expression"
    return ""
