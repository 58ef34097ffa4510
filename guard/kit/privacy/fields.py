"""The rows of a route: every declared field and output, and every part of one, in the policy's order."""

from collections.abc import Iterator, Sequence
from typing import Final

from guard.contract.fields import join, split
from guard.kit.privacy import forms
from guard.kit.privacy.forms import Answered, Around, Field
from guard.kit.privacy.values import Form, Input, Output, Value
from guard.kit.shapes import Inside, parts
from guard.kit.wire import wire
from guard.privacy.sensitivity import LEVELS, Sensitivity

SENSITIVE: Final[tuple[Sensitivity, ...]] = LEVELS[LEVELS.index("personal") :]
"""Personal and above."""


def inputs(around: Around) -> Iterator[Input]:
    """Every field that clients send."""
    route, laid = around.route, wire(around.key, around.route)
    for name, top in route.inputs.items():
        base = laid.place(name, top)
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
