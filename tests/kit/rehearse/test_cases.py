"""What a rehearsal expects of each messy request is what guard does with it: two readings of one declaration, side by side."""

from collections import Counter
from pathlib import Path

import pytest

from guard.kit.rehearse import bodies, fields
from guard.kit.rehearse.cases import RANDOM, REPEATED, Case, cases, every
from guard.kit.rehearse.subject import Subject
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.rescue import STATUS
from guard.proxy.values import Head, Refused
from tests.kit.rehearse.making import VARIANTS, WALL, made


def said(subject: Subject, case: Case) -> tuple[str, int, set[str]]:
    """The verdict of guard, its status, its words."""
    if len(case.request.body) > subject.declared.max_body:
        return "denied", 413, {"body_too_large"}
    headers = [(name.encode(), value.encode()) for name, value in case.request.headers]
    head = Head(b"POST", case.request.target.encode(), headers)
    try:
        permit = judge(Context(head, "r", 0.0), subject.route, case.request.body, 0.0, WALL)
    except Refused as refused:
        codes = {found.code for found in refused.violations} if refused.code == "contract" else {refused.code}
        return "denied", refused.status or STATUS[refused.code], codes
    return ("lowered", 0, {permit.lowered}) if permit.lowered else ("answered", 200, set())


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_expected_is_what_guard_does(tmp_path: Path, name: str) -> None:
    one, cage = made(tmp_path, name)
    wrong, seen = [], Counter[str]()
    for case in cases(one, cage, WALL):
        seen[case.kind] += 1
        if case.wanted.verdict == "free":
            continue
        verdict, status, codes = said(one, case)
        fits = verdict == case.wanted.verdict and (verdict == "answered" or codes & set(case.wanted.codes))
        if not fits or (verdict == "denied" and status != case.wanted.status):
            wrong.append(
                f"{case.kind} of {case.field or 'the body'} ({case.sent}): {case.wanted}; {verdict} {status} {codes}"
            )
    assert wrong == []
    assert seen[RANDOM] >= 5
    assert seen[REPEATED] == 5
    assert sum(seen.values()) > 50


def test_every_class_is_met_somewhere(tmp_path: Path) -> None:
    met = {
        case.kind for name in VARIANTS for section, cage in [made(tmp_path, name)] for case in cases(section, cage, WALL)
    }
    assert met == {*fields.CLASSES, *bodies.CLASSES, RANDOM, REPEATED}


def test_what_runs_out_of_time_has_seen_every_class_first(tmp_path: Path) -> None:
    one, cage = made(tmp_path, "json")
    kinds = [case.kind for case in cases(one, cage, WALL)]
    first = [kinds.index(kind) for kind in set(kinds)]
    assert max(first) < 2 * len(set(kinds)), "a class begins late"


def test_a_request_that_does_not_work_is_no_base_for_what_must_be_answered(tmp_path: Path) -> None:
    one, cage = made(tmp_path, "json")
    one.works = False
    wanted = {case.wanted.verdict for case in cases(one, cage, WALL)}
    assert wanted == {"denied", "lowered", "free"}


def test_no_case_is_told_with_a_value(tmp_path: Path) -> None:
    one, cage = made(tmp_path, "json")
    for case in cases(one, cage, WALL):
        told = f"{case.kind} {case.field} {case.sent} {case.wanted} {case.passes}"
        assert not any(canary in told for canary in cage.texts.values())


def test_each_case_belongs_to_its_own_route(tmp_path: Path) -> None:
    """A generator that read the loop's variable late gave every case to the last route."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, cage = made(tmp_path / "a", "json")
    second, _ = made(tmp_path / "b", "oip", "POST /v2/models/m/infer")
    pairs = list(every([first, second], cage, WALL))
    assert {subject.key for subject, _ in pairs} == {"POST /p", "POST /v2/models/m/infer"}
    assert all(case.request.target.startswith(subject.target) for subject, case in pairs)
