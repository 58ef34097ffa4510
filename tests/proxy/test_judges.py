"""Judges stand in an order, each sees what those before it made of the request, and their findings add up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Allow, Amend, Deny, Facts, Head, Lower, Permit, Refused, Verdict, Violation
from tests.proxy.scene import Stage

HEADERS = [(b"content-type", b"application/json"), (b"x-length", b"2"), (b"x-coded", b"yes")]


@dataclass
class Read:
    """A Message: how a dialect reads the request. The head says the body's length, and that it is coded."""

    by: str
    document: Any
    stream: bool = False
    named: str = ""
    once: bool = False

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        return {b"x-length": b"%d" % len(body), b"x-coded": None}


@dataclass
class Juror:
    """A judge that does one thing, and notes what it saw. A body is a list of names; an amendment adds one's own."""

    name: str
    does: str
    seen: list[tuple[Any, dict[bytes, bytes]]] = field(default_factory=list)

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        self.seen.append((json.loads(body), dict(head.headers)))
        document = json.loads(body)
        results = [Violation(f"/{self.name}", "max")]
        facts = Facts([(self.name, "aging", 1)], [(self.name, [1.0])], [(self.name, "email", 1)])
        match self.does:
            case "allow":
                return Allow(document, results, len(document), facts)
            case "allow without a document":
                return Allow(None)
            case "read":
                return Allow(document, (), len(document), None, Read(self.name, document))
            case "amend":
                document = [*document, self.name]
                return Amend(document, json.dumps(document).encode(), results, len(document), facts)
            case "amend in its dialect":
                document = [*document, self.name]
                return Amend(document, json.dumps(document).encode(), (), len(document), None, Read(self.name, document))
            case "amend unread":
                return Amend(None, json.dumps([*document, self.name]).encode())
            case "stale" | "missing":
                return Lower(self.does, document, body, results, len(document), facts)  # type: ignore[arg-type]
            case "deny":
                return Deny("contract", results)
            case _:
                raise ValueError(self.name)


DEEDS = ("allow", "allow without a document", "read", "amend", "amend in its dialect", "amend unread", "stale", "missing", "deny")  # fmt: skip


def asked(jurors: Sequence[Juror]) -> tuple[Permit | Refused, Context]:
    stage = Stage(judges=jurors)  # type: ignore[arg-type]
    context = Context(Head(b"POST", b"/predict", list(HEADERS)), "id-1", 0.0)
    try:
        return judge(context, stage.route, b"[]", 0.0, 0.0), context
    except Refused as refused:
        return refused, context


def expected(jurors: Sequence[Juror]) -> dict[str, Any]:
    """The sum, by an oracle that knows nothing of verdicts."""
    names: list[str] = []
    total: dict[str, Any] = {"document": None, "rows": None, "lowered": None, "message": None, "facts": [], "violations": [], "denied": False, "length": b"2", "coded": True}  # fmt: skip
    for juror in jurors:
        does = juror.does
        if does in ("allow", "amend", "stale", "missing", "deny"):
            total["violations"].append(f"/{juror.name}")
        if does == "deny":
            total["denied"] = True
            break
        if does in ("allow", "amend", "stale", "missing"):
            total["facts"].append(juror.name)
        if does in ("read", "amend in its dialect"):
            total["message"] = juror.name
        if does.startswith("amend"):
            names = [*names, juror.name]
            if total["message"] is not None:
                total["length"], total["coded"] = b"%d" % len(json.dumps(names)), False
        if does == "amend unread":
            total["document"] = total["rows"] = None
        elif does != "allow without a document":
            total["document"], total["rows"] = names, len(names)
        if does in ("stale", "missing"):
            total["lowered"] = total["lowered"] or does
    total["body"] = names
    return total


def hold(jurors: Sequence[Juror]) -> None:
    permit, context = asked(jurors)
    total = expected(jurors)
    assert [violation.pointer for violation in context.record.violations] == total["violations"]
    facts = context.record.facts or Facts()
    for gathered in (facts.features, facts.ages, facts.redactions):
        assert [item[0] for item in gathered] == total["facts"]
    if total["denied"]:
        assert isinstance(permit, Refused)
        assert [violation.pointer for violation in permit.violations] == total["violations"]
        return
    assert isinstance(permit, Permit)
    assert isinstance(permit.body, bytes)
    assert json.loads(permit.body) == total["body"]
    assert (permit.document, permit.rows, permit.lowered) == (total["document"], total["rows"], total["lowered"])
    assert (permit.message.by if permit.message is not None else None) == total["message"]  # type: ignore[attr-defined]
    sent = dict(permit.forward)
    assert (sent[b"x-length"], b"x-coded" in sent) == (total["length"], total["coded"])
    for number, juror in enumerate(jurors):
        before = expected(jurors[:number])
        ((body, head),) = juror.seen
        assert body == before["body"], "each judge sees what those before it made of the body"
        assert (head[b"x-length"], b"x-coded" in head) == (before["length"], before["coded"]), (
            "and the head that goes with it"
        )


@pytest.mark.parametrize("deeds", list(permutations(DEEDS, 2)) + [(deed, deed) for deed in DEEDS], ids="+".join)
def test_the_findings_of_two_judges_add_up_in_either_order(deeds: tuple[str, str]) -> None:
    hold([Juror(f"j{number}", deed) for number, deed in enumerate(deeds)])


@given(st.lists(st.sampled_from(DEEDS), max_size=6))
def test_the_findings_of_any_judges_in_any_order_add_up(deeds: list[str]) -> None:
    hold([Juror(f"j{number}", deed) for number, deed in enumerate(deeds)])


def test_what_one_judge_lowered_no_later_judge_raises() -> None:
    for later in ("allow", "amend", "amend in its dialect"):
        permit, _ = asked([Juror("a", "stale"), Juror("b", later)])
        assert isinstance(permit, Permit)
        assert permit.lowered == "stale"


def test_after_a_denial_nobody_is_asked() -> None:
    jurors = [Juror("a", "amend"), Juror("b", "deny"), Juror("c", "allow")]
    asked(jurors)
    assert [len(juror.seen) for juror in jurors] == [1, 1, 0]


def test_what_was_found_before_a_judge_crashed_is_recorded() -> None:
    context = Context(Head(b"POST", b"/predict", []), "id-1", 0.0)
    stage = Stage(judges=[Juror("a", "allow"), Juror("b", "crash")])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="b"):
        judge(context, stage.route, b"[]", 0.0, 0.0)
    assert [violation.pointer for violation in context.record.violations] == ["/a"]


def test_facts_of_a_verdict_are_not_changed_by_adding_others() -> None:
    facts = [Facts([(name, "aging", 1)]) for name in "ab"]
    jurors = [type("Fixed", (), {"judge": lambda *_, item=fact: Allow([], (), 0, item)})() for fact in facts]
    _, context = asked(jurors)
    assert context.record.facts is not None
    assert [name for name, _, _ in context.record.facts.features] == ["a", "b"]
    assert [len(fact.features) for fact in facts] == [1, 1]
