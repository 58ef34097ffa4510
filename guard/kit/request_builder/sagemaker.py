"""Builds requests of SageMaker's containers."""

from typing import Final

from guard.dialects.sagemaker import SageMaker
from guard.kit.request_builder.rows import as_csv, rows
from guard.kit.request_builder.values import Builder, Layout
from guard.policy.route import Route

NAME: Final = SageMaker.name
_BESIDE: Final = frozenset(("configuration",))


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (rows(route, "instances", _BESIDE), *((as_csv(route, header=False),) if route.columns else ()))


BUILDER: Final = Builder(_layouts)
