"""The rows of a contract: what becomes of each declared field, and what rules say of each output."""

from collections.abc import Iterator

from guard.kit.contract import effects
from guard.kit.contract.values import ByRules, Field, Freshness, Output
from guard.kit.description import ContractDescription, Value
from guard.policy.fields import InputField, OutputField
from guard.policy.route import Route


def inputs(route: ContractDescription) -> Iterator[Field]:
    """Everything that may be sent."""
    for value in route.inputs:
        assert isinstance(value.top, InputField)
        yield _input(route, value, value.top)


def _input(described: ContractDescription, value: Value, top: InputField) -> Field:
    shape, route = value.shape, described.contract
    column = not value.part and route.columns is not None and described.dialect.plain
    fresh = top.freshness if not value.part else None
    return Field(
        value=value,
        default=shape.default if shape.has_default else None,
        has_default=shape.has_default,
        sent=top.send,
        derived=top.derived,
        replaced=shape.detect if not described.observe else (),
        freshness=Freshness(fresh.warn, fresh.stale, fresh.skew) if fresh is not None else None,
        missing=None
        if value.item
        else effects.NO_COLUMN
        if value.place is None
        else effects.missing(shape, route, column=column),
        null=effects.null(shape, route, column=column or value.item),
        stale=effects.stale(fresh, route) if fresh is not None else None,
        future=effects.future(fresh, route) if fresh is not None else None,
    )


def outputs(route: ContractDescription) -> Iterator[Output]:
    """Everything that is declared of answers."""
    for value in route.outputs:
        top = value.top
        assert isinstance(top, OutputField)
        calibration = top.calibration if not value.part else None
        yield Output(
            value=value,
            meaning=top.meaning if not value.part else None,
            ece=calibration.ece if calibration is not None else None,
            calibration=calibration.report if calibration is not None else None,
            from_model=top.from_ is not None,
            by_rules=by_rules(value.full_name, route.contract) if not value.part else None,
        )


def by_rules(name: str, route: Route) -> ByRules | None:
    """Whether rules say an output; None where no rules answer."""
    rules = route.fallback.rules
    if rules is None:
        return None
    answered = [name in rule.answer and rule.answer[name] is not None for rule in rules]
    if all(answered):
        return "always"
    return "sometimes" if any(answered) else "null"
