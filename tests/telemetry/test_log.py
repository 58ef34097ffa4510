"""The operators' log: what is written, what is left out, and that nobody waits for it."""

import io
import json
import logging
import threading

import pytest

from guard.events import AdminListening
from guard.telemetry.log import LINES, Foreign, Log, together


class Stream(io.StringIO):
    """A stream that can be blocked, as a full pipe is, or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.free.wait(10)
        return super().write(text)


def lines(stream: Stream) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_are_lines_of_json() -> None:
    stream = Stream()
    log = Log(stream)
    log.take(AdminListening(listen="x"))
    log.close()
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["listen"]) == ("admin", "info", "x")
    assert str(line["time"]).endswith("Z")


def test_a_blocked_stream_drops_and_counts() -> None:
    stream = Stream()
    stream.free.clear()
    log = Log(stream)
    log.line("x", logging.INFO, {"number": -1})
    assert stream.asked.wait(10)  # the thread holds this line, and takes no other
    for number in range(LINES + 100):
        log.line("x", logging.INFO, {"number": number})
    assert log.dropped == 100
    stream.free.set()
    log.close()
    numbers = [line["number"] for line in lines(stream)]
    assert numbers == [-1, *range(100, LINES + 100)]  # the newest are there, the oldest went


def test_lines_of_libraries_say_where_and_not_what() -> None:
    stream = Stream()
    log = Log(stream)
    library = logging.Logger("library")  # noqa: LOG001 — not of the global tree
    library.addHandler(Foreign(log.take))
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
        log.line("x", logging.INFO, {"number": number})
    log.close()
    stream.free.set()


def test_a_closed_stream_is_no_error() -> None:
    stream = Stream()
    log = Log(stream)
    stream.close()
    log.line("x", logging.INFO, {})
    log.close()
    log.line("after", logging.INFO, {})


def test_after_a_pause_the_first_line_waits_for_others_and_the_end_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.telemetry.log.GATHER", 600.0)
    stream = Stream()
    log = Log(stream)
    log.line("first", logging.INFO, {})
    log.line("second", logging.INFO, {})
    assert stream.getvalue() == ""
    log.close()  # without this the lines would come in ten minutes
    assert [line["event"] for line in lines(stream)] == ["first", "second"]


def test_a_line_that_cannot_be_written_is_counted_and_the_next_one_is_written() -> None:
    stream = Stream()
    log = Log(stream)
    endless: dict[str, object] = {}
    endless["self"] = endless
    log.line("x", logging.INFO, {"value": endless})
    log.line("y", logging.INFO, {"value": object})
    log.close()
    assert [line["event"] for line in lines(stream)] == ["y"]
    assert log.crashes == 1


def test_who_else_takes_lines_may_crash() -> None:
    stream, heard = Stream(), []
    log = Log(stream)
    log.also(lambda line: heard.append(line.fields["none"]))
    log.also(heard.append)
    log.line("x", logging.INFO, {"number": 1})
    log.close()
    assert [(item.event, item.fields) for item in heard] == [("x", {"number": 1})]
    assert (log.crashes, len(lines(stream))) == (1, 1)


def test_lines_come_whole_as_a_pipe_takes_them() -> None:
    texts = ["x" * size for size in (10, 4000, 86, 5000, 1, 4095, 1, 1)]
    gathered = list(together(iter(texts)))
    assert "".join(gathered) == "".join(texts)
    assert [len(item) for item in gathered] == [4096, 5000, 4096, 2]


def test_a_line_after_a_long_pause_wakes_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = threading.Event()

    class Call(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is None:
                slept.set()
            return super().wait(timeout)

    monkeypatch.setattr("guard.telemetry.log.Signal", Call)
    monkeypatch.setattr("guard.telemetry.log.GATHER", 0.0)
    stream = Stream()
    log = Log(stream)
    assert slept.wait(10)
    written = threading.Event()
    monkeypatch.setattr(stream, "flush", written.set)
    log.line("x", logging.INFO, {})
    assert written.wait(10)
    log.close()
    assert [line["event"] for line in lines(stream)] == ["x"]
