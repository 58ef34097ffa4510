"""State that outlives a reload: connections, slots, and whatever else is not the policy's to forget."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Runtime:
    """What was made for the plan in force, by key, with the configuration it was made from."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[Hashable, Any]] = {}

    def draft(self) -> "Draft":
        """Begin the next plan."""
        return Draft(self._made)

    def adopt(self, draft: "Draft") -> list[Any]:
        """The plan that was made from `draft` is in force now. Returns what nothing refers to any more."""
        kept = {id(value) for _, value in draft.made.values()}
        dropped = [value for _, value in self._made.values() if id(value) not in kept]
        self._made = draft.made
        return dropped

    def __iter__(self) -> Iterator[tuple[Hashable, Any]]:
        """Keys and what is in force for them."""
        return ((key, value) for key, (_, value) in self._made.items())


class Draft:
    """What the next plan will have: kept where its configuration is the same, made anew where it is not."""

    def __init__(self, before: dict[Hashable, tuple[Hashable, Any]]) -> None:
        self._before = before
        self.made: dict[Hashable, tuple[Hashable, Any]] = {}

    def take(self, key: Hashable, config: Hashable, make: Callable[[], T]) -> T:
        """What stands for `key`, made with `make` unless it was made from the same `config` before."""
        found = self.made.get(key) or self._before.get(key)
        if found is None or found[0] != config:
            found = (config, make())
        self.made[key] = found
        value: T = found[1]
        return value
