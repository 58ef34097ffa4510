"""Report → what `guard privacy --json` prints (docs/privacy.schema.json)."""

from dataclasses import fields
from typing import Any, Final

from guard.kit.plain import plain
from guard.kit.privacy.values import Input, Output, Report, RouteReport

_BODIES: Final = {"unread": "undeclared"}
"""Words of the document where they are not the description's."""


def document(report: Report) -> dict[str, Any]:
    """Plain values. What is declared of a field stands beside its forms."""
    return {"valid": True, **plain(report, {Input: _row, Output: _row, RouteReport: _route})}


def _route(route: RouteReport) -> dict[str, Any]:
    row = {field.name: getattr(route, field.name) for field in fields(route)}
    return {**row, "body": _BODIES.get(route.body, route.body)}


def _row(row: Input | Output) -> dict[str, Any]:
    value = row.value
    required = {"required": value.shape.required} if isinstance(row, Input) else {}
    return {
        "name": value.name, "pointer": value.place, "text": value.text, "sensitivity_from": value.sensitivity_from,
        "origin": "derived" if value.derived else "raw", "detect": value.shape.detect,
        "treatment": value.shape.treatment, "parts": value.parts, **required, **value.facts(),
        **{field.name: getattr(row, field.name) for field in fields(row) if field.name != "value"},
    }  # fmt: skip
