"""`operators.json`: the orders of operators as the state folder keeps them, format 1.

Releases before and after read the format: members are added at the top level and never to an order, because earlier
releases refuse an order with a member that they do not know. A file that cannot be read as a whole is taken for a kill, at
the lowest rung that it still names: damage never lets the model answer.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar

from guard.contract.strict import parse_file
from guard.ladder.mode import KILLED, MODES, NORMAL, Mode, Order, Orders

FORMAT: Final = 1
NAME: Final = "operators.json"
LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999, in seconds since the epoch: what a date can show."""
MOST_EPOCH: Final = 2**53
"""Epochs travel as JSON numbers."""
UNREADABLE: Final = "the orders in the state folder cannot be read"

_MEMBERS: Final = frozenset(field.name for field in fields(Order))
T = TypeVar("T")


class Damaged(Exception):  # noqa: N818
    """The file cannot be read as a whole. `salvaged`: what holds instead, lowered at least to a kill."""

    def __init__(self, salvaged: Orders) -> None:
        super().__init__(UNREADABLE)
        self.salvaged = salvaged


def encode(orders: Orders) -> bytes:
    """The orders as bytes. The kill file is its own record and is left out."""
    document = {
        "format": FORMAT,
        "epoch": orders.epoch,
        "everywhere": asdict(orders.everywhere),
        "routes": {route: asdict(order) for route, order in (orders.routes or {}).items()},
        "forced": dict(orders.forced or {}),
        "observed": {route: asdict(order) for route, order in (orders.observed or {}).items()},
        "decided": dict(orders.last),
    }
    return json.dumps(document).encode()


def decode(raw: bytes, wall: float) -> Orders:
    """The orders that bytes hold. Raises Damaged. `wall`: now, in seconds since the epoch."""
    document: Any = None
    try:
        document = json.loads(raw)
        parse_file(raw)
        return _orders(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise Damaged(_salvaged(document, wall)) from None


def _orders(document: Mapping[str, Any]) -> Orders:
    if document["format"] != FORMAT:
        raise ValueError("another format")
    epoch = _epoch(document["epoch"])
    routes = _mapped(document["routes"], _order)
    observed = _mapped(document["observed"], _order)
    forced = {str(key): str(state) for key, state in document["forced"].items() if state in {"open", "closed"}}
    everywhere = _order(document["everywhere"])
    lowered: list[str | None] = [None] if everywhere.level else []
    # The release before writes no `decided`: then nothing may be raised that was read before the last order of any scope.
    last = _mapped(document["decided"], _epoch) if "decided" in document else dict.fromkeys(_scopes(lowered, routes), epoch)
    return Orders(epoch, everywhere, routes, None, forced, observed, last)


def _scopes(lowered: list[str | None], routes: Mapping[str, Order]) -> list[str]:
    return [*("" for _ in lowered), *routes]


def _mapped(document: Mapping[str, Any], read: Callable[[Any], T]) -> dict[str, T]:
    return {str(key): read(value) for key, value in document.items()}


def _epoch(number: Any) -> int:
    if type(number) is not int or not 0 <= number < MOST_EPOCH:
        raise ValueError("not an epoch")
    return number


def _order(document: Mapping[str, Any]) -> Order:
    order = Order(**document)
    if order.mode not in MODES or not isinstance(order.reason, str) or not isinstance(order.who, str):
        raise ValueError("not an order")
    for at in (order.since, order.until):
        if at is not None and (type(at) not in {int, float} or not math.isfinite(at) or not 0 <= at <= LATEST):
            raise ValueError("not a time")
    return order


def _salvaged(document: Any, wall: float) -> Orders:
    """A kill, at the lowest rung that a damaged document names anywhere: for all routes, and for each route."""
    named = document if isinstance(document, dict) else {}
    routes = named.get("routes")
    orders: dict[str, Order] = {}
    for route, order in routes.items() if isinstance(routes, dict) else ():
        mode = _mode(order)
        if MODES.index(mode) > MODES.index(KILLED):
            orders[str(route)] = Order(mode, UNREADABLE, "guard", wall)
    everywhere = max(KILLED, _mode(named.get("everywhere")), key=MODES.index)
    return Orders(everywhere=Order(everywhere, UNREADABLE, "guard", wall), routes=orders)


def _mode(order: Any) -> Mode:
    mode = order.get("mode") if isinstance(order, dict) else None
    return mode if isinstance(mode, str) and mode in MODES else NORMAL.mode
