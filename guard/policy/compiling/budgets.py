"""The budgets that the calls of a route count in, and what each call costs."""

from typing import TYPE_CHECKING, Final

from guard.dialects import DIALECTS
from guard.policy.errors import Path
from guard.policy.route import Denied, Route
from guard.policy.runtime import TargetKey
from guard.policy.scalars import Money
from guard.policy.targets import Cost, Prices
from guard.proxy.values import PREVIOUS, Source
from guard.targets.budgets import Budget, Price, Purse
from guard.targets.estimates import Estimates
from guard.targets.ledger import PICO, Ledger

if TYPE_CHECKING:
    from guard.policy.compiling.context import Compilation

SERVICE: Final = ("targets", "cost")
MILLION: Final = 1_000_000
PRICES: Final = "per_request, or per_million_input_tokens and per_million_output_tokens"


def service_budget(context: "Compilation") -> Budget | None:
    """The budget that every route's calls count in; None without one."""
    return _budget("", context.policy.targets.cost, SERVICE, context)


def compile_purse(
    key: str, route: Route, source: Source, context: "Compilation", *, forwarded: bool = False
) -> Purse | None:
    """The purse of a route's calls to one target; None where no budget and no own price concerns them.

    `forwarded`: the route is forwarded as it is. A budget that closes rungs and cannot know what a call costs is reported.
    """
    service, own = context.policy.targets.cost, route.cost
    place: Path = ("routes", key, "targets", "cost")
    budgets = tuple(budget for budget in (_budget(key, own, place, context), context.service_budget) if budget is not None)
    previous = route.fallback.previous
    prices: Prices | None = service
    if own is not None and (own.priced or own.is_set("per_request")):
        prices = own
    if source == PREVIOUS and previous is not None and previous.cost is not None:
        prices = previous.cost
    if not budgets and prices is service:
        return None
    price = call_price(prices)
    if prices is not None:
        _one_currency(prices, budgets, key, source, context)
    most = most_output(route, own, service)
    acting = [(budget, place if budget.ledger.name else SERVICE) for budget in budgets if budget.acts]
    for budget, where in acting:
        _known(key, route, price, budget, where, context, forwarded=forwarded, most=most)
    estimates = context.draft.estimates.take(TargetKey(key, source), None, Estimates)
    return Purse(price, budgets, estimates, context.clock, most_output=most)


def _budget(name: str, cost: Cost | None, place: Path, context: "Compilation") -> Budget | None:
    if cost is None or cost.daily is None:
        return None
    if name in context.budgets:
        return context.budgets[name]
    currency = cost.daily.currency
    if cost.acts and not name and not (cost.priced or _every_route_is_priced(context)):
        context.report((*place, "on_spent"), "a budget that closes rungs needs the price of every call", PRICES)
    ledger = context.draft.ledgers.take(name, currency, lambda: Ledger(name, currency))
    publish = context.publish
    budget = Budget(ledger, _picos(cost.daily), cost.shares, cost.on_spent, strict=cost.is_strict, publish=publish)
    context.budgets[name] = budget
    return budget


def _every_route_is_priced(context: "Compilation") -> bool:
    """Whether each route that calls a model server has a price of its own."""
    routes = [route for route in context.policy.routes.values() if not isinstance(route, Denied)]
    return all(isinstance(route, Route) and route.cost is not None and route.cost.priced for route in routes)


def _one_currency(prices: Prices, budgets: tuple[Budget, ...], key: str, source: Source, context: "Compilation") -> None:
    """Report a price in another currency than a budget that it counts in, or than the service's prices."""
    service = context.policy.targets.cost
    mine = currency_of(prices)
    others = [budget.ledger.currency for budget in budgets]
    if service is not None and (theirs := currency_of(service)) is not None:
        others.append(theirs)
    for other in others:
        if mine is not None and mine != other:
            below = ("fallback", PREVIOUS, "cost") if source == PREVIOUS else ("targets", "cost")
            context.report(("routes", key, *below), f"{mine} and {other} cannot be added", "one currency")
            return


def currency_of(prices: Prices) -> str | None:
    """The currency of declared prices; None without any."""
    names = (*Prices.names(), "daily")
    return next((price.currency for name in names if (price := getattr(prices, name, None)) is not None), None)


def _known(
    key: str, route: Route, price: Price, budget: Budget, place: Path, context: "Compilation", *, forwarded: bool, most: int
) -> None:
    """Report what keeps a budget that closes rungs from knowing what a call costs, or may cost at most."""
    at: Path = (*place, "on_spent")
    if not price.request and not price.by_token:
        if budget.ledger.name:
            context.report(at, "a budget that closes rungs needs the price of every call", PRICES)
        return
    counted = not forwarded and DIALECTS[route.dialect].counts_tokens
    if price.by_token and not counted and (budget.strict or not price.request):
        who = "a passthrough route" if forwarded else f"dialect {route.dialect}"
        context.report(at, f"{key}: {who} reports no tokens, so its calls have no known price", "per_request alone")
    elif budget.strict and price.output and not most:
        message = f"{key}: nothing bounds the output tokens of a request without a limit, which a strict budget reserves"
        context.report(at, message, "max_output_tokens beside the prices, or `strict: false`")


def most_output(route: Route, own: Cost | None, service: Cost | None) -> int:
    """Output tokens of an answer whose request sets no limit; 0: unknown."""
    for cost in (own, service):
        if cost is not None and cost.max_output_tokens is not None:
            return cost.max_output_tokens
    field = route.inputs.get("max_tokens")
    return int(field.max) if field is not None and field.required and field.max is not None else 0


def call_price(prices: Prices | None) -> Price:
    """The price of a call; nothing where none is declared."""
    if prices is None:
        return Price(0)
    inputs, outputs = prices.per_million_input_tokens, prices.per_million_output_tokens
    return Price(
        _picos(prices.per_request),
        _picos(inputs) // MILLION,
        _picos(outputs) // MILLION,
    )


def _picos(money: Money | None) -> int:
    return round(money.amount * PICO) if money is not None else 0
