"""The base of all events."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar, dataclass_transform

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]
Enforcement: TypeAlias = Literal["enforce", "observe"]
SPELLED: Final = {"before": "from", "after": "to"}
"""The keys of an order's line that are called otherwise than the field: `from` is a word of Python's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events. `name`: what its line in the log is called. `severity`: a level of `logging`."""

    name: ClassVar[str] = ""
    severity: ClassVar[int] = logging.INFO

    @property
    def level(self) -> int:
        """The level of its line: the type's, unless the type says that it depends."""
        return self.severity

    def keys(self) -> Mapping[str, Any]:
        """The fields as its line in the log has them. For writers of lines only: nothing is decided by it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


Declared = TypeVar("Declared", bound=Event)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def event(name: str = "", severity: int | None = None) -> Callable[[type[Declared]], type[Declared]]:
    """A decorator that makes a class an event: frozen, with slots, fields by name only.

    `name`: what its line in the log is called; none for a base class. `severity`: that of the class below, if None.
    """

    def declare(cls: type[Declared]) -> type[Declared]:
        cls.name = name
        if severity is not None:
            cls.severity = severity
        return dataclass(frozen=True, slots=True, kw_only=True)(cls)

    return declare


Publish: TypeAlias = Callable[[Event], None]
"""A function that publishes an event. It never raises, and may be called from any thread."""
