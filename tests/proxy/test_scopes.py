"""What belongs to one rung's attempt stays with it; a Permit is proof and is never changed; a Record is facts and decides nothing."""

import ast
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from guard.ladder.model import Model
from guard.proxy import context
from guard.proxy.values import Answer, Closed, Deny, ParsedAnswer, Permit, Reply, Usage, Violation
from tests.proxy.dialogues import Turn, judges, play, rung, stage, turns
from tests.proxy.scene import Fixed, Off, Stage, header, rules

GUARD = Path(__file__).parents[2] / "guard"
OF_THE_ANSWER = (
    "source", "status", "version", "usage", "error", "answer_violations", "response_bytes", "departure", "code", "route", "rows",
)  # fmt: skip


# ── what belongs to one rung's attempt ────────────────────────────────────────────────────────────────────────────


class Heard:
    """The inspector of a stream that came whole and broke."""

    parsed = ParsedAnswer(None, "m-7", Usage("chat", 3, 2, "error"))
    begun, unfinished, refused, error = True, False, False, b""  # whose first event is none

    def feed(self, chunk: bytes, now: float) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""


@pytest.mark.parametrize("answer", [Answer(200, [], b"data: x"), Answer(200, [], b"", complete=False)])
def test_the_answer_below_a_killed_stream_keeps_the_output_contract_and_says_nothing_of_the_model(answer: Answer) -> None:
    denied = Fixed(Deny("contract", [Violation("/label", "enum")]))
    stage = Stage(collect=0, output=denied, inspector=Heard(), rungs=None)
    stage.route.ladder = (stage.model, rules(), Off())
    stage.say()
    stage.say(b"{}")
    stage.route.rung_limit.level, stage.route.rung_limit.why = 3, "kill_file"
    reply = stage.say(answer)
    assert isinstance(reply, Reply)
    assert (header(reply, b"x-guard-source"), reply.body) == (b"disabled", b"invalid")
    record = stage.record
    assert record.descents == [("model", "kill_file"), ("rules", "invalid")]
    assert (record.source, record.version, record.error, record.usage) == ("disabled", "", "", None)


def alone(turn: Turn | None) -> tuple[Stage, Any]:
    """The exchange as it is where no rung stands above the one that ends it."""
    ladder = [turn] if turn is not None else []
    built = stage(ladder)
    play(built, ladder)
    return built, built.end


@given(turns())
def test_the_record_of_an_answer_is_what_its_rung_alone_would_have_made(ladder: list[Turn]) -> None:
    built = stage(ladder)
    last = play(built, ladder)
    expected, end = alone(last)
    for name in OF_THE_ANSWER:
        assert getattr(built.record, name) == getattr(expected.record, name), name
    if isinstance(end, Reply):
        assert isinstance(built.end, Reply)
        assert (built.end.status, built.end.body) == (end.status, end.body)
        assert comparable(built.end) == comparable(end)
    else:
        assert built.end is end
    mine, theirs = built.record, expected.record
    if last is not None and theirs.attempts:
        for name in ("status", "version", "usage", "failed", "begun_at", "ended_at"):
            assert getattr(mine.attempts[-1], name) == getattr(theirs.attempts[-1], name), name
    results = [
        [prediction.source, prediction.version, prediction.values, prediction.valid] for prediction in theirs.predictions
    ]
    assert results == [
        [prediction.source, prediction.version, prediction.values, prediction.valid]
        for prediction in mine.predictions[len(mine.predictions) - len(results) :]
    ]


def comparable(reply: Reply) -> dict[bytes, bytes]:
    return {name: value for name, value in reply.headers if name not in (b"x-guard-reason", b"server-timing")}


@given(turns())
def test_what_was_judged_or_heard_and_not_given_is_accounted_for_where_it_belongs(ladder: list[Turn]) -> None:
    """Violations of answers that closed their rung, and tokens that were paid for, though nobody got the answer."""
    built = stage(ladder)
    play(built, ladder)
    record = built.record

    left = dict(record.descents)
    broken = [turn for turn in ladder if turn.kind == "bad" and left.get(turn.source) == "invalid"]
    assert [item.pointer for item in record.discarded] == [f"/{turn.source}-bad" for turn in broken]
    for attempt in record.attempts:
        (turn,) = [turn for turn in ladder if turn.source == attempt.target.source]
        speaks = turn.kind in ("good", "bad", "stream", "stream_error") or ("relay" in turn.kind and not turn.killed)
        assert (attempt.usage is not None) is speaks
        if attempt.usage is not None:
            assert attempt.version == f"{turn.source}-{turn.kind}"
            assert attempt.usage.input_tokens == len(attempt.version)


# ── a Permit is proof ─────────────────────────────────────────────────────────────────────────────────────────────


def pictured(permit: Permit) -> dict[str, Any]:
    """Every attribute, as deep as it goes."""
    picture: dict[str, Any] = dict(vars(permit))
    head = picture["head"]
    picture["head"] = (id(head), head.method, head.target, list(head.headers))
    picture["route"] = id(picture["route"])
    return deepcopy(picture)


class Watched:
    """A rung that pictures the permit it is asked with."""

    def __init__(self, watched: Any, seen: list[tuple[Permit, dict[str, Any]]]) -> None:
        self._watched, self._seen = watched, seen
        self.source, self.remote = watched.source, watched.remote
        self.reads_input, self.version = watched.reads_input, watched.version

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Any:
        self._seen.append((permit, pictured(permit)))
        return self._watched.ask(permit, above, now)


@pytest.mark.source
@given(turns(), judges())
def test_a_permit_is_never_changed_after_it_was_made(ladder: list[Turn], asked: list[Fixed]) -> None:
    seen: list[tuple[Permit, dict[str, Any]]] = []
    built = stage(ladder, lambda turn: Watched(rung(turn), seen), judges=asked)  # type: ignore[return-value]
    play(built, ladder)
    assert len({id(permit) for permit, _ in seen}) <= 1
    for permit, picture in seen:
        assert pictured(permit) == picture


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(GUARD.rglob("*.py")):
        yield str(path.relative_to(GUARD)), ast.parse(path.read_text(encoding="utf-8"))


def permits(tree: ast.AST) -> Iterator[str]:
    """Names by which a permit goes in this code."""
    yield "permit"
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.arg | ast.AnnAssign)
            and node.annotation is not None
            and "Permit" in ast.unparse(node.annotation)
        ):
            yield node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)


def changes_of_permits(tree: ast.AST) -> list[str]:
    """Where an attribute of a permit is set, deleted, or set by its name."""
    known = set(permits(tree))

    def is_permit(value: ast.expr) -> bool:
        return ast.unparse(value) in known or ast.unparse(value).endswith((".permit", "._permit"))

    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and is_permit(node.value):
            lines.append(f"{node.lineno}: {ast.unparse(node)}")
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).rpartition(".")[2]
            in (
                "setattr",
                "__setattr__",
                "delattr",
            )
            and node.args
            and is_permit(node.args[0])
        ):
            lines.append(f"{node.lineno}: {ast.unparse(node)}")
    return lines


def test_no_code_changes_a_permit() -> None:
    assert {path: lines for path, tree in trees() if (lines := changes_of_permits(tree))} == {}


@pytest.mark.parametrize(
    "code",
    [
        "permit.closed = step", "permit.body += b'x'", "del permit.rows", "setattr(permit, 'rows', 1)",
        "object.__setattr__(permit, 'rows', 1)", "self.permit.deadline = 1", "def f(asked: Permit): asked.wall = 1",
        "permit.rows, x = 1, 2", "for permit.rows in x: pass",
    ],
)  # fmt: skip
def test_the_test_sees_every_way_to_change_a_permit(code: str) -> None:
    assert changes_of_permits(ast.parse(code))


def test_every_attribute_of_a_permit_is_final_and_only_the_judge_makes_one() -> None:
    makers = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Permit":
                makers.add(path)
            if isinstance(node, ast.ClassDef) and node.name == "Permit":
                stored = [
                    item for item in ast.walk(node) if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store)
                ]
                finals = [
                    item
                    for item in ast.walk(node)
                    if isinstance(item, ast.AnnAssign) and ast.unparse(item.annotation) == "Final"
                ]
                assert len(finals) == len(stored) > 0
    assert makers == {"proxy/judge.py"}


# ── a Record is facts ─────────────────────────────────────────────────────────────────────────────────────────────

GATHERED = ("attempts", "descents", "discarded", "predictions")
"""What a record gathers: it may be added to, and no more."""


class Pit:
    """A list that swallows what is added to it."""

    def append(self, one: object) -> None: ...
    def extend(self, several: object) -> None: ...


class WriteOnly:
    """In place of what telemetry reads: whoever reads it is thrown out."""

    def __init__(self, *_: object) -> None: ...

    def __getattribute__(self, name: str) -> Any:
        if name in GATHERED:
            return Pit()
        raise AssertionError(f"{name} was read")


@pytest.mark.source
@given(turns(), judges())
def test_a_record_that_nobody_can_read_changes_no_answer(ladder: list[Turn], asked: list[Fixed]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        built = stage(ladder, judges=asked)
        play(built, ladder)
        patch.setattr(context, "Record", WriteOnly)
        patch.setattr(context, "Attempt", WriteOnly)
        blind = stage(ladder, judges=asked, sinks=())
        play(blind, ladder)
    if isinstance(built.end, Reply):
        assert isinstance(blind.end, Reply)
        assert vars(blind.end) == vars(built.end)
    else:
        assert blind.end is built.end
    assert settled(blind) == settled(built)


def settled(built: Stage) -> list[Any]:
    return [item.breaker.settled for item in built.route.ladder if isinstance(item, Model)]  # type: ignore[attr-defined]


def reads_of_records(tree: ast.Module) -> list[str]:
    """Where the pipeline reads a record: anything but adding to what it gathers."""
    added = {
        id(node.func.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend")
        and isinstance(node.func.value, ast.Attribute) and node.func.value.attr in GATHERED
    }  # fmt: skip
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in added
        and ast.unparse(node.value).rpartition(".")[2] in ("record", "account")
    ]  # fmt: skip


def test_no_code_of_the_data_plane_reads_a_record() -> None:
    proxied = {path: tree for path, tree in trees() if path.startswith("proxy/")}
    assert {path: lines for path, tree in proxied.items() if (lines := reads_of_records(tree))} == {}
    assert reads_of_records(ast.parse("if record.inspector is None: pass"))
    assert reads_of_records(ast.parse("context.record.attempts[-1].failed = 1"))
    assert not reads_of_records(ast.parse("record.attempts.append(1); record.source = None"))


def test_the_stand_in_of_a_record_is_thrown_out_of_by_its_reader() -> None:
    sink = WriteOnly()
    sink.source = "model"  # type: ignore[attr-defined]
    sink.descents.append(1)
    with pytest.raises(AssertionError):
        _ = sink.source
