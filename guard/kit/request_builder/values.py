"""The product of request builders, and the steps that they share.

An instance is what a contract sees: values by field name. Builders are written from the protocols' own documents, and use
no code of `guard.dialects` but a dialect's name, so that what is built here is a check of what is read there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from guard.contract.fields import split
from guard.policy.route import Route

Instance: TypeAlias = Mapping[str, Any]
JSON: Final = "application/json"
CSV: Final = "text/csv"


class Carried(NamedTuple):
    """A request's body."""

    content_type: str
    body: bytes
    document: Any  # None where the body is no JSON


class Layout(NamedTuple):
    """One way to carry instances."""

    name: str
    carry: Callable[[Sequence[Instance]], Carried]
    positional: bool = False  # a value has a place in its row, so none can be left out
    textual: bool = False  # values are text: a number is one whatever its quotes
    batches: bool = True  # takes any number of instances


class Builder(NamedTuple):
    """The request builder of one dialect."""

    layouts: Callable[[str, Route], tuple[Layout, ...]]
    """The layouts that clients send, for the template of a route; the usual one first."""
    virtual: frozenset[str] = frozenset()
    """Fields that a contract sees and no request has."""
    nan_is_null: bool = False
    """Whether its servers read the token NaN as a missing value."""


def written(document: Any) -> Carried:
    """A JSON document as a body. Characters are sent as they are, half a surrogate pair escaped."""
    text = json.dumps(document, ensure_ascii=False)
    return Carried(JSON, text.encode("utf-8") if _is_whole_number(text) else json.dumps(document).encode(), document)


def _is_whole_number(text: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def single(name: str, make: Callable[[Instance], Any]) -> Layout:
    """The layout of requests that carry one instance, as `make` writes it."""
    return Layout(name, lambda rows: written(make(rows[0])), batches=False)


def tree(route: Route, row: Instance) -> dict[str, Any]:
    """An instance as a document, each field in its place; names that no field has stand as they are."""
    document: dict[str, Any] = {}
    for name, value in row.items():
        at = route.inputs[name].at if name in route.inputs else None
        *parents, last = [name] if at is None else split(at)
        below = document
        for part in parents:
            below = below.setdefault(part, {})
        below[last] = value
    return document
