"""The rows of a route: every declared field and output, and every part of one, with where it goes and in what form."""

from collections.abc import Iterator
from typing import Final

from guard.kit.description import ContractDescription
from guard.kit.privacy import forms
from guard.kit.privacy.values import Form, Input, Output
from guard.policy.fields import OutputField
from guard.privacy.sensitivity import LEVELS, Sensitivity

SENSITIVE: Final[tuple[Sensitivity, ...]] = LEVELS[LEVELS.index("personal") :]
"""Personal and above."""


def inputs(route: ContractDescription) -> Iterator[Input]:
    """Every field that clients send."""
    for value in route.inputs:
        sent = forms.model(value, route)
        yield Input(
            value=value,
            model=sent,
            previous=sent if route.contract.fallback.previous is not None else None,
            log=forms.log(value, route),
            trace=forms.trace(route),
            metric=forms.metric(value, route),
            cache=forms.cached_input(value, route),
        )


def outputs(route: ContractDescription) -> Iterator[Output]:
    """Every declared part of answers."""
    for value in route.outputs:
        assert isinstance(value.top, OutputField)
        yield Output(
            value=value,
            meaning=value.top.meaning if not value.part else None,
            client=Form("value", "value"),
            log=forms.output_log(value, route),
            trace=forms.trace(route),
            metric=forms.measured(value, route),
            cache=forms.cached_output(route),
        )
