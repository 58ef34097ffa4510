"""Report → Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guard.kit.description import Value
from guard.kit.markdown import NONE, code, prose
from guard.kit.pages import page
from guard.kit.privacy.values import Form, Input, Output, Recipient, Report, RouteReport

_TEXTS: Final = {"free": "free text", "pattern": "pattern", "enum": "one of a list"}
_FROM: Final = {"declared": "", "inherited": " (of its field)", "default": " (default)"}
_VALUE: Final = ("Place", "Type", "Sensitivity", "Origin")
_TOLD: Final = ("Log (sampled)", "Trace", "Metric", "Cache")


def markdown(report: Report) -> str:
    """The whole page."""
    return page(
        "privacy.md.j2",
        report=report,
        recipients=list(_recipients(report.recipients)),
        routes=list(map(_route, report.routes)),
    )


def _recipients(recipients: Sequence[Recipient]) -> Iterator[Sequence[str]]:
    everywhere = max((len(recipient.routes) for recipient in recipients), default=0)
    for recipient in recipients:
        where = code(recipient.where) if recipient.where is not None else NONE
        all_of_them = not recipient.routes or len(recipient.routes) == everywhere
        yield recipient.who, where, "all" if all_of_them else ", ".join(map(code, recipient.routes)), recipient.gets


def _route(route: RouteReport) -> Mapping[str, Any]:
    """A route, and the rows of its tables."""
    to = "Model and previous model" if route.inputs and route.inputs[0].previous is not None else "Model"
    return {
        "report": route,
        "inputs_head": ("Field", *_VALUE, "Required", to, *_TOLD),
        "inputs": list(map(_input, route.inputs)),
        "outputs_head": ("Output", *_VALUE, "Meaning", "Client", *_TOLD),
        "outputs": list(map(_output, route.outputs)),
    }


def _input(row: Input) -> Sequence[str]:
    required = "yes" if row.value.shape.required else "no"
    forms = (row.model, row.log, row.trace, row.metric, row.cache)
    return (*_value(row.value), required, *map(_form, forms))


def _output(row: Output) -> Sequence[str]:
    meaning = prose(row.meaning) if row.meaning is not None else NONE
    forms = (row.client, row.log, row.trace, row.metric, row.cache)
    return (*_value(row.value), meaning, *map(_form, forms))


def _value(value: Value) -> Sequence[str]:
    shape = value.shape
    words = (shape.type, _TEXTS[value.text] if value.text else "", prose(shape.unit) if shape.unit else "")
    kind = ", ".join(item for item in words if item)
    place = NONE if value.place is None else code(value.place) if value.place else "the whole body"
    name = f"{code(value.name)} {prose(shape.description)}" if shape.description else code(value.name)
    return name, place, kind, value.sensitivity + _FROM[value.sensitivity_from], "derived" if value.derived else "raw"


def _form(form: Form | None) -> str:
    return form.text if form is not None else "no"
