"""Builds requests of Vertex AI's custom containers."""

from typing import Final

from guard.dialects.vertex import Vertex
from guard.kit.request_builder.rows import rows
from guard.kit.request_builder.values import Builder, Layout
from guard.policy.route import Route

NAME: Final = Vertex.name
_BESIDE: Final = frozenset(("parameters",))


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (rows(route, "instances", _BESIDE),)


BUILDER: Final = Builder(_layouts)
