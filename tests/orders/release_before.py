"""How the release before reads `operators.json`, kept as it was: what this release writes must be read by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1
MODES = ("normal", "previous", "cached", "rules", "disabled")


@dataclass(frozen=True)
class Order:
    mode: str = "normal"
    reason: str = ""
    who: str = ""
    since: float = 0.0
    until: float | None = None


def read(document: Mapping[str, Any]) -> tuple[int, Order, dict[str, Order], dict[str, str], dict[str, Order]]:
    """Epoch, the order for all routes, those of routes, forced breakers, observed routes. Raises what made it kill."""
    if document["format"] != FORMAT:
        raise ValueError("another format")
    routes = {str(route): _order(order) for route, order in document["routes"].items()}
    forced = {str(key): str(state) for key, state in document["forced"].items() if state in {"open", "closed"}}
    observed = {str(route): _order(order) for route, order in document["observed"].items()}
    return int(document["epoch"]), _order(document["everywhere"]), routes, forced, observed


def _order(fields: Mapping[str, Any]) -> Order:
    order = Order(**fields)
    if order.mode not in MODES or not isinstance(order.until, float | int | None):
        raise ValueError("not an order")
    return order
