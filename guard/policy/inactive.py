"""What a policy may declare that has no effect yet in this version. `guard check` says so plainly.

One table, empty while everything acts. Each line is a pattern (`*` is one key or index, a pattern covers everything below
it) and half a sentence. A key leaves the table in the change that makes it act. Keys that only document (`description`,
`meaning`, `derived`, `calibration`, `unit` of what is not a time) never act and are not listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from guard.policy.document import Items, Tree
from guard.policy.errors import Path, Place
from guard.policy.load import Loaded

TABLE: Final[dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Inactive:
    """A declared key without effect: its pattern in the table, why, and every place where it was written."""

    pattern: str
    why: str
    places: tuple[Place, ...]

    def __str__(self) -> str:
        first, more = self.places[0], len(self.places) - 1
        return f"{first}: declared but not active yet: {self.pattern} ({self.why})" + (f" and {more} more" if more else "")


def inactive(loaded: Loaded) -> list[Inactive]:
    """What was written in the files, defaults not counted, and has no effect; in the table's order."""
    found: dict[str, list[Place]] = {}
    for path, place in _written(loaded.tree):
        pattern = next((pattern for pattern in TABLE if matches(pattern, path)), None)
        if pattern is not None:
            found.setdefault(pattern, []).append(place)
    return [Inactive(pattern, why, tuple(found[pattern])) for pattern, why in TABLE.items() if pattern in found]


def matches(pattern: str, path: Path) -> bool:
    """Whether a path is exactly the pattern's."""
    parts = pattern.split(".")
    return len(parts) == len(path) and all(part in {"*", key} for part, key in zip(parts, path, strict=True))


def _written(node: Tree | Items, path: Path = ()) -> Iterator[tuple[Path, Place]]:
    """Every key that was written. The items of a ladder count as keys of it."""
    if isinstance(node, Items):
        for item in node:
            if isinstance(item, Tree):
                yield from _written(item, path)
        return
    for key, value in node.items():
        below = (*path, key)
        yield below, node.places[key]
        if _opaque(below, value):
            continue
        if isinstance(value, Tree | Items):
            yield from _written(value, below)


def _opaque(path: Path, value: object) -> bool:
    """Whether the keys below are data and not the policy's."""
    if path[-1] == "fallback" and isinstance(value, Tree):
        return True
    named = len(path) > 1 and path[-2] in {"input", "output", "fields"}
    return not named and path[-1] in {"default", "enum", "rules", "disabled", "configuration"}
