"""Values of a page → plain values, which JSON and templates take."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: Any, written: Mapping[type, Callable[[Any], Mapping[str, Any]]]) -> Any:
    """Dataclasses as mappings of their fields, in order; `written`: how values of some types are written instead."""
    if (own := written.get(type(value))) is not None:
        return {name: plain(item, written) for name, item in own(value).items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), written) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(item, written) for name, item in value.items()}
    return [plain(item, written) for item in value] if isinstance(value, list | tuple) else value
