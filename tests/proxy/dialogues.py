"""Random dialogues with the pipeline: ladders of every form, and for each rung what becomes of its answer.

Drawn by hypothesis, so that what breaks a law is made small. Every answer carries words of its own (version, tokens,
violations), by which a test can tell whose they are when they turn up in a record.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from guard.ladder.model import Model
from guard.proxy.values import (
    LEVEL,
    Allow,
    Amend,
    Answer,
    Body,
    Call,
    Closed,
    Deny,
    Failed,
    Gone,
    Headers,
    Lower,
    ParsedAnswer,
    Relay,
    Relayed,
    Rung,
    Source,
    Usage,
    Violation,
)
from tests.proxy.scene import Fixed, Local, Stage, Tickets, target

JSON: Headers = [(b"content-type", b"application/json")]
EVENTS: Headers = [(b"content-type", b"text/event-stream")]
UPSTREAM = ("model", "previous")


@dataclass(frozen=True)
class Turn:
    """What one rung does. `kind` is one of KINDS; `killed`: an operator closes the rung before its answer is there."""

    source: Source
    kind: str
    killed: bool = False


REMOTE = ("refused", "reset", "queue_full", "stalled", "status", "busy", "blames", "good", "bad", "stream", "stream_error",
          "relay", "relay_error", "relay_cut", "leaves", "relay_left")  # fmt: skip
OWN = ("good", "bad", "none")


class Contract:
    """An AnswerJudge: a document says itself whether it keeps the contract, and what model gave it."""

    def judge(self, body: bytes, rows: int | None, headers: Headers) -> Allow | Deny:
        verdict = self.judge_own(json.loads(body), rows)
        document: Any = verdict.document
        verdict.version, verdict.usage = document["by"], Usage("chat", len(document["by"]), 1, "stop")
        return verdict

    def judge_own(self, document: Any, rows: int | None) -> Allow | Deny:
        if document["kept"]:
            return Allow(document)
        return Deny("contract", [Violation(f"/{document['by']}", "max")], document)

    def measured(self, document: Any) -> list[list[object]]:
        return [[document["by"]]]


class Inspector:
    """Of a stream that says who gives it; what it heard of another stream would show."""

    def __init__(self, headers: Headers) -> None:
        self.answer_begun = b""
        self.parsed = ParsedAnswer(None)

    def feed(self, chunk: bytes, now: float) -> bytes:
        self.answer_begun += chunk
        by, _, finish = self.answer_begun.decode().partition(" ")
        self.parsed = ParsedAnswer(None, by, Usage("chat", len(by), 7, finish))
        return chunk

    def end(self) -> bytes:
        return b"."

    def stop(self, code: str) -> bytes:
        return b""


def document(turn: Turn) -> bytes:
    return json.dumps({"by": f"{turn.source}-{turn.kind}", "kept": turn.kind == "good"}).encode()


def events(turn: Turn) -> bytes:
    """A stream: who gives it, and how it finished, if it did."""
    finish = "error" if "error" in turn.kind else "" if turn.kind in ("relay_cut", "relay_left") else "stop"
    return f"{turn.source}-{turn.kind} {finish}".encode()


def responses(turn: Turn) -> list[Any]:
    """What the driver answers the commands of this rung with, in their order."""
    times = {"called_at": 1.0, "head_at": 2.0, "end_at": 3.0}
    whole = Answer(200, EVENTS, events(turn), **times)  # type: ignore[arg-type]
    begun = Answer(200, EVENTS, b"", complete=False, **times)  # type: ignore[arg-type]
    match turn.kind:
        case "refused":
            return [Failed("connect", sent=False)]
        case "reset":
            return [Failed("reset")]
        case "queue_full":
            return [Failed("overloaded", sent=False, retry_after=1.0)]
        case "stalled":
            return [Failed("timeout", ours=True)]
        case "status" | "busy" | "blames":
            return [Answer({"status": 500, "busy": 429, "blames": 400}[turn.kind], JSON, b"", **times)]  # type: ignore[arg-type]
        case "good" | "bad":
            return [Answer(200, JSON, document(turn), **times)]  # type: ignore[arg-type]
        case "stream" | "stream_error":
            return [whole]
        case "relay" | "relay_error":
            return [begun, Relayed(5, 4.0)]
        case "relay_cut":
            return [begun, Relayed(5, 4.0, "reset")]
        case "relay_left":
            return [begun, Gone()]
        case _:
            return [Gone()]


def rung(turn: Turn) -> Rung:
    if turn.source in UPSTREAM:
        return Model(target(source=turn.source), Tickets(), collect=0, repeatable=True, version=f"declared {turn.source}")
    if turn.kind == "none":
        return Local(Closed("miss"), source=turn.source, reads_input=turn.source == "cached")
    body = document(turn)
    answer = Answer(200, JSON, body, document=json.loads(body), version=f"kept {turn.source}")
    return Local(answer, source=turn.source, reads_input=turn.source == "cached")


def stage(turns: Sequence[Turn], make: Callable[[Turn], Rung] = rung, **of_stage: Any) -> Stage:
    """The ladder of these turns; `disabled` says the same whatever closed the rung above."""
    last = Local(Answer(503, [], b"off"), source="disabled")
    built = Stage(rungs=[*map(make, turns), last], collect=0, output=Contract(), **of_stage)  # type: ignore[arg-type]
    built.route.inspector = lambda _message, headers: Inspector(headers) if headers == EVENTS else None
    built.route.measures = ("by",)
    return built


def play(built: Stage, turns: Sequence[Turn]) -> Turn | None:
    """Perform the commands of the whole exchange; the turn in which it ended, None: `disabled` answered, or a judge denied."""
    by_source = {turn.source: turn for turn in turns}
    command, turn, left = built.say(), None, []
    while True:
        if isinstance(command, Body):
            command = built.say(b'{"age":1}')
        elif isinstance(command, Call):
            turn = by_source[command.target.source]
            left = responses(turn)
            if turn.killed:
                built.route.rung_limit.level = LEVEL[turn.source] + 1
            command = built.say(left.pop(0))
        elif isinstance(command, Relay):
            if command.inspector is not None:
                assert turn is not None
                command.inspector.feed(events(turn), 3.5)
            command = built.say(left.pop(0))
        else:
            break
    source = built.listener.records[0].source if built.listener.records else None
    return by_source.get(source) if source is not None else turn  # type: ignore[arg-type]


def turns() -> st.SearchStrategy[list[Turn]]:
    """Ladders in their order, each source at most once."""

    def of(source: Source) -> st.SearchStrategy[Turn]:
        kinds = REMOTE if source in UPSTREAM else OWN
        killed = st.booleans() if source in UPSTREAM else st.just(False)
        return st.builds(Turn, st.just(source), st.sampled_from(kinds), killed)

    sources: tuple[Source, ...] = ("model", "previous", "cached", "rules")
    optional = [st.one_of(st.none(), of(source)) for source in sources]
    return st.tuples(*optional).map(lambda drawn: [turn for turn in drawn if turn is not None])


VERDICTS = st.sampled_from([
    Allow({"age": 1}), Allow(None, [Violation("/a", "min")]), Amend({"age": 2}, b'{"age":2}', [Violation("/b", "max")]),
    Lower("stale", {"age": 1}, b'{"age":1}'), Deny("contract", [Violation("/c", "type")]), ValueError("4711"),
])  # fmt: skip


def judges() -> st.SearchStrategy[list[Fixed]]:
    return st.lists(st.builds(Fixed, VERDICTS), max_size=2)
