"""The counts of the last hours: what is counted, and that memory is bounded."""

import json
import tracemalloc
from typing import Any

from guard.control.console.history import MINUTES, MOST_POINTS, History
from guard.proxy.values import Record, Violation


def record(ended: float, source: str | None = "model", version: str = "7") -> Record:
    """One exchange without a route."""
    made = Record("r", ended - 0.02)
    made.ended_at, made.source, made.version = ended, source, version  # type: ignore[assignment]
    return made


def document(history: History, now: float) -> Any:
    return json.loads(history.copy(now, now + 1_000_000).text())


def test_answers_are_counted_by_minute_and_lately() -> None:
    history = History()
    history.take(iter([record(61.0), record(62.0), record(200.0, None)]))
    answer = document(history, 205.0)
    series = {tuple(line["of"]): line["points"] for line in answer["series"]}
    assert series["", "source", "model"] == [2, 0, 0]
    assert series["", "source", "none"] == [0, 0, 1]
    assert series["", "seconds", "0.025"] == [2, 0, 0]
    assert answer["from"] == 1_000_060
    assert answer["step"] == 60
    assert answer["length"] == 3
    assert answer["recent"] == [["", "source", "none", 1]]


def test_descents_and_violations_are_counted_by_name() -> None:
    history, one = History(), record(61.0, "rules")
    one.descents = [("model", "breaker")]  # type: ignore[list-item]
    one.violations = [Violation("/age", "min")]  # type: ignore[arg-type]
    one.discarded = [Violation("/score", "max", "score")]  # type: ignore[arg-type]
    history.take(iter([one]))
    names = {tuple(line["of"]) for line in document(history, 61.0)["series"]}
    assert {
        ("", "closed", "model", "breaker"),
        ("", "violation", "request", "/age", "min"),
        ("", "violation", "answer", "score", "max"),
    } <= names


def test_what_is_older_than_six_hours_is_forgotten() -> None:
    history = History()
    history.take(iter([record(60.0), record(60.0 * (MINUTES + 5))]))
    assert document(history, 60.0 * (MINUTES + 5))["length"] == 1
    assert document(history, 60.0 * (3 * MINUTES))["series"] == []


def test_versions_of_a_server_that_lies_take_at_most_four_mebibytes() -> None:
    history = History()
    tracemalloc.start()
    for minute in range(1, 40):
        history.take(record(60.0 * minute, version=f"version-{minute}-{number}-{'x' * 80}") for number in range(2_500))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4 * 2**20
    assert history.left_out > 0
    assert sum(1 for line in document(history, 60.0 * 40)["series"] for point in line["points"] if point) <= MOST_POINTS
