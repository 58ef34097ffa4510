"""The cost of the model's calls by `targets.cost`, and the spent share of the day's budget. Days begin at midnight UTC."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from guard.events import BudgetReached, Publish
from guard.proxy.values import Record
from guard.telemetry.accumulators import Counter, Labels, Series
from guard.telemetry.instruments import COST

DAY: Final = 86400.0
FREE: Final = frozenset(("connect", "tls", "overloaded", "mode", "kill_file", "forced", "breaker_open", "backoff"))
"""Calls that ended so never reached the model."""


class Price(NamedTuple):
    """`targets.cost`, as numbers of one currency."""

    per_request: float
    currency: str
    daily: float | None
    alert_at: float
    per_input_token: float = 0.0
    per_output_token: float = 0.0


class Cost:
    """A Sink. Every call that reached a model server has a price, whichever rung answered in the end."""

    def __init__(self, wall: Callable[[float], float], publish: Publish) -> None:
        self._wall, self._publish = wall, publish
        self.price: Price | None = None
        self.spent = Series(COST, Counter)
        self.day, self.today = 0, 0.0
        self._alerted = 0.0  # the largest share that was alerted today
        self._currency = ""  # of what was spent today

    def declare(self, price: Price | None, routes: Collection[tuple[str, str]], at: float) -> None:
        """Spend by this price on these routes, each a method and a template. `at`: seconds since the epoch.

        Series of other routes and currencies end. What was spent today in another currency is no part of this one's budget.
        """
        self.price = price
        if price is not None:
            self._in_currency(price.currency)

        def is_gone(labels: Labels) -> bool:
            return price is None or labels[2] != price.currency or (bool(labels[1]) and labels[:2] not in routes)

        self.spent.drop(is_gone, at)

    def _in_currency(self, currency: str) -> None:
        if self._currency not in ("", currency):
            self.today, self._alerted = 0.0, 0.0
        self._currency = currency

    def take(self, records: Iterator[Record]) -> None:
        """Add what exchanges cost."""
        price = self.price
        if price is not None:
            for record in records:
                self._spend(record, price)

    def _spend(self, record: Record, price: Price) -> None:
        calls = sum(attempt.failed not in FREE for attempt in record.attempts)
        if not calls:
            return
        amount = calls * price.per_request
        for attempt in record.attempts:
            if attempt.usage is not None:
                amount += attempt.usage.input_tokens * price.per_input_token
                amount += attempt.usage.output_tokens * price.per_output_token
        matched = record.matched
        labels = (matched.method, matched.template) if matched is not None else ("", "")
        self.spent.bind((*labels, price.currency)).value += amount
        self._turn(self._wall(record.ended_at))
        self.today += amount
        self._alert(price)

    def share(self, now: float) -> float | None:
        """The spent share of the day's budget, 0 or more; None without a budget."""
        self._turn(self._wall(now))
        if self.price is None or not self.price.daily:
            return None
        return self.today / self.price.daily

    def state(self) -> dict[str, Any]:
        """The state that a restart restores."""
        return {"day": self.day, "today": self.today, "told": self._alerted, "currency": self._currency}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Go on from there, unless the price is in another currency now; another day is turned at the next exchange.

        Raises KeyError, TypeError and ValueError for a state that is none. Earlier releases kept no currency.
        """
        if str(state.get("currency", "")) in ("", self._currency):
            self.day, self.today, self._alerted = int(state["day"]), float(state["today"]), float(state["told"])

    def _turn(self, wall: float) -> None:
        day = int(wall // DAY)
        if day > self.day:  # and not back, should a clock be set
            self.day, self.today, self._alerted = day, 0.0, 0.0

    def _alert(self, price: Price) -> None:
        if not price.daily:
            return
        share = self.today / price.daily
        for limit in (price.alert_at, 1.0):
            if self._alerted < limit <= share:
                self._alerted = limit
                self._publish(
                    BudgetReached(share=round(share, 4), alert_at=limit, daily=price.daily, currency=price.currency)
                )
