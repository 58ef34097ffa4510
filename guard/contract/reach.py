"""Reads, replaces and removes the value at one path of a document; unchanged parts are shared."""

from typing import Final

from guard.contract.instances import Steps

ABSENT: Final = object()


def reach(value: object, path: Steps) -> object:
    """The value at the end of `path`; ABSENT if there is none."""
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def replaced(value: object, path: Steps, by: object) -> object:
    """The document with `by` at the end of `path`, which must exist."""
    if not path:
        return by
    assert isinstance(value, dict)
    return {**value, path[0]: replaced(value[path[0]], path[1:], by)}


def without(value: object, path: Steps) -> object:
    """The document without the value at the end of `path`."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: item for name, item in value.items() if name != path[0]}
    return {**value, path[0]: without(value[path[0]], path[1:])}
