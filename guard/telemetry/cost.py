"""The cost of the model's calls by `targets.cost`, as a metric."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from guard.proxy.values import Attempt, Record
from guard.telemetry.accumulators import Counter, Labels, Series
from guard.telemetry.instruments import COST

FREE: Final = frozenset(("connect", "tls", "overloaded", "mode", "kill_file", "forced", "breaker_open", "backoff"))
"""Calls that ended so never reached the model."""
UNIT: Final = 1e12
"""Units of `Attempt.cost` in one unit of the currency."""


class Price(NamedTuple):
    """`targets.cost`, as numbers of one currency."""

    per_request: float
    currency: str
    per_input_token: float = 0.0
    per_output_token: float = 0.0


class Cost:
    """A Sink. Every call that reached a model server has a price, whichever rung answered in the end."""

    def __init__(self) -> None:
        self.price: Price | None = None
        self.spent = Series(COST, Counter)

    def declare(self, price: Price | None, routes: Collection[tuple[str, str]], at: float) -> None:
        """Spend by this price on these routes, each a method and a template. `at`: seconds since the epoch.

        Series of other routes and currencies end.
        """
        self.price = price

        def is_gone(labels: Labels) -> bool:
            return price is None or labels[2] != price.currency or (bool(labels[1]) and labels[:2] not in routes)

        self.spent.drop(is_gone, at)

    def take(self, records: Iterator[Record]) -> None:
        """Add what exchanges cost."""
        price = self.price
        if price is not None:
            for record in records:
                self._spend(record, price)

    def _spend(self, record: Record, price: Price) -> None:
        amount, called = 0.0, False
        for attempt in record.attempts:
            if attempt.cost >= 0:  # a budget has settled it
                amount += attempt.cost / UNIT
                called = called or attempt.cost > 0
            elif attempt.failed not in FREE:
                amount += _worth(attempt, price)
                called = True
        if not called:
            return
        matched = record.matched
        labels = (matched.method, matched.template) if matched is not None else ("", "")
        self.spent.bind((*labels, price.currency)).value += amount


def _worth(attempt: Attempt, price: Price) -> float:
    usage = attempt.usage
    if usage is None:
        return price.per_request
    return price.per_request + usage.input_tokens * price.per_input_token + usage.output_tokens * price.per_output_token
