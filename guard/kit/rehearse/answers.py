"""Whether an answer is what was wanted: status, code, who answered, the outputs, and nothing that was sent.

Outputs of plain JSON are held by a walk of their own; of other dialects, whose answers only their form can read, by the
contract that guard compiled.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from guard.contract.fields import join, split
from guard.kit.rehearse.canaries import Cage, leaked_canaries
from guard.kit.rehearse.fields import Wanted
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Got
from guard.policy import typed
from guard.policy.fields import Shape
from guard.proxy.values import DISABLED, MODEL, RULES, Allow

KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,), "timestamp": (str, int, float), "integer": (int, float), "number": (int, float),
    "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip
FAILS: Final = "the model server fails on a request that its contract allows"
NARROW: Final = "fix the model, or narrow the contract (enum, min, max, max_length, pattern) so that guard rejects it"
BUG: Final = "this is a bug of guard; please report it with the policy"
OTHER: Final = "check with `guard status` that the running guard serves this policy. If it does, " + BUG

ADVICE: Final[Mapping[str, str]] = {
    "status": f"{FAILS}: its log has the error; {NARROW}",
    "invalid": "the model's answer breaks its own output contract (a NaN, a label or an undeclared range): fix the "
    "model, or declare what it really answers",
    "timeout": "the model does not answer within timeout.attempt: make it faster for such requests, or bound them "
    "(max_length, max_items, max_body)",
    "reset": f"the model server closes the connection, as one that crashes does: its log has the error; {NARROW}",
    "malformed": "the model server does not speak HTTP/1.1 here: its log has the error",
    "too_large": "the model's answer is larger than max_answer: bound the request, or raise it",
    "connect": "the model server does not accept connections: did it crash on the request before this one?",
    "overloaded": "upstream.limits let no more through: raise them if the model can take it",
    "upstream_refused": "the model refuses what its contract allows: declare the same bounds that the model has",
}


class Fault(NamedTuple):
    """The difference between an answer and the expected one."""

    expected: str
    got: str
    todo: str


def error_texts(body: bytes) -> tuple[str, list[str]]:
    """The code and the violations' codes of an error of guard's, in whatever shape the dialect gives it."""
    try:
        level: list[Any] = [json.loads(body)]
    except ValueError:
        return "", []
    while level:
        for item in level:
            if isinstance(item, dict) and isinstance(item.get("violations"), list):
                broken = [str(each.get("code")) for each in item["violations"] if isinstance(each, dict)]
                return str(item.get("code", "")), broken
        level = [below for item in level for below in _below(item)]
    return "", []


def _below(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def fault(subject: Subject, wanted: Wanted, rows: int | None, got: Got, cage: Cage) -> Fault | None:
    """The fault of an answer; None if it is as expected."""
    if got.status >= 400 and (leaked := leaked_canaries(cage, {"the answer": got.body})):
        return Fault(
            "an error that repeats no value of the request",
            f"{got}; it repeats a value of the request ({leaked[0].rpartition(' in ')[0]})",
            BUG,
        )
    if got.failed:
        return Fault(str(wanted), str(got), "check guard's log: guard may have ended or hang")
    if got.status == 500 or (got.status >= 500 and not got.source):
        return Fault(str(wanted), str(got), BUG)
    match wanted.verdict:
        case "denied":
            return _denied(wanted, got)
        case "answered":
            return _answered(subject, wanted, rows, got)
        case "lowered":
            fine = got.source in {RULES, DISABLED} and got.reason in {"", *wanted.codes}
            return None if fine else Fault(str(wanted), _shown(got), OTHER)
    return None


def _denied(wanted: Wanted, got: Got) -> Fault | None:
    code, broken = error_texts(got.body)
    names = {code, *broken} if code != "contract" else set(broken)
    if got.status != wanted.status or not names & set(wanted.codes):
        return Fault(str(wanted), _shown(got), OTHER)
    return Fault(str(wanted), f"{got}: an error of guard must not name a source", BUG) if got.source else None


def _answered(subject: Subject, wanted: Wanted, rows: int | None, got: Got) -> Fault | None:
    if got.source != MODEL or not 200 <= got.status < 300:
        code, _ = error_texts(got.body)
        return Fault(str(wanted), _shown(got), ADVICE.get(got.reason) or ADVICE.get(code) or OTHER)
    wrong = broken(subject, rows, got)
    return Fault(str(wanted), f"{got}, but {wrong}", BUG) if wrong else None


def _shown(got: Got) -> str:
    code, broken = error_texts(got.body) if got.status >= 400 else ("", [])
    words = ", ".join(dict.fromkeys(broken)) or code
    return f"{got}: {words}" if words and words != got.reason else str(got)


def broken(subject: Subject, rows: int | None, got: Got) -> str:
    """The first violation of the output contract in words; empty if there is none."""
    judge = subject.route.output
    if judge is None or subject.declared.stream:
        return ""
    if not subject.route.dialect.plain or not subject.declared.outputs:
        headers = [(name.encode(), value.encode()) for name, value in got.headers.items()]
        verdict = judge.judge(got.body, rows, headers)
        return (
            ""
            if isinstance(verdict, Allow)
            else ", ".join(f"{violation.pointer or '/'} {violation.code}" for violation in verdict.violations)
        )
    try:
        document = json.loads(got.body, parse_constant=_constant)
    except ValueError as error:
        return str(error) if str(error).startswith("it holds") else "the answer is not JSON"
    for name, field in subject.declared.outputs.items():
        at = field.at if field.at is not None else join((name,))
        for value in _values_at(document, split(at)):
            if why := _wrong(value, field):
                return f"{name} {why}"
        if rows is not None and "*" in at and len(list(_values_at(document, split(at)))) != rows:
            return f"{name} does not have a value for each of {rows} rows"
    return ""


def _constant(token: str) -> Any:
    raise ValueError(f"it holds {token}")


_NOTHING: Final = object()


def _values_at(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a pointer; with `*`, those of each element. A missing value is a mark."""
    if not path:
        yield value
        return
    part = path[0]
    if part == "*":
        for item in value if isinstance(value, list) else [_NOTHING]:
            yield from _values_at(item, path[1:])
    else:
        yield from _values_at(value.get(part, _NOTHING) if isinstance(value, dict) else _NOTHING, path[1:])


def _wrong(value: Any, shape: Shape) -> str:
    if value is _NOTHING or value is None:
        return "" if shape.nullable or not shape.required else "is missing" if value is _NOTHING else "is null"
    if not isinstance(value, KINDS[shape.type]) or (isinstance(value, bool) and shape.type != "boolean"):
        return f"is not of type {shape.type}"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not finite"
    if isinstance(value, float) and shape.type == "integer" and not value.is_integer():
        return "is not an integer"
    comparable = shape.enum is None or shape.type != "number" or value in shape.enum
    if list(typed.breaches(value, shape)) and not (shape.enum is not None and comparable and value in shape.enum):
        return "is outside the declared range"
    return ""
