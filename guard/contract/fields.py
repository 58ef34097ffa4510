"""Interfaces of declared fields, from which a contract is compiled; the policy's models have these attributes."""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

FieldType: TypeAlias = Literal["string", "integer", "number", "boolean", "timestamp", "array", "object"]
Part: TypeAlias = str | int


class ContractInvalid(ValueError):  # noqa: N818 — a word of the domain
    """The error for a declaration that cannot be compiled. `path` leads to it from the mapping of fields."""

    def __init__(self, message: str, path: tuple[Part, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Freshness(Protocol):
    """Bounds on the age of a timestamp, in seconds."""

    @property
    def warn(self) -> float: ...
    @property
    def stale(self) -> float: ...
    @property
    def skew(self) -> float: ...


class Shape(Protocol):
    """The declared type and limits of a value at any place: a field, an item or a member."""

    @property
    def type(self) -> FieldType: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def zone(self) -> str | None: ...
    @property
    def min(self) -> int | float | None: ...
    @property
    def max(self) -> int | float | None: ...
    @property
    def enum(self) -> tuple[object, ...] | None: ...
    @property
    def exact(self) -> bool: ...
    @property
    def required(self) -> bool: ...
    @property
    def nullable(self) -> bool: ...
    @property
    def has_default(self) -> bool: ...
    @property
    def default(self) -> object: ...
    @property
    def pattern(self) -> str | None: ...
    @property
    def min_length(self) -> int | None: ...
    @property
    def max_length(self) -> int | None: ...
    @property
    def min_items(self) -> int | None: ...
    @property
    def max_items(self) -> int | None: ...
    @property
    def detect(self) -> tuple[str, ...]: ...
    @property
    def items(self) -> "Shape | None": ...
    @property
    def fields(self) -> "Mapping[str, Shape] | None": ...


class InputField(Shape, Protocol):
    """A field of an instance. `at` is a JSON pointer (RFC 6901) from the instance; without it, the field's name."""

    @property
    def at(self) -> str | None: ...
    @property
    def send(self) -> bool: ...
    @property
    def missing(self) -> Literal["deny", "fall"]: ...
    @property
    def freshness(self) -> Freshness | None: ...


class OutputField(Shape, Protocol):
    """An output. `at` is a JSON pointer from the body's root, with at most one `*` for every element of a list."""

    @property
    def at(self) -> str | None: ...
    @property
    def from_(self) -> Literal["model"] | None: ...


def split(pointer: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901 §4)."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def join(parts: "tuple[Part, ...]") -> str:
    """The JSON pointer of these reference tokens (RFC 6901 §3)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
