"""The log's lines of exchanges: which, how many, and with what in them."""

import io
import json
from collections.abc import Callable
from typing import Any

from guard.proxy.values import Record, Violation
from guard.telemetry.exchanges import Exchanges
from guard.telemetry.log import Log
from tests.telemetry.records import prediction, record, trace


def written(tell: Callable[[Exchanges], object]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    log = Log(stream)
    tell(Exchanges(log, lambda value: f"fenced {value}"))
    log.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def told(*records: Record) -> list[dict[str, Any]]:
    return written(lambda sink: [sink.take(iter([item])) for item in records])


def test_only_trouble_is_written() -> None:
    descent, denial, bug = told(
        record(),
        record(descents=[("model", "connect")], source="rules", reason="connect"),
        record(code="contract", status=422, source=None, violations=[Violation("/a", "min")]),
        record(code="internal", status=500, error="ValueError"),
    )
    assert (descent["source"], descent["reason"], descent["descents"], descent["ms"], descent["upstream_ms"]) == (
        "rules", "connect", ["model: connect"], 250.0, 210.0,
    )  # fmt: skip
    assert (denial["code"], denial["violations"], denial["level"]) == ("contract", ["/a min"], "warning")
    assert (bug["error"], bug["level"]) == ("ValueError", "error")


def test_the_rate_is_bounded_and_what_is_left_out_is_counted() -> None:
    lines = told(*[record(code="contract")] * 50, record(code="contract", ended_at=101.25))
    assert len(lines) == 21
    assert lines[-1]["left_out"] == 30


def test_a_sampled_exchange_shows_what_it_may_and_all_of_it_fenced() -> None:
    (line,) = told(record(trace=trace(), shown={"age": 34}))
    assert line["level"] == "info"
    assert line["trace_id"] == f"{0xABC:032x}"
    assert line["input"] == {"age": "fenced 34"}
    assert line["output"] == {"label": "fenced yes", "score": "fenced 0.5"}


def test_a_sampled_batch_shows_a_few_of_its_answers_and_only_those_that_were_served() -> None:
    batch = prediction(["no"] * 30, [0.5] * 30, source="rules")
    (line,) = told(record(trace=trace(), rows=30, source="rules", predictions=[prediction(["yes"], [0.1]), batch]))
    assert line["output"]["label"] == f"fenced {['no'] * 10}"
    assert line["rows"] == 30


def test_an_answer_that_breaks_its_contract_is_not_shown() -> None:
    (line,) = told(record(trace=trace(), predictions=[prediction(["who knows"], [0.1], valid=False)]))
    assert "output" not in line


def test_trouble_that_is_not_sampled_shows_no_value() -> None:
    (line,) = told(record(trace=trace(sampled=False), shown={"age": 34}, code="contract"))
    assert "input" not in line
    assert "output" not in line


def test_sampled_lines_have_a_rate_too() -> None:
    assert len(told(*[record(trace=trace())] * 500)) == 100
