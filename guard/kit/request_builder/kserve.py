"""Builds requests of KServe's V1 protocol."""

from typing import Final

from guard.dialects.kserve import KServe
from guard.kit.request_builder.rows import rows
from guard.kit.request_builder.values import Builder, Layout
from guard.policy.route import Route

NAME: Final = KServe.name
_BESIDE: Final = frozenset(("parameters",))


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (rows(route, "instances", _BESIDE),)


BUILDER: Final = Builder(_layouts)
