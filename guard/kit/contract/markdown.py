"""Contract → Markdown."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from guard.kit.contract.values import (
    Answerer,
    CodeMeaning,
    Contract,
    Document,
    Effect,
    Field,
    Output,
    Rule,
    Status,
)
from guard.kit.description import Value
from guard.kit.markdown import NONE, code, prose, seen
from guard.kit.pages import page
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
_BY_RULES: Final = {"always": "said by each rule", "sometimes": "said by some rules, else null", "null": "null", None: NONE}


def markdown(document: Document) -> str:
    """The whole page."""
    return page(
        "contract.md.j2",
        document=document,
        summary=list(map(_summary, document.routes)),
        routes=list(map(_route, document.routes)),
        statuses=_statuses,
    )


def _summary(route: Contract) -> Sequence[str]:
    count = sum(not field.value.part for field in route.fields)
    takes = {
        "fields": "1 field" if count == 1 else f"{count} fields",
        "schema": "what a JSON Schema file says",
        "opaque": ", ".join(map(code, route.content)),
        "unread": "anything",
        "passthrough": "anything, unread",
    }
    return code(route.route), takes[route.body], " > ".join(source.source for source in route.sources)


def _route(route: Contract) -> Mapping[str, Any]:
    """A route, and the rows of its tables."""
    example = route.example
    return {
        "contract": route,
        "unread": _UNREAD[route.body],
        "fields": list(map(_field, route.fields)),
        "outputs": list(map(_output, route.outputs)),
        "sources": [(f"`{source.source}`", _source(source)) for source in route.sources],
        "rules": [
            [(_when(rule), _answer(rule.answer)) for rule in source.rules] for source in route.sources if source.rules
        ],
        "request": _lines(example.body) if example is not None else "",
        "answer": _lines(example.answer) if example is not None and example.answer is not None else "",
    }


def _when(rule: Rule) -> str:
    return code(rule.when) if rule.when is not None else "always"


def _statuses(statuses: Sequence[Status], *, asked: bool) -> Sequence[Sequence[str]]:
    return list(_rows(status for status in statuses if status.asked is asked))


def _source(answerer: Answerer) -> str:
    return f"{answerer.text}: {', '.join(map(code, answerer.values))}." if answerer.values else answerer.text


def _answer(answer: Any) -> str:
    return ", ".join(f"{code(name)}: {_value(value)}" for name, value in answer.items())


def _rows(statuses: Iterable[Status]) -> Iterator[Sequence[str]]:
    rows: dict[str, tuple[list[int], CodeMeaning]] = {}
    for status in statuses:
        if status.text:
            yield str(status.status), NONE, status.text, NONE
        for meaning in status.codes:
            rows.setdefault(meaning.code, ([], meaning))[0].append(status.status)
    for several, meaning in rows.values():
        yield ", ".join(map(str, several)), f"`{meaning.code}`", meaning.meaning, meaning.client


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
    old = "; ".join(item.text for item in (field.stale, field.future) if item is not None) or NONE
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
        text = "RFC 3339 with offset" if shape.zone is None else f"RFC 3339, without offset a time of {code(shape.zone)}"
        unit = {"s": "seconds since 1970", "ms": "milliseconds since 1970"}.get(shape.unit or "", text)
        return f"timestamp, {unit}"
    return f"{shape.type}, {prose(shape.unit)}" if shape.unit is not None else shape.type


def _allowed(value: Value) -> str:
    allowed = [f"one of {', '.join(map(_value, value.bounds['enum']))}"] if "enum" in value.bounds else []
    allowed += [f"{words} {_value(value.bounds[key])}" for key, words in _BOUNDS.items() if key in value.bounds]
    return "; ".join(allowed) or "any"


def _value(value: Any) -> str:
    """A value of the policy's, as JSON; text without its quotes."""
    return code(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))


def _lines(value: Any) -> str:
    """JSON over several lines, none of which begins as a fence does."""
    return seen(json.dumps(value, ensure_ascii=False, indent=2))
