"""Builds requests of MLflow's scoring server."""

from collections.abc import Sequence
from typing import Final

from guard.dialects.mlflow import MLflow
from guard.kit.request_builder.rows import as_csv, parted
from guard.kit.request_builder.rows import rows as by_rows
from guard.kit.request_builder.values import Builder, Carried, Instance, Layout, written
from guard.policy.route import Route

NAME: Final = MLflow.name
_BESIDE: Final = frozenset(("params",))


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (by_rows(route, "dataframe_records", _BESIDE), _split(route), as_csv(route, header=True))


def _split(route: Route) -> Layout:
    def carry(rows: Sequence[Instance]) -> Carried:
        trees, shared = parted(route, rows, _BESIDE)
        names = list(trees[0]) if trees else [next(iter(route.inputs))]
        data = [[tree.get(name) for name in names] for tree in trees]
        return written({"dataframe_split": {"columns": names, "data": data}, **shared})

    return Layout("split", carry)


BUILDER: Final = Builder(_layouts, nan_is_null=True)
