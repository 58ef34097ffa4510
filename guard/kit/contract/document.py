"""Contract → what `guard contract --json` prints (docs/contract.schema.json)."""

from dataclasses import asdict
from typing import Any

from guard.kit.contract.values import Document


def document(made: Document) -> dict[str, Any]:
    """Plain values. What is declared of a field stands beside what becomes of it."""
    found: dict[str, Any] = {"valid": True, **asdict(made)}
    found["owners"] = dict(made.owners)
    for route in found["routes"]:
        for side in ("fields", "outputs"):
            route[side] = [{**row.pop("shape"), **row} for row in route[side]]
        if route["example"] is not None:
            route["example"]["headers"] = dict(route["example"]["headers"])
    return found
