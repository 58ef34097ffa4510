"""Dialogues about the ladder: deadlines of clients, modes in the midst, no fallback wanted, what counts for a breaker."""

from typing import Any

import pytest

from guard.ladder.breaker import Breaker, Config
from guard.proxy.values import CUT, Answer, Call, Failed, Head, Relayed, Reply
from tests.proxy.scene import POST, Stage, header

GOOD = Answer(200, [], b"{}", called_at=100.0, head_at=100.0, end_at=100.0)


def asked(stage: Stage) -> Call:
    stage.say()
    call = stage.say(b"{}")
    assert isinstance(call, Call)
    return call


def waiting(value: bytes) -> Stage:
    stage = Stage(head=Head(b"POST", b"/predict", [*POST.headers, (b"x-wait", value)]))
    stage.route.deadline_header = b"x-wait"
    return stage


@pytest.mark.parametrize(
    ("value", "until"),
    [(b"0.5", 100.5), (b"250ms", 100.25), (b"2s", 102.0), (b"60", 103.0), (b"soon", 103.0), (b"-1", 103.0)],
)
def test_a_client_can_shorten_our_deadline_and_not_lengthen_it(value: bytes, until: float) -> None:
    call = asked(waiting(value))
    assert call.until == until
    assert call.remaining == b"x-wait"
    assert b"x-wait" not in dict(call.headers), "it is said anew when it is sent"


def test_no_time_left_is_no_call() -> None:
    stage = waiting(b"20ms")
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert header(reply, b"x-guard-reason") == b"no_time"
    assert stage.model.breaker.settled == []


def test_the_impatience_of_a_client_is_no_fault_of_the_model() -> None:
    for value, outcome in ((b"500ms", "IGNORED"), (b"60", "FAILURE")):
        stage = waiting(value)
        call = asked(stage)
        stage.now.now = call.until
        stage.say(Failed("timeout"))
        assert stage.model.breaker.settled[0][0].name == outcome


PHASES = [  # what a call may be named that ended while it waited for a slot, connected, was sent, or was answered
    Failed("overloaded", sent=False),
    Failed("connect", sent=False),
    Failed("tls", sent=False),
    Failed("reset"),
    Failed("malformed"),
    Failed("timeout"),
]


@pytest.mark.parametrize("failure", PHASES, ids=lambda failure: failure.code)
@pytest.mark.parametrize("late", [0.0, 0.03])
def test_a_clients_own_deadline_counts_against_no_target_in_any_phase(failure: Failed, late: float) -> None:
    stage = waiting(b"100ms")
    stage.now.now = asked(stage).until + late
    assert header(stage.say(failure), b"x-guard-reason") == failure.code.encode()
    assert [outcome.name for outcome, _, _ in stage.model.breaker.settled] == ["IGNORED"]


@pytest.mark.parametrize("failure", PHASES[1:], ids=lambda failure: failure.code)
@pytest.mark.parametrize(("wait", "at"), [(b"100ms", 100.09), (b"60", 100.1), (b"3s", 103.0), (b"5s", 105.0)])
def test_a_target_that_fails_before_the_client_is_impatient_or_after_its_own_time_is_charged(
    failure: Failed, wait: bytes, at: float
) -> None:
    stage = waiting(wait)
    asked(stage)
    stage.now.now = at
    stage.say(failure)
    assert [outcome.name for outcome, _, _ in stage.model.breaker.settled] == ["FAILURE"]


def test_impatient_clients_leave_a_breaker_closed() -> None:
    breaker = Breaker(Config(consecutive_failures=5))
    for number in range(20):
        stage = waiting(b"100ms")
        stage.model.breaker = breaker
        stage.now.now += number
        stage.now.now = asked(stage).until
        stage.say(PHASES[number % len(PHASES)])
    assert (breaker.state, breaker.snapshot(200.0)["calls"], breaker.out) == ("closed", 0, 0)


@pytest.mark.parametrize("failure", PHASES, ids=lambda failure: failure.code)
def test_a_deadline_that_our_own_stall_missed_blames_no_target(failure: Failed) -> None:
    stage = Stage()
    asked(stage)
    reply = stage.say(Failed(failure.code, sent=failure.sent, ours=True))
    assert header(reply, b"x-guard-reason") == failure.code.encode(), "the rung is closed all the same"
    assert [outcome.name for outcome, _, _ in stage.model.breaker.settled] == ["IGNORED"]


def test_a_stream_that_our_own_stall_cut_blames_no_target() -> None:
    stage = Stage(collect=0)
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    assert stage.say(Relayed(3, 101.0, "timeout", ours=True)) is CUT
    assert [outcome.name for outcome, _, _ in stage.model.breaker.settled] == ["IGNORED"]


def test_a_mode_closes_the_rungs_above_it() -> None:
    stage = Stage()
    stage.route.rung_limit.level = 3
    stage.say()
    reply = stage.say(b"{}")
    assert header(reply, b"x-guard-source") == b"rules"
    assert header(reply, b"x-guard-reason") == b"mode"


@pytest.mark.parametrize("complete", [True, False])
def test_an_answer_after_the_kill_is_not_given(complete: bool) -> None:
    stage = Stage(collect=0)
    asked(stage)
    stage.route.rung_limit.level, stage.route.rung_limit.why = 3, "kill_file"
    reply: Any = stage.say(Answer(200, [], b"", complete=complete))
    assert (header(reply, b"x-guard-source"), header(reply, b"x-guard-reason")) == (b"rules", b"kill_file")
    assert stage.model.breaker.settled[0][0].name == "IGNORED"
    assert stage.model.breaker.out == 0


def test_a_client_that_wants_no_fallback_gets_none() -> None:
    stage = Stage(head=Head(b"POST", b"/predict", POST.headers, alone=True))
    asked(stage)
    reply = stage.say(Failed("connect"))
    assert header(reply, b"x-guard-source") == b"disabled"
    assert stage.record.descents == [("model", "connect")]
    stage = Stage(head=Head(b"POST", b"/predict", POST.headers, alone=True))
    asked(stage)
    assert header(stage.say(GOOD), b"x-guard-source") == b"model"


def test_a_pause_that_the_model_asks_for_is_told_to_its_breaker() -> None:
    stage = Stage()
    asked(stage)
    stage.say(Answer(429, [(b"retry-after", b"7")], b""))
    ((outcome, _, wait),) = stage.model.breaker.settled
    assert (outcome.name, wait) == ("BACKOFF", 7.0)


def test_only_the_models_own_answer_is_remembered() -> None:
    results: list[tuple[bytes, str]] = []
    for answer, count in ((GOOD, 1), (Answer(500, [], b"x"), 1), (Failed("reset"), 1)):
        stage = Stage()
        stage.route.remember = lambda permit, match, now, version: results.append((match.body, version))
        asked(stage)
        stage.say(answer)
        assert len(results) == count
    assert results == [(b"{}", "7")]
