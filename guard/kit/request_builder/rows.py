"""Layouts of the dialects whose requests are a list of instances beside other members: by rows, by columns, as CSV."""

import csv
import io
from collections.abc import Collection, Sequence
from typing import Any

from guard.kit.request_builder.values import CSV, Carried, Instance, Layout, tree, written
from guard.policy.route import Route


def rows(route: Route, member: str, beside: Collection[str]) -> Layout:
    """A list of instances in `member`; fields named in `beside` stand beside it."""
    positional = route.columns is not None

    def carry(instances: Sequence[Instance]) -> Carried:
        trees, shared = parted(route, instances, beside)
        laid: list[Any] = [[row.get(name) for name in route.columns] for row in instances] if route.columns else trees
        return written({member: laid, **shared})

    return Layout(member, carry, positional=positional)


def columns(route: Route, member: str, beside: Collection[str]) -> Layout:
    """A list of values for each field, in `member`."""

    def carry(rows: Sequence[Instance]) -> Carried:
        trees, shared = parted(route, rows, beside)
        names = list(trees[0]) if trees else [next(iter(route.inputs))]
        return written({member: {name: [item.get(name) for item in trees] for name in names}, **shared})

    return Layout("columns", carry)


def as_csv(route: Route, *, header: bool) -> Layout:
    """RFC 4180, a row for each instance."""

    def carry(rows: Sequence[Instance]) -> Carried:
        names = list(route.columns or (rows[0] if rows else [next(iter(route.inputs))]))
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        if header:
            writer.writerow(names)
        writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
        return Carried(CSV, out.getvalue().encode("utf-8", "replace"), None)

    return Layout("csv", carry, positional=not header, textual=True)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def parted(route: Route, rows: Sequence[Instance], beside: Collection[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The instances as documents, and the members that stand beside them in the body."""
    trees = [tree(route, row) for row in rows]
    shared = {name: value for name, value in (trees[0] if trees else {}).items() if name in beside}
    return [{name: value for name, value in item.items() if name not in beside} for item in trees], shared
