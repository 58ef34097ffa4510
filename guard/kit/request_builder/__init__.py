"""Requests of a route, built from its contract in each layout that clients of its dialect send.

Here: one file for each dialect or family, written from its protocol and keyed by the dialect's name.
Not here: code of `guard.dialects`, which is what these requests test; and what a rehearsal sends (`guard.kit.rehearse`).

A dialect without a line here has a list of instances in the member `instances`.
"""

from typing import Final

from guard.kit.request_builder import json, kserve, mlflow, oip, openai, sagemaker, tfserving, vertex
from guard.kit.request_builder.rows import rows
from guard.kit.request_builder.values import Builder, Layout
from guard.policy.route import Route

BUILDERS: Final[dict[str, Builder]] = {
    item.NAME: item.BUILDER for item in (json, kserve, mlflow, oip, openai, sagemaker, tfserving, vertex)
}
"""Builders by the dialect's name."""


def _instances(_template: str, route: Route) -> tuple[Layout, ...]:
    return (rows(route, "instances", ()),)


_OTHER: Final = Builder(_instances)


def builder(route: Route) -> Builder:
    """The builder of a route's dialect."""
    return BUILDERS.get(route.dialect, _OTHER)


def layouts(key: str, route: Route) -> tuple[Layout, ...]:
    """The layouts of a route with declared fields, by the route's key."""
    return builder(route).layouts(key.partition(" ")[2], route)
