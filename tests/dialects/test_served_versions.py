"""The version that an answer names: told where it is the server's own word, and never where a client may have written it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.ladder.model import Model
from guard.policy.compiled import CompiledPlan
from guard.proxy.served_version import MOST, SEARCHED, believed
from guard.proxy.values import Answer, Head, Record
from tests.dialects.blame import SUBJECTS, Server, Subject, answering, converse, head_of, plan_of
from tests.dialects.speaking import JSON, dumps

WORD = "Alice-Sokolova"
OWN = "resnet-fp32-2024-06"
ECHOES: tuple[Callable[[str], str], ...] = (
    str, "vendor/{}".format, "{}:latest".format, "ft-{}-v2".format, str.upper, str.lower, lambda word: word[:9],
)  # fmt: skip
subjects = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


class Sink:
    """Keeps what every exporter is made from."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        self.records.append(record)

    def words(self) -> set[str]:
        """Every version that a record tells."""
        told = {record.version for record in self.records} | {
            attempt.version for r in self.records for attempt in r.attempts
        }
        return (told | {prediction.version for r in self.records for prediction in r.predictions}) - {""}


def watched(subject: Subject, *, observe: bool = False) -> tuple[CompiledPlan, Sink]:
    plan, sink = plan_of(subject, observe=observe), Sink()
    plan.sinks = (sink,)  # type: ignore[assignment]
    return plan, sink


def says(subject: Subject, version: str, *, head: bool) -> Server:
    """An answer with that version in its head, or in every member of its body that any dialect reads it from."""
    if head or not isinstance(subject.answer, dict):
        named = version.encode()
        silent = {**subject.answer, "model": None} if isinstance(subject.answer, dict) else subject.answer
        return lambda _call: Answer(200, [*JSON], dumps(silent), named=named)
    return answering(200, JSON, dumps({**subject.answer, "model": version, "model_version": version}))


def asks(subject: Subject, word: str) -> dict[str, tuple[Any, bytes]]:
    """The head and body of requests, by where the word stands in them."""
    named = {subject.model: word} if subject.model else {}
    places = {
        "query": (head_of(subject, target=f"{subject.target}?model={word}"), dumps(subject.body)),
        "header": (head_of(subject, (b"x-model-version", word.encode())), dumps(subject.body)),
        "cookie": (head_of(subject, (b"cookie", b"a=b; user=" + word.encode())), dumps(subject.body)),
    }
    if named:
        places["body"] = (head_of(subject), dumps({**subject.body, **named}))
    before, brace, after = subject.key.partition(" ")[2].partition("{")
    if brace:
        places["path"] = (head_of(subject, target=before + word + after.partition("}")[2]), dumps(subject.body))
    return places


def test_every_dialect_of_the_registry_is_held() -> None:
    assert {subject.dialect for subject in SUBJECTS} == set(DIALECTS)


@pytest.mark.parametrize("observe", [False, True], ids=["enforce", "observe"])
@subjects
def test_nothing_that_a_client_wrote_becomes_a_version(subject: Subject, *, observe: bool) -> None:
    plan, sink = watched(subject, observe=observe)
    for place, (head, body) in asks(subject, WORD).items():
        for echo in ECHOES:
            for in_head in (False, True):
                _, fields, _ = converse(plan, head, body, says(subject, echo(WORD), head=in_head))
                assert fields[b"x-guard-source"] == b"model", place
                assert b"x-guard-model-version" not in fields, (place, echo(WORD))
    assert sink.words() == set()


@subjects
def test_a_word_of_the_servers_own_is_told(subject: Subject) -> None:
    policy = subject.policy.replace("model: {type: string}", "model: {enum: [m, Alice-Sokolova]}")
    declared = Subject(**{**vars(subject), "policy": policy})
    plan, sink = watched(declared)
    answer = says(declared, OWN, head=True)
    assert converse(plan, head_of(declared), dumps(declared.body), answer)[1][b"x-guard-model-version"] == OWN.encode()
    for head, body in asks(declared, OWN).values():  # which a client may know, too
        converse(plan, head, body, answer)
    assert sink.words() == {OWN}


def test_a_model_that_the_contract_declares_may_be_told() -> None:
    openai = next(subject for subject in SUBJECTS if subject.dialect == "openai")
    for policy, told in (("enum: [m]", "m"), ("enum: [m]", "m-0613"), ("type: string", "")):
        subject = Subject(**{**vars(openai), "policy": openai.policy.replace("type: string}", policy + "}", 1)})
        plan, sink = watched(subject)
        answer = dumps({**subject.answer, "model": told or "m-0613"})
        converse(plan, head_of(subject), dumps(subject.body), answering(200, JSON, answer))
        assert sink.words() == ({told} if told else set())


def test_a_version_in_the_path_is_told_where_the_policy_wrote_it() -> None:
    for dialect, path in (("oip", "/v2/models/m/versions/%s/infer"), ("tfserving", "/v1/models/m/versions/%s:predict")):
        subject = next(item for item in SUBJECTS if item.dialect == dialect)
        for written, told in (("7", {"7"}), ("{version}", set())):
            own = Subject(**{**vars(subject), "key": "POST " + path % written, "target": path % "7"})
            plan, sink = watched(own)
            converse(plan, head_of(own), dumps(own.body), answering(200, JSON, dumps(own.answer)))
            assert sink.words() == told, written


def test_words_are_remembered_within_a_bound_and_large_requests_are_not_searched() -> None:
    json_subject = next(item for item in SUBJECTS if item.dialect == "json")
    subject = Subject(**{**vars(json_subject), "policy": "undeclared: pass\n" + json_subject.policy})
    plan, sink = watched(subject)
    large = dumps({**subject.body, "note": "x" * SEARCHED})
    converse(plan, head_of(subject), large, says(subject, OWN, head=True))
    assert sink.words() == set()
    for number in range(MOST + 10):
        converse(plan, head_of(subject), dumps(subject.body), says(subject, f"build-{number}", head=True))
    model = plan.routes[0].ladder[0]
    assert isinstance(model, Model)
    assert len(model.target.own_words) == MOST
    assert len(sink.words()) == MOST + 10


@pytest.mark.source
@pytest.mark.parametrize(
    ("version", "counts"),
    [("gpt-4o", True), ("gpt-4o-2024-08-06", True), ("gpt-4o-ann.smith", False), ("ann.smith", False)],
)
def test_a_version_may_hold_the_name_that_the_contract_declares(version: str, counts: bool) -> None:
    """The client chose it from a list of the policy; what else the client wrote may still be no part of a version."""
    body = b'{"model": "gpt-4o", "user": "ann.smith", "messages": []}'
    message = SimpleNamespace(free_model=False, named="gpt-4o")
    route = SimpleNamespace(template="/v1/chat/completions")
    head = Head(b"POST", b"/v1/chat/completions", [(b"content-type", b"application/json")])
    permit: Any = SimpleNamespace(body=body, message=message, route=route, head=head)
    target: Any = SimpleNamespace(own_words=set())
    assert believed(version, permit, target) == (version if counts else "")


def test_the_list_of_models_stands_below_the_routes_own_prefix() -> None:
    openai = DIALECTS["openai"]
    assert openai.status("/v1/chat/completions") == "/v1/models"
    assert openai.status("/openai/v1/embeddings") == "/openai/v1/models"
    assert openai.status("/{tenant}/v1/embeddings") == openai.status("/chat") == ""
    assert openai.listed({"data": [{"id": "a"}, {"id": 1}, 7]}) == ["a"]
    assert openai.listed([]) == openai.listed({"data": {}}) == []
