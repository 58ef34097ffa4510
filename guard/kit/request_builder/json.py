"""Builds requests of plain JSON, laid out as the route's `rows` and `columns` say."""

from collections.abc import Sequence
from typing import Any, Final

from guard.contract.fields import split
from guard.dialects.json import Json
from guard.kit.request_builder.values import Builder, Carried, Instance, Layout, tree, written
from guard.policy.route import Route

NAME: Final = Json.name


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (_json(route),)


def _json(route: Route) -> Layout:
    def laid(row: Instance) -> Any:
        return [row.get(name) for name in route.columns] if route.columns is not None else tree(route, row)

    positional = route.columns is not None
    if route.rows is None:
        return Layout("instance", lambda rows: written(laid(rows[0])), positional=positional, batches=False)
    way = split(route.rows)

    def carry(rows: Sequence[Instance]) -> Carried:
        document: Any = [laid(row) for row in rows]
        for step in reversed(way):
            document = {step: document}
        return written(document)

    return Layout("rows", carry, positional=positional)


BUILDER: Final = Builder(_layouts)
