"""Builds requests of TensorFlow Serving's predict API."""

from typing import Final

from guard.dialects.tfserving import TensorFlowServing
from guard.kit.request_builder.rows import columns, rows
from guard.kit.request_builder.values import Builder, Layout
from guard.policy.route import Route

NAME: Final = TensorFlowServing.name
_BESIDE: Final = frozenset(("signature_name", "context"))


def _layouts(_template: str, route: Route) -> tuple[Layout, ...]:
    return (rows(route, "instances", _BESIDE), columns(route, "inputs", _BESIDE))


BUILDER: Final = Builder(_layouts, nan_is_null=True)
