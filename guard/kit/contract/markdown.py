"""Contract → Markdown."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from guard.kit.contract.values import (
    Answerer,
    Contract,
    Document,
    Effect,
    Field,
    Header,
    Limit,
    Output,
    Said,
    Status,
)
from guard.kit.description import Value
from guard.kit.markdown import NONE, code, prose, table
from guard.policy.fields import Shape
from guard.policy.scalars import write_duration

_BOUNDS: Final = {
    "min": "from", "max": "to", "min_length": "at least, in characters:", "max_length": "at most, in characters:",
    "min_items": "items, at least:", "max_items": "items, at most:", "pattern": "matching", "datatype": "tensor of",
    "shape": "of shape",
}  # fmt: skip
_UNREAD: Final = {
    "fields": "No field is declared.",
    "schema": "A document that the JSON Schema file allows; the OpenAPI form of this page has it.",
    "opaque": "A body of a type below, at most as large as the limit below.",
    "unread": "Whatever the model server takes.",
    "passthrough": "Whatever the model server takes.",
}
_STATUS: Final = ("Status", "Code", "Meaning", "What a client does")
_BY_RULES: Final = {"always": "said by each rule", "sometimes": "said by some rules, else null", "null": "null", None: NONE}


def markdown(document: Document) -> str:
    """The whole page."""
    return "\n".join(_page(document)) + "\n"


def _page(document: Document) -> Iterator[str]:
    yield f"# Contract: {code(document.service)}"
    yield ""
    yield "Made from the policy by `guard contract`: what each route takes, what it answers, and what each answer means."
    yield ""
    if document.version is not None:
        named = f"{prose(document.model)}, " if document.model is not None else ""
        yield f"- model: {named}version {code(document.version)}"
    yield f"- policy: {code(document.digest)}"
    yield from (f"- {role.replace('_', ' ')}: {prose(name)}" for role, name in document.owners)
    if document.runbook is not None:
        yield f"- runbook: {prose(document.runbook)}"
    yield ""
    yield from table(("Route", "Takes", "Answered by"), map(_summary, document.routes))
    for route in document.routes:
        yield from _route(route)
    yield from ("", "## Every route", "")
    yield from _headers(document.request_headers, "Header of a request")
    yield ""
    yield from _headers(document.answer_headers, "Header of an answer")
    yield ""
    yield from _statuses(document.everywhere)
    yield ""
    yield from _limits(document.limits)
    yield from ("", "## Anywhere else", "")
    yield from _statuses(document.elsewhere)
    if document.denied:
        yield from ("", f"Denied, as if they were not there: {', '.join(map(code, document.denied))}.")


def _summary(route: Contract) -> Sequence[str]:
    count = sum(not one.value.part for one in route.fields)
    takes = {
        "fields": "1 field" if count == 1 else f"{count} fields",
        "schema": "what a JSON Schema file says",
        "opaque": ", ".join(map(code, route.content)),
        "unread": "anything",
        "passthrough": "anything, unread",
    }
    return code(route.route), takes[route.body], " > ".join(one.source for one in route.sources)


def _route(route: Contract) -> Iterator[str]:
    yield from ("", f"## {code(route.route)}", "")
    yield from (f"- {note}" for note in route.notes)
    yield f"- dialect: `{route.dialect}`"
    if route.rows:
        yield f"- the instances stand at {code(route.rows)}"
    if route.columns:
        yield f"- order: {', '.join(map(code, route.columns))}"
    yield from _send(route)
    yield from _back(route)
    yield from _answerers(route.sources)
    yield from ("", "### Statuses and errors", "")
    yield from _statuses(route.statuses)
    if route.violations:
        yield from ("", "What a 422 names in `violations`, each with the place:", "")
        yield from table(("Violation", "Meaning"), ((f"`{one.code}`", one.meaning) for one in route.violations))
    yield from ("", "### Limits", "")
    yield from _limits(route.limits)


def _send(route: Contract) -> Iterator[str]:
    yield from ("", "### What to send", "")
    if not route.fields:
        yield from (_UNREAD[route.body], "")
    if route.fields:
        yield from table(
            ("Field", "Place", "Type", "Allowed", "Required", "If missing", "If null", "If too old", "Sensitivity"),
            map(_field, route.fields),
        )
        yield ""
    if route.undeclared is not None:
        yield from (f"Members that are not declared {route.undeclared.text}.", "")
    if route.request_headers:
        yield from _headers(route.request_headers, "Header")
    if route.example is not None:
        lines = [route.route, *(f"{name}: {value}" for name, value in route.example.headers)]
        yield from ("", "A request that keeps this contract:", "")
        yield from _fenced("http", "\n".join([*map(_seen, lines), "", _json(route.example.body)]))
    elif route.no_example:
        yield from ("", f"There is no example: {route.no_example}.")


def _back(route: Contract) -> Iterator[str]:
    yield from ("", "### What comes back", "")
    if route.outputs:
        head = ("Output", "Place", "Type", "Allowed", "Meaning", "Calibration", "When rules answer", "Sensitivity")
        yield from table(head, map(_output, route.outputs))
    elif route.body == "passthrough":
        yield "What the model server answers, as it is."
    else:
        yield "No output is declared by fields: the model server's answer, as it is."
    if route.answer_headers:
        yield ""
        yield from _headers(route.answer_headers, "Header")
    if route.example is not None and route.example.answer is not None:
        yield from ("", "An answer that keeps this contract:", "")
        yield from _fenced("json", _json(route.example.answer))


def _answerers(sources: Sequence[Answerer]) -> Iterator[str]:
    yield from ("", "### Who answered", "")
    yield from table(("`x-guard-source`", "What it means here"), ((f"`{one.source}`", _source(one)) for one in sources))
    for one in sources:
        if one.rules:
            yield from ("", "The rules, of which the first that applies answers:", "")
            yield from table(
                ("When", "Answer"),
                (
                    (code(rule.when) if rule.when is not None else "always", _answer(rule.answer))
                    for rule in one.rules
                ),
            )  # fmt: skip


def _source(one: Answerer) -> str:
    return f"{one.text}: {', '.join(map(code, one.values))}." if one.values else one.text


def _answer(answer: Any) -> str:
    return ", ".join(f"{code(name)}: {_value(value)}" for name, value in answer.items())


def _statuses(statuses: Sequence[Status]) -> Iterator[str]:
    """By code: one that has several statuses is one row."""
    yield from table(_STATUS, _rows(one for one in statuses if not one.asked))
    if any(one.asked for one in statuses):
        yield from ("", "A request with `x-guard-no-fallback: 1` can get these, too:", "")
        yield from table(_STATUS, _rows(one for one in statuses if one.asked))


def _rows(statuses: Iterable[Status]) -> Iterator[Sequence[str]]:
    found: dict[str, tuple[list[int], Said]] = {}
    for one in statuses:
        if one.text:
            yield str(one.status), NONE, one.text, NONE
        for said in one.codes:
            found.setdefault(said.code, ([], said))[0].append(one.status)
    for several, said in found.values():
        yield ", ".join(map(str, several)), f"`{said.code}`", said.meaning, said.client


def _limits(limits: Sequence[Limit]) -> Iterator[str]:
    yield from table(("Limit", "Value", "Of what"), ((f"`{one.key}`", one.shown, one.text) for one in limits))


def _headers(headers: Sequence[Header], title: str) -> Iterator[str]:
    yield from table(
        (title, "What it says"),
        ((code(one.name), f"required: {one.text}" if one.required else one.text) for one in headers),
    )


def _field(field: Field) -> Sequence[str]:
    value, shape = field.value, field.value.shape
    extra = [prose(shape.description)] if shape.description is not None else []
    extra += ["checked, and never sent to the model"] if not field.sent else []
    extra += ["computed from other data"] if field.derived else []
    extra += [f"{', '.join(field.replaced)} in its text never reach the model"] if field.replaced else []
    named = f"{code(value.name)}: {'; '.join(extra)}" if extra else code(value.name)
    missing = _effect(field.missing)
    if field.has_default and field.missing is not None and field.missing.becomes == "default":
        missing = f"{missing}: {_value(field.default)}"
    old = "; ".join(one.text for one in (field.stale, field.future) if one is not None) or NONE
    if field.freshness is not None:
        old += f"; past {write_duration(field.freshness.warn)} it is counted"
    return (
        named, _place(value), _type(shape), _allowed(value), "yes" if shape.required else "no", missing,
        _effect(field.null), old, value.sensitivity,
    )  # fmt: skip


def _output(output: Output) -> Sequence[str]:
    value, shape = output.value, output.value.shape
    named = f"{code(value.name)}: {prose(shape.description)}" if shape.description is not None else code(value.name)
    calibrated = [f"expected calibration error {output.ece}"] if output.ece is not None else []
    calibrated += [prose(output.calibration)] if output.calibration is not None else []
    rules = _BY_RULES[output.by_rules]
    if output.from_model:
        rules += "; only the model says it"
    return (
        named, _place(value), _type(shape) + (", may be null" if shape.nullable else ""), _allowed(value),
        prose(output.meaning) if output.meaning is not None else NONE, ", ".join(calibrated) or NONE, rules,
        value.sensitivity,
    )  # fmt: skip


def _effect(effect: Effect | None) -> str:
    return effect.text if effect is not None else NONE


def _place(value: Value) -> str:
    return NONE if value.place is None else code(value.place) if value.place else "the whole body"


def _type(shape: Shape) -> str:
    if shape.type == "timestamp":
        unit = {"s": "seconds since 1970", "ms": "milliseconds since 1970"}.get(shape.unit or "", "RFC 3339 with offset")
        return f"timestamp, {unit}"
    return f"{shape.type}, {prose(shape.unit)}" if shape.unit is not None else shape.type


def _allowed(value: Value) -> str:
    found = [f"one of {', '.join(map(_value, value.bounds['enum']))}"] if "enum" in value.bounds else []
    found += [f"{words} {_value(value.bounds[key])}" for key, words in _BOUNDS.items() if key in value.bounds]
    return "; ".join(found) or "any"


def _value(value: Any) -> str:
    """A value of the policy's, as JSON; text without its quotes."""
    return code(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))


def _json(value: Any) -> str:
    """No line of it begins as a fence does."""
    return "\n".join(_seen(line) for line in json.dumps(value, ensure_ascii=False, indent=2).split("\n"))


def _seen(line: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in line)


def _fenced(language: str, text: str) -> Iterator[str]:
    yield f"```{language}"
    yield text
    yield "```"
