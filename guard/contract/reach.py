"""Reads, replaces and removes what stands at one place of a document; what is not changed is shared."""

from typing import Final

from guard.contract.instances import Steps

ABSENT: Final = object()


def reach(value: object, path: Steps) -> object:
    """What stands at the end of `path`; ABSENT where nothing does."""
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def replaced(value: object, path: Steps, by: object) -> object:
    """The document with `by` at the end of `path`, which is there."""
    if not path:
        return by
    assert isinstance(value, dict)
    return {**value, path[0]: replaced(value[path[0]], path[1:], by)}


def without(value: object, path: Steps) -> object:
    """The document without what stands at the end of `path`."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: item for name, item in value.items() if name != path[0]}
    return {**value, path[0]: without(value[path[0]], path[1:])}
