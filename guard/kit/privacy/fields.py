"""The rows of a route: every declared field and output, and every part of one, in the policy's order."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from guard.contract.fields import join, split
from guard.kit.privacy import forms
from guard.kit.privacy.forms import Answered, Around, Field
from guard.kit.privacy.values import Form, Input, Output, Said, Value
from guard.policy.fields import InputField, Shape
from guard.policy.route import Route
from guard.privacy.sensitivity import LEVELS, Sensitivity

SENSITIVE: Final[tuple[Sensitivity, ...]] = LEVELS[LEVELS.index("personal") :]
"""Personal and above."""


class Inside(NamedTuple):
    """A shape somewhere in a field: its dotted name, the way to it, and the sensitivity that holds for it."""

    name: str
    shape: Shape
    way: tuple[str, ...]
    sensitivity: Sensitivity
    said: Said


def inputs(around: Around) -> Iterator[Input]:
    """Every field that clients send."""
    route = around.route
    for name, top in route.inputs.items():
        base = _place(name, top, route)
        for one in parts(name, top):
            field = Field(name, top, one.shape)
            sent = forms.model(field, around)
            yield Input(
                value=_value(one, base, derived=top.derived),
                required=one.shape.required,
                model=sent,
                previous=sent if route.fallback.previous is not None else None,
                log=forms.log(field, around),
                trace=forms.trace(around),
                metric=forms.metric(field, around),
                cache=forms.cached_input(field, around),
            )


def outputs(around: Around) -> Iterator[Output]:
    """Every declared part of answers."""
    for name, top in around.route.outputs.items():
        for one in parts(name, top):
            output = Answered(name, top, one.shape)
            yield Output(
                value=_value(one, tuple(split(top.at)) if top.at is not None else (name,), derived=True),
                meaning=top.meaning if one.shape is top else None,
                client=Form("value", "value"),
                log=forms.told(output, around),
                trace=forms.trace(around),
                metric=forms.measured(output, around),
                cache=forms.cached_output(around),
            )


def parts(name: str, top: Shape) -> Iterator[Inside]:
    """A field, then what is inside it. A part without a sensitivity of its own has that of what holds it."""
    declared = top.given("sensitivity")
    yield from _parts(Inside(name, top, (), top.sensitivity, "declared" if declared else "default"))


def _parts(one: Inside) -> Iterator[Inside]:
    yield one
    below = [(f"{one.name}.{name}", shape, name) for name, shape in (one.shape.fields or {}).items()]
    if one.shape.items is not None:
        below.append((f"{one.name}[]", one.shape.items, "*"))
    for name, shape, step in below:
        if shape.given("sensitivity"):
            found: tuple[Sensitivity, Said] = (shape.sensitivity, "declared")
        else:
            found = (one.sensitivity, "default" if one.said == "default" else "inherited")
        yield from _parts(Inside(name, shape, (*one.way, step), *found))


def _place(name: str, field: InputField, route: Route) -> tuple[str, ...] | None:
    """Reference tokens of where a field stands in a body; None where a positional row has no column for it."""
    base = (*split(route.rows), "*") if route.rows is not None else ()
    if route.columns is not None:
        return (*base, str(route.columns.index(name))) if name in route.columns else None
    return (*base, *(split(field.at) if field.at is not None else (name,)))


def _value(one: Inside, base: Sequence[str] | None, *, derived: bool) -> Value:
    shape = one.shape
    text = None
    if shape.type == "string":
        text = "enum" if shape.enum is not None else "pattern" if shape.pattern is not None else "free"
    return Value(
        name=one.name,
        pointer=None if base is None else join((*base, *one.way)),
        type=shape.type,
        text=text,  # type: ignore[arg-type]  # three literals
        unit=shape.unit,
        description=shape.description,
        sensitivity=one.sensitivity,
        sensitivity_from=one.said,
        origin="derived" if derived else "raw",
        detect=shape.detect,
        treatment=shape.treatment,
        part=bool(one.way),
        parts=bool(shape.fields) or shape.items is not None,
    )
