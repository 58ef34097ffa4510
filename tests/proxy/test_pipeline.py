"""Dialogues: this request; expect this command; answer it so; expect this reply. Every branch of the life."""

from typing import Any

import pytest

from guard.proxy.pipeline import LEAST_TIME
from guard.proxy.values import (
    CUT,
    DONE,
    STREAM,
    Allow,
    Amend,
    Answer,
    Body,
    Call,
    CallOutcome,
    Closed,
    Deny,
    Failed,
    Gone,
    Head,
    Lower,
    ParsedAnswer,
    Refused,
    Relay,
    Relayed,
    Reply,
    Usage,
    Violation,
)
from tests.proxy.scene import DENY, Fixed, Listener, Local, Off, Stage, header, rules

GOOD = Answer(200, [(b"content-type", b"application/json")], b"{}", called_at=1, end_at=2)


def asked(stage: Stage, body: bytes = b"{}") -> Call:
    """Up to the model's call."""
    command = stage.say()
    assert isinstance(command, Body)
    assert command.limit == 1000
    call = stage.say(body)
    assert isinstance(call, Call)
    return call


def outcomes(stage: Stage) -> dict[str, int]:
    return {key.name: count for key, count in stage.model.breaker.counts.items() if count}


def test_the_model_answers() -> None:
    stage = Stage()
    call = asked(stage)
    assert (call.body, call.collect, call.until) == (b"{}", 1000, 103.0)
    results = [name for name, _ in call.headers]
    assert results == [b"content-type", b"x-forwarded-host", b"x-guard-request-id"]  # the Host is the target's
    reply = stage.say(GOOD)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"{}")
    assert header(reply, b"x-guard-source") == b"model"
    assert header(reply, b"x-guard-reason") is None
    assert header(reply, b"x-guard-model-version") == b"7"
    assert header(reply, b"x-guard-request-id") == b"id-1"
    assert header(reply, b"server-timing") == b"guard;dur=-1000.000, upstream;dur=1000.000"  # the clock stood still
    assert outcomes(stage) == {"SUCCESS": 1}
    assert (stage.record.source, stage.record.status, stage.record.version) == ("model", 200, "7")
    assert (stage.record.route, stage.record.method, stage.record.response_bytes) == ("/predict", "POST", 2)


@pytest.mark.parametrize("code", ["connect", "tls", "reset", "timeout", "malformed"])
def test_a_failed_call_descends_to_rules(code: str) -> None:
    stage = Stage()
    asked(stage)
    reply = stage.say(Failed(code))  # type: ignore[arg-type]
    assert (header(reply, b"x-guard-source"), header(reply, b"x-guard-reason")) == (b"rules", code.encode())
    assert header(reply, b"x-guard-model-version") is None
    assert outcomes(stage) == {"FAILURE": 1}
    assert stage.record.descents == [("model", code)]
    assert stage.model.breaker.out == 0


def test_our_own_answers_have_a_date_and_the_models_keep_theirs() -> None:
    stage = Stage()
    asked(stage)
    reply = stage.say(Answer(200, [(b"date", b"theirs")], b"", dated=True))
    assert [value for name, value in reply.headers if name == b"date"] == [b"theirs"]
    stage = Stage()
    asked(stage)
    assert header(stage.say(Failed("reset")), b"date") == b"Thu, 01 Jan 1970 00:01:40 GMT"
    stage = Stage(fault="bad_request")
    assert header(stage.say(), b"date") == b"Thu, 01 Jan 1970 00:01:40 GMT"


def test_our_own_overload_does_not_count_against_the_model() -> None:
    stage = Stage()
    asked(stage)
    assert header(stage.say(Failed("overloaded", sent=False)), b"x-guard-reason") == b"overloaded"
    assert outcomes(stage) == {"IGNORED": 1}


@pytest.mark.parametrize(
    ("answer", "reason", "outcome"),
    [
        (Answer(500, [], b""), "status", "FAILURE"),
        (Answer(302, [], b""), "status", "FAILURE"),
        (Answer(429, [(b"retry-after", b"7")], b""), "backoff", "BACKOFF"),
    ],
)
def test_an_answer_that_is_none_descends(answer: Answer, reason: str, outcome: str) -> None:
    stage = Stage()
    asked(stage)
    assert header(stage.say(answer), b"x-guard-reason") == reason.encode()
    assert outcomes(stage) == {outcome: 1}


def test_a_fault_of_the_client_that_the_model_reports_is_answered_in_our_words() -> None:
    stage = Stage()
    asked(stage)
    reply = stage.say(Answer(400, [(b"x-secret", b"1")], b"bad value 4711"))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (400, b"upstream_refused")
    assert header(reply, b"x-guard-source") is None
    assert header(reply, b"x-secret") is None
    assert outcomes(stage) == {"IGNORED": 1}
    assert (stage.record.code, stage.record.source) == ("upstream_refused", None)


def test_an_invalid_answer_closes_the_rung_and_its_violations_are_recorded() -> None:
    violation = Violation("/score", "max")
    stage = Stage(output=Fixed(Deny("contract", [violation])), rungs=None)
    stage.route.ladder = (stage.model, Off())
    asked(stage)
    reply = stage.say(GOOD)
    assert isinstance(reply, Reply)
    assert reply.body == b"invalid"
    assert outcomes(stage) == {"INVALID": 1}
    assert (stage.record.discarded, stage.record.answer_violations) == ([violation], ())


def test_rules_must_keep_the_output_contract_too() -> None:
    stage = Stage(output=DENY, rungs=[rules(), Off()])
    stage.say()
    assert header(stage.say(b"{}"), b"x-guard-source") == b"disabled"


def test_observe_lets_an_invalid_answer_pass_and_records_it() -> None:
    stage = Stage(output=Fixed(Deny("contract", [Violation("/score", "max")])), enforce=False)
    asked(stage)
    assert header(stage.say(GOOD), b"x-guard-source") == b"model"
    assert stage.record.answer_violations


def test_an_answer_too_large_to_be_judged_closes_the_rung() -> None:
    stage = Stage(output=Fixed(Allow()))
    asked(stage)
    assert header(stage.say(Answer(200, [], b"x" * 1001, complete=False)), b"x-guard-reason") == b"too_large"


@pytest.mark.parametrize("reason", ["no_rule", "rule_error"])
def test_disabled_answers_last(reason: str) -> None:
    stage = Stage()
    stage.route.ladder = (stage.model, rules(reason), Off())  # type: ignore[arg-type]
    asked(stage)
    reply = stage.say(Failed("connect", sent=False))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (503, reason.encode())
    assert header(reply, b"x-guard-reason") == b"connect"  # why the first rung was left
    assert stage.record.descents == [("model", "connect"), ("rules", reason)]


def test_the_reason_can_be_kept_to_ourselves() -> None:
    stage = Stage(expose_reason=False)
    asked(stage)
    assert header(stage.say(Failed("reset")), b"x-guard-reason") is None
    assert stage.record.reason == "reset"


def test_a_denied_request_reaches_no_rung() -> None:
    violations = [Violation("/age", "min"), Violation("/income", "type")]
    stage = Stage(judges=[Fixed(Deny("contract", violations))])
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (422, b"contract")
    assert header(reply, b"x-guard-source") is None
    assert list(stage.record.violations) == violations
    assert stage.model.breaker.out == 0


def test_an_amended_request_is_what_the_model_gets_and_violations_of_judges_add_up() -> None:
    one, two = Violation("/a", "min"), Violation("/b", "max")
    stage = Stage(judges=[Fixed(Allow(None, [one])), Fixed(Amend({"a": 1}, b'{"a":1}', [two]))])
    stage.say()
    call = stage.say(b'{"a":1,"b":2}')
    assert isinstance(call, Call)
    assert call.body == b'{"a":1}'
    stage.say(GOOD)
    assert list(stage.record.violations) == [one, two]


def test_a_lowered_request_is_answered_below_every_rung_that_reads_it() -> None:
    stage = Stage(judges=[Fixed(Lower("stale", {}, b"{}"))])
    stage.say()
    reply = stage.say(b"{}")
    assert (header(reply, b"x-guard-source"), header(reply, b"x-guard-reason")) == (b"rules", b"stale")


def test_a_judge_that_crashes_denies() -> None:
    stage = Stage(judges=[Fixed(ValueError("4711"))])
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (500, b"internal")
    assert stage.record.error == "ValueError"


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (Head(b"POST", b"/other", []), 404, b"not_found"),
        (Head(b"PUT", b"/predict", []), 405, b"method_not_allowed"),
    ],
)
def test_what_no_route_matches_is_refused_before_its_body_is_read(head: Head, status: int, code: bytes) -> None:
    reply = Stage(head=head).say()
    assert isinstance(reply, Reply)
    assert reply.status == status
    assert code in reply.body
    assert (header(reply, b"allow") == b"POST") is (status == 405)


def test_a_head_that_the_front_could_not_use_has_a_life_and_a_record() -> None:
    stage = Stage(fault="headers_too_large")
    reply = stage.say()
    assert isinstance(reply, Reply)
    assert (reply.status, reply.close) == (431, True)
    assert stage.record.code == "headers_too_large"


@pytest.mark.parametrize(("code", "status", "close"), [("body_too_large", 413, False), ("request_timeout", 408, True)])
def test_a_bad_body_is_refused(code: str, status: int, close: bool) -> None:
    stage = Stage()
    stage.say()
    reply = stage.say(Refused(code))  # type: ignore[arg-type]
    assert isinstance(reply, Reply)
    assert (reply.status, reply.close) == (status, close)


def test_without_time_left_a_rung_with_io_is_not_asked() -> None:
    stage = Stage(request=LEAST_TIME - 0.001)
    stage.say()
    assert header(stage.say(b"{}"), b"x-guard-reason") == b"no_time"


def test_the_attempt_ends_with_the_request() -> None:
    assert asked(Stage(request=2.0)).until == 102.0


def test_the_request_clock_starts_when_the_body_is_read() -> None:
    stage = Stage(request=2.0)
    stage.say()
    stage.now.now += 60
    call = stage.say(b"{}")
    assert isinstance(call, Call)
    assert call.until == 162.0


def test_the_client_leaves_during_each_command() -> None:
    for steps in ([], [b"{}"], [b"{}", Answer(200, [], b"", complete=False)]):
        stage = Stage(collect=0)
        stage.say()
        for step in steps:
            stage.say(step)
        assert stage.say(Gone()) is CUT
        assert stage.record.departure == "client"
        assert stage.model.breaker.out == 0
        assert outcomes(stage) == ({"GONE": 1} if steps else {})


def test_a_streamed_answer_settles_at_its_end() -> None:
    stage = Stage(collect=0)
    asked(stage)
    relay = stage.say(Answer(200, [(b"content-type", b"text/event-stream")], b"", complete=False))
    assert isinstance(relay, Relay)
    assert (b"x-guard-source", b"model") in relay.headers
    assert stage.model.breaker.out == 1
    assert stage.say(Relayed(42, 101.0)) is DONE
    assert outcomes(stage) == {"SUCCESS": 1}
    assert (stage.record.response_bytes, stage.record.attempts[0].ended_at) == (42, 101.0)


class Heard:
    """What an inspector heard of a stream."""

    begun, unfinished, refused, error = True, False, False, b""

    def __init__(self, finish: str = "stop") -> None:
        self.parsed = ParsedAnswer(None, "m-7", Usage("chat", 3, 2, finish))


def test_what_a_stream_said_of_itself_is_in_the_record_also_where_the_client_left() -> None:
    for ending in (Relayed(42, 101.0), Gone()):
        stage = Stage(collect=0, inspector=Heard())
        asked(stage)
        stage.say(Answer(200, [], b"", complete=False))
        stage.say(ending)
        assert (stage.record.usage, stage.record.version) == (Usage("chat", 3, 2, "stop"), "m-7")
        assert stage.record.attempts[0].version == "m-7"


class Passing(Heard):
    """One that takes a part away."""

    def feed(self, chunk: bytes, now: float) -> bytes:
        return chunk.replace(b"usage", b"")

    def end(self) -> bytes:
        return b"."


@pytest.mark.parametrize(("finish", "outcome"), [("stop", "SUCCESS"), ("error", "FAILURE")])
def test_a_stream_that_arrived_in_one_piece_is_heard_and_not_judged_as_a_document(finish: str, outcome: str) -> None:
    stage = Stage(collect=0, output=DENY, inspector=Passing(finish))
    asked(stage)
    reply = stage.say(Answer(200, [(b"content-type", b"text/event-stream")], b"data usage"))
    assert isinstance(reply, Reply)
    assert reply.body == b"data ."
    assert outcomes(stage) == {outcome: 1}
    assert (stage.record.usage, stage.record.version) == (Usage("chat", 3, 2, finish), "m-7")
    assert stage.record.error == ("error_event" if finish == "error" else "")


def test_an_error_within_a_stream_counts_against_the_model() -> None:
    stage = Stage(collect=0, inspector=Heard("error"))
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    assert stage.say(Relayed(42, 101.0)) is DONE
    assert outcomes(stage) == {"FAILURE": 1}
    assert stage.record.error == "error_event"


def test_it_counts_also_where_the_client_left_as_soon_as_it_read_of_it() -> None:
    stage = Stage(collect=0, inspector=Heard("error"))
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    assert stage.say(Gone()) is CUT
    assert outcomes(stage) == {"FAILURE": 1}
    assert (stage.record.error, stage.record.departure) == ("error_event", "client")


def test_a_stream_that_was_told_why_it_ends_may_end_well() -> None:
    stage = Stage(collect=0, inspector=Heard("error"))
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    assert stage.say(Relayed(42, 101.0, "reset", error_sent=True)) is DONE
    assert outcomes(stage) == {"FAILURE": 1}
    assert stage.record.error == "reset"


def test_a_truncated_stream_is_cut_and_counts_as_failure() -> None:
    stage = Stage(collect=0, output=DENY)
    asked(stage)
    assert isinstance(stage.say(Answer(200, [], b"", complete=False)), Relay)
    assert stage.say(Relayed(42, 101.0, "reset")) is CUT
    assert outcomes(stage) == {"FAILURE": 1}
    assert stage.record.error == "reset"


def test_a_streamed_body_once_sent_closes_the_rungs_that_need_it() -> None:
    stage = Stage(buffered=False)
    stage.route.ladder = (stage.model, stage.model, rules(), Off())
    call = stage.say()
    assert isinstance(call, Call)
    assert call.body is STREAM
    reply = stage.say(Failed("reset"))
    assert header(reply, b"x-guard-source") == b"rules"
    assert stage.record.descents == [("model", "reset"), ("model", "body_spent")]


def test_a_streamed_body_not_yet_sent_may_go_to_the_next_rung() -> None:
    stage = Stage(buffered=False)
    stage.route.ladder = (stage.model, stage.model, Off())
    stage.say()
    assert isinstance(stage.say(Failed("connect", sent=False)), Call)


def test_a_head_request_is_not_held_against_the_output_contract() -> None:
    stage = Stage(output=DENY, head=Head(b"HEAD", b"/predict", []))
    asked(stage, b"")
    assert header(stage.say(Answer(200, [], b"")), b"x-guard-source") == b"model"


def test_a_ladder_that_ends_is_a_bug_and_a_500() -> None:
    stage = Stage(rungs=[rules("no_rule")])
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert reply.status == 500
    assert stage.record.error == "LadderEnded"


def test_a_rung_that_talks_nonsense_is_a_bug_and_a_500() -> None:
    stage = Stage(rungs=[Local(None), Off()])  # type: ignore[arg-type]
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert reply.status == 500


def test_a_relay_answered_with_nonsense_is_a_bug_and_no_clean_end() -> None:
    stage = Stage(collect=0)
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    end = stage.say(b"nonsense")
    assert isinstance(end, Reply)  # the driver turns it into CUT, the head being out
    assert end.status == 500


def test_a_crashed_sink_is_counted_and_never_felt() -> None:
    bad, good = Listener(crash=True), Listener()
    stage = Stage(sinks=[bad, good])
    asked(stage)
    assert isinstance(stage.say(GOOD), Reply)
    assert stage.crashed == [bad]
    assert len(good.records) == 1


def test_a_late_settlement_changes_nothing() -> None:
    stage = Stage()
    call = asked(stage)
    stage.say(GOOD)
    call.ticket.settle(CallOutcome.FAILURE, 0.0)
    assert outcomes(stage) == {"SUCCESS": 1}
    assert stage.model.breaker.out == 0


def test_closed_names_its_retry_after() -> None:
    stage = Stage(rungs=[Local(Closed("backoff", 9.0)), Off()])
    stage.say()
    reply = stage.say(b"{}")
    assert isinstance(reply, Reply)
    assert reply.body == b"backoff"


class Failing(Heard):
    """A stream whose first event is an error."""

    def __init__(self, error: bytes) -> None:
        super().__init__("error")
        self.error, self.refused = error, True


def test_a_stream_that_was_not_begun_descends_and_nothing_of_it_is_told() -> None:
    stage = Stage(collect=0, inspector=Failing(b"model"))
    asked(stage)
    relay = stage.say(Answer(200, [], b"", complete=False))
    assert isinstance(relay, Relay)
    assert relay.until == pytest.approx(103.0), "the first event is due when the attempt ends"
    reply = stage.say(Relayed(0, 101.0, "status", opened=False))
    assert (header(reply, b"x-guard-source"), header(reply, b"x-guard-reason")) == (b"rules", b"status")
    assert outcomes(stage) == {"FAILURE": 1}
    assert (stage.record.source, stage.record.error, stage.record.version) == ("rules", "", "")


def test_a_clients_error_as_first_event_is_answered_to_it() -> None:
    stage = Stage(collect=0, inspector=Failing(b"client"))
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    reply = stage.say(Relayed(0, 101.0, "status", opened=False))
    assert isinstance(reply, Reply)
    assert reply.body == b"upstream_refused"
    assert outcomes(stage) == {"IGNORED": 1}
    assert stage.record.source is None


@pytest.mark.parametrize(
    ("failed", "ours", "outcome"),
    [("timeout", False, "FAILURE"), ("timeout", True, "IGNORED"), ("mode", False, "IGNORED"), (None, False, "FAILURE")],
)
def test_silence_descends_and_blames_whom_it_should(failed: Any, ours: bool, outcome: str) -> None:
    stage = Stage(collect=0, inspector=Heard())
    asked(stage)
    stage.say(Answer(200, [], b"", complete=False))
    reply = stage.say(Relayed(0, 101.0, failed, ours=ours, opened=False))
    assert header(reply, b"x-guard-reason") == (failed or "malformed").encode()
    assert outcomes(stage) == {outcome: 1}
