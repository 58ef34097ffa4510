"""Report → what `guard privacy --json` prints (docs/privacy.schema.json)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from guard.kit.privacy.values import Report


def document(report: Report) -> dict[str, Any]:
    """Plain values. What is declared of a field stands beside its forms."""
    made: dict[str, Any] = {"valid": True, **asdict(report)}
    for route in made["routes"]:
        for side in ("inputs", "outputs"):
            route[side] = [_flat(row) for row in route[side]]
    return made


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row["value"], **{name: value for name, value in row.items() if name != "value"}}
