"""Report → Markdown."""

from collections.abc import Iterator, Sequence
from typing import Final

from guard.kit.description import Value
from guard.kit.markdown import NONE, code, prose, section, table
from guard.kit.privacy.values import Finding, Form, Input, Note, Output, Report, RouteReport

_TEXTS: Final = {"free": "free text", "pattern": "pattern", "enum": "one of a list"}
_FROM: Final = {"declared": "", "inherited": " (of its field)", "default": " (default)"}
_VALUE: Final = ("Place", "Type", "Sensitivity", "Origin")
_TOLD: Final = ("Log (sampled)", "Trace", "Metric", "Cache")


def markdown(report: Report) -> str:
    """The whole page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    yield f"# Privacy report: {code(report.service)}"
    yield ""
    yield "Made from the policy by `guard privacy`: what guard does with each field and output. What a model server, or"
    yield "whoever receives the log and the telemetry, does with it afterwards is not guard's to know."
    yield ""
    yield f"- policy: {code(report.digest)}"
    yield from (f"- {owner.role}: {prose(owner.name)}" for owner in report.owners)
    yield from _summary(report)
    yield from section("For review", [_finding(one) for one in report.review], "Nothing was found to question.")
    yield from _recipients(report)
    for route in report.routes:
        yield from _route(route)
    yield from section("The request itself", map(_note, report.request))
    yield from section("Log, traces and metrics", map(_note, report.telemetry))
    yield from section("What is kept", map(_note, report.kept))


def _summary(report: Report) -> Iterator[str]:
    yield from ("", "## Summary", "")
    yield from table(
        ("Sensitivity", "Fields", "reach a model", "in sampled log lines", "Outputs", "in sampled log lines"),
        (
            (one.sensitivity, *map(str, (one.inputs, one.inputs_sent, one.inputs_logged, one.outputs, one.outputs_logged)))
            for one in report.summary
        ),
    )
    reached = [f"{code(one.route)}: {code(one.field)}, {one.sensitivity}: {one.form.text}" for one in report.sensitive]
    title = "### Personal and above, reaching a model"
    yield from section(title, reached, "No field that is declared personal or above.")


def _recipients(report: Report) -> Iterator[str]:
    yield from ("", "## Who receives what", "")
    everywhere = max((len(one.routes) for one in report.recipients), default=0)
    yield from table(
        ("Who", "Where", "Routes", "What"),
        (
            (
                one.who,
                code(one.where) if one.where is not None else NONE,
                "all" if not one.routes or len(one.routes) == everywhere else ", ".join(map(code, one.routes)),
                one.gets,
            )
            for one in report.recipients
        ),
    )


def _route(route: RouteReport) -> Iterator[str]:
    yield from ("", f"## {code(route.route)}", "")
    if route.ladder:
        yield f"Answered by: {' > '.join(route.ladder)}." + (
            f" Contract: {route.enforcement}." if route.enforcement is not None else ""
        )
        yield ""
    yield from (f"- {_note(one)}" for one in route.notes)
    if route.inputs:
        to = "Model and previous model" if route.inputs[0].previous is not None else "Model"
        yield from ("", "### Fields", "")
        yield from table(("Field", *_VALUE, "Required", to, *_TOLD), map(_input, route.inputs))
    if route.outputs:
        yield from ("", "### Outputs", "")
        yield from table(("Output", *_VALUE, "Meaning", "Client", *_TOLD), map(_output, route.outputs))


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
    told = (shape.type, _TEXTS[value.text] if value.text else "", prose(shape.unit) if shape.unit else "")
    kind = ", ".join(one for one in told if one)
    place = NONE if value.place is None else code(value.place) if value.place else "the whole body"
    name = f"{code(value.name)} {prose(shape.description)}" if shape.description else code(value.name)
    return name, place, kind, value.sensitivity + _FROM[value.sensitivity_from], "derived" if value.derived else "raw"


def _form(form: Form | None) -> str:
    return form.text if form is not None else "no"


def _finding(one: Finding) -> str:
    about = f" ({', '.join(map(code, one.fields))})" if one.fields else ""
    return f"{code(one.route)}{about}: {one.text}"


def _note(note: Note) -> str:
    return f"{note.text}: {', '.join(map(code, note.values))}" if note.values else note.text
