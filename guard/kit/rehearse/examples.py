"""Part one: the team's own examples, replayed. What differs is shown on the terminal that asked, and stored by name."""

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from guard.kit.rehearse.answers import ADVICE, told
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
    found = stage.examples
    if not found:
        part.checks.append(
            Check("examples", "skip", todo=f"put requests of production into {FOLDER}/*.json (docs/rehearse.md)")
        )
    sent = 0
    for index, one in enumerate(found):
        if isinstance(one, tuple):
            part.checks.append(Check(one[0], "fail", got=one[1], todo="fix or remove the file (docs/rehearse.md)"))
        elif stage.left(UNTIL) <= 0:
            part.checks.append(late(f"{len(found) - index} of {len(found)} examples were sent"))
            break
        else:
            part.checks.append(_tried(stage, part, one))
            sent += 1
        stage.progress.at((index + 1) / len(found), f"{index + 1} of {len(found)}")
    part.figures |= {"files": len(found), "requests": sent}


def route_of(one: Example, subjects: list[Subject]) -> Subject | str:
    """The route that an example is of; or why none can be named."""
    if one.route is None:
        if len(subjects) == 1:
            return subjects[0]
        return f"`route` is missing; the policy has {len(subjects)} routes with a contract"
    known = {subject.key: subject for subject in subjects}
    return known.get(one.route, f"the policy has no such route with a contract; it has {', '.join(known) or 'none'}")


def _tried(stage: Stage, part: Part, one: Example) -> Check:
    subject = route_of(one, stage.subjects)
    if isinstance(subject, str):
        return Check(one.name, "fail", got=subject, todo='write "route": "METHOD /path" as in the policy')
    got = stage.ask(request(one, subject))
    expect = one.expect or Expect(source=MODEL)
    check = Check(one.name, "pass", subject.key, tried=1)
    for name, wanted, came in _envelope(expect, got):
        if wanted is not None and wanted != came:
            check.result, check.failed = "fail", 1
            check.expected, check.got = f"{name} {wanted}", str(got)
            check.todo = ADVICE.get(got.reason) or ADVICE.get(told(got.body)[0]) or _denied(got)
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
        part.private += [f"{one.name} {pointer}: {words}" for pointer, words in differing]
    return check


def request(one: Example, subject: Subject) -> Any:
    """The request of an example."""
    headers = {"content-type": _kind(subject), **one.headers}
    made = subject.request(one.body, "", tuple(headers.items()))
    return made._replace(target=one.path) if one.path is not None else made


def _kind(subject: Subject) -> str:
    return subject.declared.content[0] if subject.declared.content else "application/json"


def _envelope(expect: Expect, got: Got) -> Iterator[tuple[str, Any, Any]]:
    yield "status", expect.status, got.status
    yield "source", expect.source, got.source
    yield "reason", expect.reason, got.reason
    if expect.code is not None:
        code, violations = told(got.body)
        yield "code", expect.code, expect.code if expect.code in {code, *violations} else code


def _denied(got: Got) -> str:
    code, violations = told(got.body)
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
    for count, one in enumerate(differences(expect.body, document)):
        if count == MOST_DIFFERENCES:
            return
        yield one


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
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in (wanted, came)]
    if all(numbers):
        return wanted == came or math.isclose(wanted, came, rel_tol=CLOSE)
    return type(wanted) is type(came) and bool(wanted == came)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 120 else text[:117] + "..."
