"""A policy as it is in force: every value, with the file and line that set it, or `# default`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guard.policy import typed
from guard.policy.document import Text
from guard.policy.errors import Path, Place
from guard.policy.loading import Loaded

_BARE = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.%@+:-]*(?: [A-Za-z0-9_/.(][A-Za-z0-9_/.%@+:()-]*)*\Z", re.ASCII)
_INDENT = "  "
_COLUMN = 60
_TOLD = frozenset({"type", "required", "sensitivity", "at"})
"""Keys of a field that are worth a line where they are defaults; a field has twenty."""


def dump(loaded: Loaded) -> str:
    """The merged policy as YAML that loads again; values that are absent, and stay so by default, are left out."""
    meaning = loaded.policy.model_dump(by_alias=True, exclude_none=True, exclude={"extends"})
    return "".join(f"{line}\n" for line in _mapping(meaning, (), "", loaded))


def _origin(path: Path, loaded: Loaded) -> str:
    place = loaded.origin(path) or _shorthand(path, loaded)
    return f"{place.file}:{place.line}" if place else "default"


def _shorthand(path: Path, loaded: Loaded) -> Place | None:
    """`upstream: URL` sets `upstream.url`: the place of the nearest scalar above."""
    node: Any = loaded.tree
    for part in path:
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, Sequence) and not isinstance(node, str) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            break
        if isinstance(node, Text):
            return node.place if part == path[-1] or path[-1] == "url" else None
    return None


def _mapping(value: Mapping[str, Any], path: Path, indent: str, loaded: Loaded) -> Iterator[str]:
    for key, item in value.items():
        below = (*path, key)
        if "sensitivity" in value and key not in _TOLD and loaded.origin(below) is None:
            continue
        if item in ({}, [], ()) and loaded.origin(below) is None:
            continue
        yield from _item(f"{indent}{_scalar(key)}:", item, below, indent, loaded)


def _item(head: str, value: Any, path: Path, indent: str, loaded: Loaded) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        if lines := list(_mapping(value, path, indent + _INDENT, loaded)):
            yield head
            yield from lines
    elif isinstance(value, list | tuple) and value and any(isinstance(item, Mapping) for item in value):
        yield head
        for index, item in enumerate(value):
            yield from _dashed(item, (*path, index), indent + _INDENT, loaded)
    else:
        yield f"{f'{head} {_inline(value)}':<{_COLUMN}} # {_origin(path, loaded)}"


def _dashed(value: Any, path: Path, indent: str, loaded: Loaded) -> Iterator[str]:
    """A list item that is a mapping: the first key stands on the line of the dash."""
    if not isinstance(value, Mapping) or not value:
        yield from _item(f"{indent}-", value, path, indent, loaded)
        return
    first, *rest = _mapping(value, path, indent + _INDENT, loaded)
    yield f"{indent}- {first.removeprefix(indent + _INDENT)}"
    yield from rest


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            plain = _BARE.match(value) and isinstance(typed.plain(Text.at(value, Place(""))), str)
            return value if plain and not value.endswith(":") and ": " not in value else _quoted(value)
        case _:
            return str(value)


def _quoted(text: str) -> str:
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return (
        '"'
        + "".join(
            character if character.isprintable() and character not in '"\\' else f"\\U{ord(character):08x}"
            for character in text
        )
        + '"'
    )
