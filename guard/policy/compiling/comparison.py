"""The comparison of a route: how both answers are compared, and what a copy for the candidate costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from guard.contract.output import compile_output
from guard.ladder.model import Model
from guard.policy import disclosure
from guard.policy.candidate import Candidate, Compare
from guard.policy.compiling.budgets import call_price, currency_of, most_output
from guard.policy.compiling.context import Compilation
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.proxy.values import Rung, Target, Values
from guard.targets.budgets import Price
from guard.targets.estimates import TEMPLATE

MOST_CLASSES: Final = 20
"""Classes of a label whose shift is shown."""

Read = Callable[[object], Values]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The comparison of one route. `label`, `score`: read the compared output of a document; None: not compared."""

    key: str
    compare: Compare
    model: Target
    candidate: Target
    label: Read | None
    score: Read | None
    classes: tuple[object, ...]
    """Classes of the label, where telemetry may show it."""
    price: Price
    most: int
    """Output tokens of an answer at most."""

    def worth(self, size: int) -> int:
        """The most that a copy of a body of so many bytes costs, in `PICO`: no token is shorter than a byte."""
        return self.price.request + self.price.input * (size + TEMPLATE) + self.price.output * self.most


def compile_comparison(
    key: str, route: Route, candidate: Candidate, model: Rung, rung: Model, context: Compilation
) -> Comparison | None:
    """The comparison of a route; None where nothing is copied: without `shadow`, or where the answer is a stream."""
    shadow = candidate.shadow
    if shadow is None or route.stream or not isinstance(model, Model):
        return None
    service, own = context.policy.targets.cost, route.cost
    prices = own if own is not None and own.priced else service
    price, most = call_price(prices), most_output(route, own, service)
    if shadow.daily is not None:
        place = ("candidate", "shadow", "daily")
        currency = currency_of(prices) if prices is not None else None
        if prices is None or not prices.priced or (price.output and not most):
            context.report(place, f"{key}: nothing says what a copy costs at most", "targets.cost, and max_output_tokens")
        elif currency != shadow.daily.currency:
            context.report(place, f"{shadow.daily.currency} and {currency} cannot be added", "one currency")
    compare = candidate.compare.get(key) or Compare()
    label, score = compare.label, compare.score
    shown = {measure.name: measure.classes for measure in disclosure.measures(route.outputs)} if route.output else {}
    return Comparison(
        key,
        compare,
        model.target,
        rung.target,
        _reader(route, label.field) if label is not None else None,
        _reader(route, score.field) if score is not None else None,
        shown.get(label.field, ())[:MOST_CLASSES] if label is not None else (),
        price,
        most,
    )


def _reader(route: Route, name: str) -> Read | None:
    """Reads one declared output, whatever its sensitivity: only whether two values agree ever leaves."""
    if isinstance(route.output, SchemaFile) or name not in route.outputs:
        return None
    return compile_output(route.outputs, (name,), route.max_elements).measured
