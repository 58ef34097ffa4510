"""Checks that fail in the same way are one finding: a model that crashes on a text crashes on many."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MOST_FIELDS = 12
MOST_ROUTES = 3


class Finding(NamedTuple):
    """One or more checks of a part."""

    part: str
    result: str
    names: Sequence[str]
    route: str
    fields: Sequence[str]
    sent: Sequence[str]
    expected: str
    got: str
    todo: str
    failed: int
    tried: int

    @property
    def name(self) -> str:
        """The result of the check, in words."""
        return ", ".join(self.names)

    @property
    def share(self) -> str:
        """The number of failed requests and of all; empty if it is trivial."""
        return f"{self.failed} of {self.tried} requests" if self.failed and self.tried > 1 else ""

    @property
    def named(self) -> str:
        """The fields, the first few."""
        more = len(self.fields) - MOST_FIELDS
        return ", ".join(self.fields[:MOST_FIELDS]) + (f" and {more} more" if more > 0 else "")


def findings(parts: Iterable[Mapping[str, Any]], results: Sequence[str]) -> list[Finding]:
    """The checks with these results, in the order of the parts."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for part in parts:
        for check in part["checks"]:
            if check["result"] in results:
                alike = ("result", "expected", "got", "todo")
                groups.setdefault((part["title"], *(check[key] for key in alike)), []).append(check)
    return [_finding(key, checks) for key, checks in groups.items()]


def _finding(key: tuple[str, ...], checks: Sequence[Mapping[str, Any]]) -> Finding:
    part, result, expected, got, todo = key
    routes = _once(check["route"] for check in checks if check["route"])
    more = len(routes) - MOST_ROUTES
    return Finding(
        part, result, _once(check["name"] for check in checks),
        ", ".join(routes[:MOST_ROUTES]) + (f" and {more} more routes" if more > 0 else ""),
        _once(field for check in checks for field in check["fields"]),
        _once(check["sent"] for check in checks if check["sent"]), expected, got, todo,
        sum(check["failed"] for check in checks), sum(check["tried"] for check in checks),
    )  # fmt: skip


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
