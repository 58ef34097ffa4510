"""The rows of a route: every declared field and output, and every part of one, in the policy's order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guard.contract.fields import join, split
from guard.kit.contract import effects
from guard.kit.contract.values import ByRules, Field, Freshness, Output, Shape
from guard.kit.shapes import Inside, parts
from guard.kit.wire import Wire
from guard.policy.fields import InputField
from guard.policy.fields import Shape as Declared
from guard.policy.route import Route

BOUNDS: Final = ("min", "max", "enum", "pattern", "min_length", "max_length", "min_items", "max_items", "datatype", "shape")


def inputs(laid: Wire) -> Iterator[Field]:
    """Everything that may be sent."""
    route = laid.route
    for name, top in route.inputs.items():
        base = laid.place(name, top)
        for one in parts(name, top):
            yield _input(laid, top, one, base)


def _input(laid: Wire, top: InputField, one: Inside, base: Sequence[str] | None) -> Field:
    shape, route = one.shape, laid.route
    item = bool(one.way) and one.way[-1] == "*"
    column = shape is top and route.columns is not None and laid.plain
    fresh = top.freshness if one.shape is top else None
    return Field(
        shape=_shape(one, base),
        default=shape.default if shape.has_default else None,
        has_default=shape.has_default,
        sent=top.send,
        derived=top.derived,
        replaced=shape.detect if route.enforcement == "enforce" else (),
        freshness=Freshness(fresh.warn, fresh.stale, fresh.skew) if fresh is not None else None,
        missing=None if item else effects.NO_COLUMN if base is None else effects.missing(shape, route, column=column),
        null=effects.null(shape, route, column=column or item),
        stale=effects.stale(fresh, route) if fresh is not None else None,
        future=effects.future(fresh, route) if fresh is not None else None,
    )


def outputs(route: Route) -> Iterator[Output]:
    """Everything that is declared of answers."""
    for name, top in route.outputs.items():
        base = split(top.at) if top.at is not None else [name]
        for one in parts(name, top):
            whole = one.shape is top
            calibration = top.calibration if whole else None
            yield Output(
                shape=_shape(one, base),
                meaning=top.meaning if whole else None,
                ece=calibration.ece if calibration is not None else None,
                calibration=calibration.report if calibration is not None else None,
                from_model=top.from_ is not None,
                by_rules=by_rules(name, route) if whole else None,
            )


def by_rules(name: str, route: Route) -> ByRules | None:
    """Whether rules say an output; None where no rules answer."""
    rules = route.fallback.rules
    if rules is None:
        return None
    said = [name in rule.answer and rule.answer[name] is not None for rule in rules]
    if all(said):
        return "always"
    return "sometimes" if any(said) else "null"


def bounds(shape: Declared) -> Mapping[str, Any]:
    """What bounds it, as declared."""
    found = {key: getattr(shape, key, None) for key in BOUNDS}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value is not None}


def _shape(one: Inside, base: Sequence[str] | None) -> Shape:
    shape = one.shape
    return Shape(
        name=one.name,
        place=None if base is None else join((*base, *one.way)),
        type=shape.type,
        unit=shape.unit,
        description=shape.description,
        bounds=bounds(shape),
        required=shape.required,
        nullable=shape.nullable,
        sensitivity=one.sensitivity,
        part=bool(one.way),
    )
