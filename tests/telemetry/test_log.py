"""The operators' log: what is written, what is left out, and that nobody waits for it."""

import io
import json
import logging
import threading

import pytest

from guard.telemetry.log import LINES, Foreign, Log


class Stream(io.StringIO):
    """A stream that can be blocked, as a full pipe is, or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def write(self, text: str) -> int:
        self.free.wait(10)
        return super().write(text)


def lines(stream: Stream) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_are_lines_of_json() -> None:
    stream = Stream()
    log = Log(stream)
    log.event("serving", listen="x", number=3)
    log.close()
    (line,) = lines(stream)
    assert line["event"] == "serving"
    assert line["listen"] == "x"
    assert str(line["time"]).endswith("Z")


def test_a_blocked_stream_drops_and_counts() -> None:
    stream = Stream()
    stream.free.clear()
    log = Log(stream)
    for number in range(LINES + 100):
        log.event("x", number=number)
    assert 90 <= log.dropped <= 100
    stream.free.set()
    log.close()
    numbers = [line["number"] for line in lines(stream)]
    assert numbers[-1] == LINES + 99  # the newest are there, the oldest went
    assert len(numbers) == LINES + 100 - log.dropped


def test_lines_of_libraries_say_where_and_not_what() -> None:
    stream = Stream()
    log = Log(stream)
    library = logging.Logger("library")  # noqa: LOG001 — not of the global tree
    library.addHandler(Foreign(log))
    for _ in range(3):
        library.error("the client said %s", "CANARY")
    library.info("CANARY")
    log.close()
    (line,) = lines(stream)  # once a second of each place
    assert (line["event"], line["logger"], line["level"]) == ("library", "library", "error")
    assert "CANARY" not in stream.getvalue()


def test_a_stream_that_stays_blocked_does_not_keep_the_process() -> None:
    stream = Stream()
    stream.free.clear()
    log = Log(stream)
    for number in range(LINES + 100):
        log.event("x", number=number)
    log.close()
    stream.free.set()


def test_a_closed_stream_is_no_error() -> None:
    stream = Stream()
    log = Log(stream)
    stream.close()
    log.event("x")
    log.close()
    log.event("after")


def test_after_a_pause_the_first_line_waits_for_others_and_the_end_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.telemetry.log.GATHER", 600.0)
    stream = Stream()
    log = Log(stream)
    log.event("first")
    log.event("second")
    assert stream.getvalue() == ""
    log.close()  # without this the lines would come in ten minutes
    assert [line["event"] for line in lines(stream)] == ["first", "second"]
