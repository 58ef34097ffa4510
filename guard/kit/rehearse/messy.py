"""Part two: messy requests, made from the contract. Each class is a check; what fails is grouped by what came."""

import re
from typing import Final

from guard.kit.rehearse import bodies, fields
from guard.kit.rehearse.answers import Fault, fault
from guard.kit.rehearse.cases import RANDOM, REPEATED, Case, every
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Check, Got, Part, late
from guard.proxy.values import MODEL

UNTIL: Final = 0.5
"""Share of the whole time after which no more is begun."""
SOFT: Final = frozenset(("breaker_open", "backoff", "forced"))
"""Reasons of the ladder's own that say nothing of the request at hand."""
MOST_FIELDS: Final = 40
LEAST: Final = len(fields.CLASSES) + len(bodies.CLASSES)
"""Requests to a route, with which every class was met there."""
OVER: Final = "the time ended before every request was sent; raise --seconds"
DIFFERENT: Final = "expected if the model is random; otherwise look for state in the model"
_ANSWERED: Final = re.compile(
    r'^guard_violations\w*\{(?=[^}]*guard_direction="output")(?=[^}]*guard_code="(\w+)")[^}]*guard_field="([^"]*)"',
    re.MULTILINE,
)


class Tally:
    """The checks of a part as its cases come in."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._checks: dict[tuple[str, ...], Check] = {}

    def took(self, subject: Subject, case: Case, wrong: Fault | None) -> None:
        """One case was tried."""
        overall = self._check(subject, case, ())
        overall.tried += 1
        if wrong is None:
            return
        check = self._check(subject, case, (wrong.expected, wrong.got))
        if not check.failed:
            check.result, check.sent = "fail", case.sent
            check.expected, check.got, check.todo = wrong.expected, wrong.got, wrong.todo
        check.failed += 1
        self._add(check, case.field)

    def noted(self, subject: Subject, case: Case, title: str, todo: str) -> None:
        """Worth saying, and no fault."""
        check = self._check(subject, case, (title,))
        if not check.todo:
            check.result, check.name, check.sent, check.todo = "note", title, case.sent, todo
        self._add(check, case.field)

    def skipped(self, subject: Subject, case: Case, why: str) -> None:
        """Add a check for a case that could not be tried."""
        check = self._check(subject, case, (why,))
        check.result, check.todo = "skip", why
        check.tried += 1

    def close(self) -> None:
        """A class in which something failed is not one that passed, too."""
        failed: dict[tuple[str, str], int] = {}
        tried: dict[tuple[str, str], int] = {}
        for (route, kind, *group), check in self._checks.items():
            failed[route, kind] = failed.get((route, kind), 0) + check.failed
            if not group:
                tried[route, kind] = check.tried
        for check in self._part.checks:
            if check.result == "fail":
                check.tried = tried.get((check.route, check.name), check.failed)
        self._part.checks[:] = [
            check
            for check in self._part.checks
            if check.result != "pass" or (check.tried and not failed[check.route, check.name])
        ]

    def _check(self, subject: Subject, case: Case, group: tuple[str, ...]) -> Check:
        key = (subject.key, case.kind, *group)
        if key not in self._checks:
            self._checks[key] = Check(case.kind, "pass", subject.key)
            self._part.checks.append(self._checks[key])
        return self._checks[key]

    @staticmethod
    def _add(check: Check, field: str) -> None:
        if field and field not in check.fields and len(check.fields) < MOST_FIELDS:
            check.fields.append(field)


def run(stage: Stage, part: Part) -> None:
    """Every class on every route, as far as the time goes."""
    tally, sent, first = Tally(part), 0, dict[str, bytes]()
    per_class: dict[str, int] = {}
    part.figures["classes"] = per_class
    try:
        for subject, case in every(stage.subjects, stage.cage, stage.wall):
            if stage.remaining(UNTIL) <= 0:
                seen = sent >= LEAST * len(stage.subjects)
                part.checks.append(
                    Check("not tried", "skip", todo=OVER) if seen else late("every class was sent to every route")
                )
                break
            got = stage.ask(case.request)
            sent += 1
            per_class[case.kind] = per_class.get(case.kind, 0) + 1
            _judge(stage, tally, subject, case, got)
            if case.kind == REPEATED and got.status == 200 and first.setdefault(subject.key, got.body) != got.body:
                tally.noted(subject, case, "the same request gets different answers", DIFFERENT)
            stage.progress.at(1 - stage.remaining(UNTIL) / (stage.options.seconds * UNTIL), f"{sent} requests, {case.kind}")
    finally:
        tally.close()
        part.figures["requests"] = sent
    _explained(stage, part)


def _explained(stage: Stage, part: Part) -> None:
    """Name the outputs that broke their contract, as guard counted them."""
    broken = [check for check in part.checks if check.got.endswith("because of invalid")]
    counted = sorted(set(_ANSWERED.findall(stage.page()))) if broken else []
    words = ", ".join(f"{field if field not in {'', '<body>'} else 'the whole answer'} {code}" for code, field in counted)
    for check in broken if words else ():
        check.got += f" (guard counts: {words})"


def _judge(stage: Stage, tally: Tally, subject: Subject, case: Case, got: Got) -> None:
    if case.wanted.verdict == "answered" and got.reason in SOFT:
        tally.skipped(subject, case, f"guard did not call the model ({got.reason}) after another failure; fix that one")
        return
    wrong = fault(subject, case.wanted, case.rows, got, stage.cage)
    tally.took(subject, case, wrong)
    if wrong is None and case.kind == RANDOM:
        subject.fine.append(case.request)
    if wrong is None and case.passes:
        tally.noted(subject, case, case.passes, "declare the real min and max of the value")
    if got.source not in {"", MODEL} and case.wanted.verdict == "answered":
        for _ in range(2):  # what fails here must not open the breaker, which would hide what comes after
            stage.ask(subject.good())
