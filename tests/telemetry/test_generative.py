"""Tokens and their times, under the names of gen_ai."""

from typing import Any

from guard.proxy.values import Usage
from guard.telemetry.generative import Generative
from tests.telemetry.records import attempt, record

STREAM = Usage("chat", 12, 5, "stop", first_at=100.13, last_at=100.21, pieces=4)


def told(usage: Usage | None, *, on: bool = True, **changes: Any) -> dict[str, list[tuple[tuple[str, ...], float, int]]]:
    sink = Generative()
    sink.on = on
    one = attempt()
    one.version, one.usage = "m-7", usage
    sink.take(iter([record(attempts=[one], **changes)]))
    return {
        series.instrument.name: [(labels, round(made.sum, 6), sum(made.counts)) for labels, made in series if labels]
        for series in sink.series()
    }


def test_a_stream() -> None:
    found = told(STREAM)
    labels = ("chat", "tongue", "m-7")
    assert found == {
        "gen_ai.client.token.usage": [((*labels, "input"), 12, 1), ((*labels, "output"), 5, 1)],
        "gen_ai.server.request.duration": [((*labels, ""), 0.2, 1)],
        "gen_ai.server.time_to_first_token": [(labels, 0.1, 1)],
        "gen_ai.server.time_per_output_token": [(labels, 0.02, 1)],
    }


def test_an_answer_in_one_piece_has_no_times_between_tokens() -> None:
    found = told(Usage("chat", 12, 5, "stop"))
    assert found["gen_ai.server.time_to_first_token"] == []
    assert found["gen_ai.server.time_per_output_token"] == []


def test_tokens_that_nobody_counted_are_not_told() -> None:
    assert told(Usage("chat", finish="stop"))["gen_ai.client.token.usage"] == []


def test_a_generation_counts_though_its_answer_was_not_given() -> None:
    failed, answered = attempt(), attempt()
    failed.version, failed.usage, failed.failed = "m-7", Usage("chat", 12, 5, "error"), "reset"
    answered.version, answered.usage = "m-6", Usage("chat", 3, 2, "error")
    sink = Generative()
    sink.on = True
    sink.take(iter([record(attempts=[failed, attempt(), answered], usage=answered.usage)]))
    durations = next(series for series in sink.series() if series.instrument.name == "gen_ai.server.request.duration")
    assert {labels[2:]: sum(made.counts) for labels, made in durations if labels} == {
        ("m-7", "reset"): 1,
        ("m-6", "error_event"): 1,
    }


def test_nothing_without_the_switch_or_without_a_generative_answer() -> None:
    for found in (told(STREAM, on=False), told(None), told(STREAM, matched=None)):
        assert not any(found.values())
