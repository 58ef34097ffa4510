"""Prices of calls, and the budgets that they are counted against."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag

from guard.policy.document import Text
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.scalars import Boolean, Positive, Price, Share

LIST: Final = "‹list›"
ONE: Final = "‹one›"


def _is_one(data: object) -> str:
    return ONE if isinstance(data, Text | str | float) else LIST


Shares = Annotated[
    Annotated[tuple[Share, ...], Field(min_length=1, max_length=10), Tag(LIST)] | Annotated[Share, Tag(ONE)],
    Discriminator(_is_one),
]


class Prices(PolicyModel):
    """Prices of the calls to one model server."""

    per_request: Price | None = None
    per_million_input_tokens: Price | None = Field(default=None, description="Price, if the dialect reports usage.")
    per_million_output_tokens: Price | None = None

    def finish(self, report: Report) -> Self:
        """One currency."""
        prices = [(name, price) for name in self.names() if (price := getattr(self, name)) is not None]
        for name, price in prices[1:]:
            first, expected = prices[0][0], prices[0][1].currency
            if price.currency != expected:
                report((name,), f"{name} and {first} are in different currencies", expected)
        return self

    @staticmethod
    def names() -> tuple[str, ...]:
        """Keys that are amounts of money."""
        return ("per_request", "per_million_input_tokens", "per_million_output_tokens")

    @property
    def by_token(self) -> bool:
        """Whether tokens are paid for."""
        return self.per_million_input_tokens is not None or self.per_million_output_tokens is not None

    @property
    def priced(self) -> bool:
        """Whether requests or tokens are paid for, and not with nothing."""
        prices = (self.per_request, self.per_million_input_tokens, self.per_million_output_tokens)
        return any(price is not None and price.amount > 0 for price in prices)


class Cost(Prices):
    """Prices of calls and the daily budget."""

    daily: Price | None = None
    alert_at: Shares = 0.75
    on_spent: Literal["alert", "next", "deny"] = "alert"
    strict: Boolean | None = None
    max_output_tokens: Positive | None = None

    def finish(self, report: Report) -> Self:
        """One currency, and a budget where something happens once it is spent."""
        acting = self.on_spent != "alert"
        if acting and self.daily is None:
            report(("on_spent",), "there is no budget that could be spent", "daily: AMOUNT CURRENCY")
        if self.strict and not acting:
            report(("strict",), "a budget that only alerts holds nothing back", "on_spent: next or deny")
        return super().finish(report)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Keys that are amounts of money."""
        return ("per_request", "per_million_input_tokens", "per_million_output_tokens", "daily")

    @property
    def acts(self) -> bool:
        """Whether a spent budget closes rungs."""
        return self.on_spent != "alert"

    @property
    def is_strict(self) -> bool:
        """Whether nothing may be spent beyond the budget: the default where a spent budget closes rungs."""
        return self.acts and self.strict is not False

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the budget at which operators are alerted, in ascending order; all of it is always one."""
        declared: Any = self.alert_at
        written = declared if isinstance(declared, tuple) else (declared,)
        return tuple(sorted({*(share for share in written if share > 0), 1.0}))


class RouteTargets(PolicyModel):
    """Targets of one route."""

    cost: Cost | None = None
