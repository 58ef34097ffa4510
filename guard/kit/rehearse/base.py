"""A request that works, for each route.

It is the first that the model answers, of the team's examples and then of what the contract allows. Everything messy is one
change away from it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from guard.contract.fields import split
from guard.kit.rehearse import generate
from guard.kit.rehearse.answers import ADVICE, error_texts
from guard.kit.rehearse.examples import route_of
from guard.kit.rehearse.files import Example
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.subject import Subject, marked, usual
from guard.kit.rehearse.values import Check, Got, Part, late
from guard.kit.request_builder.values import JSON, Carried
from guard.proxy.values import MODEL

MANY: Final = {True: 20, False: 60}
"""Instances drawn for each route, quick or not."""
TRIES: Final = 8
UNTIL: Final = 0.2
"""Share of the whole time after which no route is begun."""
PATH: Final = (
    "the path has a part that only you know; give an example with `path` in tests/requests, such as "
    '{"route": "METHOD /path", "path": "/v2/models/m/versions/1/infer", "body": …}'
)
LOWERED: Final = frozenset(("mode", "kill_file", "forced"))


def find(stage: Stage, part: Part) -> str:
    """Fill in every subject. Why the rehearsal makes no sense; empty where it does."""
    by_route: dict[str, list[Example]] = {}
    for example in stage.examples:
        if isinstance(example, Example):
            subject = route_of(example, stage.subjects)
            if isinstance(subject, Subject):
                by_route.setdefault(subject.key, []).append(example)
    for index, subject in enumerate(stage.subjects):
        if stage.remaining(UNTIL) <= 0:
            part.checks.append(late(f"{len(stage.subjects) - index} of {len(stage.subjects)} routes were checked"))
            break
        lowered = _subject(stage, subject, by_route.get(subject.key, ()), part)
        if lowered:
            return lowered
        stage.progress.at((index + 1) / len(stage.subjects), subject.key)
    return ""


def _subject(stage: Stage, subject: Subject, own: Any, part: Part) -> str:
    answer: Got | None = None
    for item in own:
        if item.path is not None:
            subject.target, subject.guessed = item.path, False
            break
    subject.more = _drawn(stage, subject)
    for carried, instance, headers in _candidates(stage, subject, own):
        tried = subject.request(carried.body, carried.content_type, headers)
        got = stage.ask(tried)
        if got.reason in LOWERED:
            return f"guard is lowered ({got.reason}): {got.source} answers {subject.key}, not the model"
        if subject.base is None or _works(got):
            subject.base, subject.instance, subject.headers, answer = carried, instance, headers, got
        if _works(got):
            subject.works = True
            break
    part.checks.append(_check(subject, answer))
    return ""


def _drawn(stage: Stage, subject: Subject) -> list[dict[str, Any]]:
    if not subject.declared.inputs:
        return []
    count = max(5, MANY[stage.options.quick] // len(stage.subjects))
    return generate.instances(subject.declared.inputs, stage.wall, count, stage.options.seed)


def _works(got: Got) -> bool:
    return got.source == MODEL and 200 <= got.status < 300


def _candidates(
    stage: Stage, subject: Subject, own: Any
) -> Iterator[tuple[Carried, dict[str, Any] | None, tuple[tuple[str, str], ...]]]:
    """(body, its instance where that is known, headers)."""
    inputs = dict(subject.declared.inputs)
    for item in [each for each in own if each.good][:TRIES]:
        headers = tuple((name, value) for name, value in item.headers.items() if name != "content-type")
        kind = item.headers.get("content-type", subject.declared.content[0] if subject.declared.content else JSON)
        instance = _instance(subject, item.document)
        if instance is not None and subject.layouts and kind == JSON:
            instance = marked(inputs, instance, stage.cage)
            yield subject.layouts[0].carry([instance]), instance, headers
        else:
            bodies = usual(inputs, stage.wall, stage.options.seed, stage.cage) if inputs and _guessed(subject) else None
            yield Carried(kind, item.body, item.document), bodies, headers
    if not inputs:
        return
    if not _guessed(subject):
        return
    bodies = usual(inputs, stage.wall, stage.options.seed, stage.cage)
    yield subject.layouts[0].carry([bodies]), bodies, ()
    for instance in subject.more[:TRIES]:
        bodies = marked(inputs, instance, stage.cage)
        yield subject.layouts[0].carry([bodies]), bodies, ()


def _guessed(subject: Subject) -> bool:
    """Whether the generator could make instances: it cannot where a pattern is in no syntax that it reads."""
    return bool(subject.more)


def _instance(subject: Subject, document: Any) -> dict[str, Any] | None:
    """The first instance of an example, by field name; None where it cannot be told."""
    declared, row = subject.declared, _row(subject, document)
    if declared.columns is not None:
        if not isinstance(row, list) or len(row) != len(declared.columns):
            return None
        return dict(zip(declared.columns, row, strict=True))
    if not isinstance(row, Mapping) or not declared.inputs:
        return None
    values = {name: _at(row, [name] if field.at is None else split(field.at)) for name, field in declared.inputs.items()}
    return {name: value for name, value in values.items() if value is not _NOTHING}


def _row(subject: Subject, document: Any) -> Any:
    """The first row of a body, as it lies there."""
    declared, value = subject.declared, document
    if subject.route.dialect.plain:
        value = _at(document, split(declared.rows or ""))
        if declared.rows is None:
            return value
    elif isinstance(document, Mapping):
        value = next((document[layout.name] for layout in subject.layouts if layout.name in document), None)
    return value[0] if isinstance(value, list) and value else None


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value.get(step, _NOTHING) if isinstance(value, Mapping) else _NOTHING
    return value


_NOTHING: Final = object()


def _check(subject: Subject, got: Got | None) -> Check:
    """Whether there is a request that works."""
    check = Check("a request that works", "pass", subject.key, expected="an answer from the model", tried=1)
    if got is None:
        check.result, check.tried = "skip", 0
        check.todo = "the contract does not describe a request; give an example in tests/requests"
    elif not subject.works:
        code, violations = error_texts(got.body)
        if subject.guessed and not violations:
            check.result, check.got, check.todo = "skip", str(got), PATH
            return check
        check.result, check.failed, check.got = "fail", 1, str(got)
        check.todo = (
            ADVICE.get(got.reason) or ADVICE.get(code) or "give an example of a production request in tests/requests"
        )
        if violations:
            check.got += f": {', '.join(dict.fromkeys(violations))}"
        check.todo += "; only the messy requests that guard must reject were sent"
    return check
