"""Part one: the team's own examples, replayed. What differs is shown on the terminal that asked, and stored by name."""

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from guard.kit.rehearse.answers import ADVICE, error_texts
from guard.kit.rehearse.files import FOLDER, Example, Expect
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Check, Got, Part, late
from guard.proxy.values import MODEL

UNTIL: Final = 0.35
"""Share of the whole time after which no more is begun."""
CLOSE: Final = 1e-6
"""Numbers that agree to this share are the same: another machine adds in another order."""
MOST_DIFFERENCES: Final = 20


def run(stage: Stage, part: Part) -> None:
    """Each example is a check."""
    examples = stage.examples
    if not examples:
        part.checks.append(
            Check("examples", "skip", todo=f"put requests of production into {FOLDER}/*.json (docs/rehearse.md)")
        )
    sent = 0
    for index, item in enumerate(examples):
        if isinstance(item, tuple):
            part.checks.append(Check(item[0], "fail", got=item[1], todo="fix or remove the file (docs/rehearse.md)"))
        elif stage.remaining(UNTIL) <= 0:
            part.checks.append(late(f"{len(examples) - index} of {len(examples)} examples were sent"))
            break
        else:
            part.checks.append(_tried(stage, part, item))
            sent += 1
        stage.progress.at((index + 1) / len(examples), f"{index + 1} of {len(examples)}")
    part.figures |= {"files": len(examples), "requests": sent}


def route_of(example: Example, subjects: list[Subject]) -> Subject | str:
    """The route that an example is of; or why none can be named."""
    if example.route is None:
        if len(subjects) == 1:
            return subjects[0]
        return f"`route` is missing; the policy has {len(subjects)} routes with a contract"
    known = {subject.key: subject for subject in subjects}
    return known.get(example.route, f"the policy has no such route with a contract; it has {', '.join(known) or 'none'}")


def _tried(stage: Stage, part: Part, example: Example) -> Check:
    subject = route_of(example, stage.subjects)
    if isinstance(subject, str):
        return Check(example.name, "fail", got=subject, todo='write "route": "METHOD /path" as in the policy')
    got = stage.ask(request(example, subject))
    expect = example.expect or Expect(source=MODEL)
    check = Check(example.name, "pass", subject.key, tried=1)
    for name, wanted, came in _envelope(expect, got):
        if wanted is not None and wanted != came:
            check.result, check.failed = "fail", 1
            check.expected, check.got = f"{name} {wanted}", str(got)
            check.todo = ADVICE.get(got.reason) or ADVICE.get(error_texts(got.body)[0]) or _denied(got)
            return check
    differing = list(_differences(got, expect)) if expect.body is not None else []
    if differing:
        check.result, check.failed, check.sent = "fail", 1, "the example"
        check.fields = [pointer for pointer, _ in differing]
        check.expected, check.got = (
            "the answer that the file expects",
            f"{got}; it differs in {len(differing)} place{'s' * (len(differing) != 1)}",
        )
        check.todo = "decide whether the model or the expected answer is wrong; the terminal shows the differences"
        part.private += [f"{example.name} {pointer}: {words}" for pointer, words in differing]
    return check


def request(example: Example, subject: Subject) -> Any:
    """The request of an example."""
    headers = {"content-type": _kind(subject), **example.headers}
    built = subject.request(example.body, "", tuple(headers.items()))
    return built._replace(target=example.path) if example.path is not None else built


def _kind(subject: Subject) -> str:
    return subject.declared.content[0] if subject.declared.content else "application/json"


def _envelope(expect: Expect, got: Got) -> Iterator[tuple[str, Any, Any]]:
    yield "status", expect.status, got.status
    yield "source", expect.source, got.source
    yield "reason", expect.reason, got.reason
    if expect.code is not None:
        code, violations = error_texts(got.body)
        yield "code", expect.code, expect.code if expect.code in {code, *violations} else code


def _denied(got: Got) -> str:
    code, violations = error_texts(got.body)
    if code:
        words = ", ".join(dict.fromkeys(violations)) or code
        return f"guard rejects it ({words}): `guard explain` shows where; fix the contract or the example"
    return "see guard's log"


def _differences(got: Got, expect: Expect) -> Iterator[tuple[str, str]]:
    """(pointer, in words), the first few."""
    try:
        document = json.loads(got.body)
    except (ValueError, RecursionError):
        yield "", "expected JSON, got none"
        return
    for count, difference in enumerate(differences(expect.body, document)):
        if count == MOST_DIFFERENCES:
            return
        yield difference


def differences(wanted: Any, came: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """The differences from the expected answer: (pointer, words). Other members may be present."""
    if isinstance(wanted, dict) and isinstance(came, dict):
        for name, value in wanted.items():
            below = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
            if name not in came:
                yield below, f"expected {_short(value)}, got nothing"
            else:
                yield from differences(value, came[name], below)
    elif isinstance(wanted, list) and isinstance(came, list):
        if len(wanted) != len(came):
            yield pointer, f"expected {len(wanted)} elements, got {len(came)}"
        for index, (value, other) in enumerate(zip(wanted, came, strict=False)):
            yield from differences(value, other, f"{pointer}/{index}")
    elif not _same(wanted, came):
        yield pointer, f"expected {_short(wanted)}, got {_short(came)}"


def _same(wanted: Any, came: Any) -> bool:
    numbers = [isinstance(exporter, int | float) and not isinstance(exporter, bool) for exporter in (wanted, came)]
    if all(numbers):
        return wanted == came or math.isclose(wanted, came, rel_tol=CLOSE)
    return type(wanted) is type(came) and bool(wanted == came)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 120 else text[:117] + "..."
