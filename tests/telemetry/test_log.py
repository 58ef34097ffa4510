"""The operators' log: what is written, what is left out, and that nobody waits for it."""

import io
import json
import threading

from guard.proxy.values import Record, Violation
from guard.telemetry.log import LINES, Log, Trouble


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


def record(**changes: object) -> Record:
    made = Record("id-1", 100.0)
    whole = {"method": "POST", "route": "/p", "status": 200, "source": "model", "ended_at": 100.5, **changes}
    for name, value in whole.items():
        setattr(made, name, value)
    return made


def test_events_are_lines_of_json() -> None:
    stream = Stream()
    log = Log(stream)
    log.event("serving", listen="x", number=3)
    log.close()
    (line,) = lines(stream)
    assert line["event"] == "serving"
    assert line["listen"] == "x"
    assert str(line["time"]).endswith("Z")


def test_only_trouble_is_written_and_without_values() -> None:
    stream = Stream()
    log = Log(stream)
    sink = Trouble(log)
    sink.record(record())
    sink.record(record(descents=[("model", "connect")], source="rules", reason="connect"))
    sink.record(record(code="contract", status=422, source=None, violations=[Violation("/a", "min")]))
    sink.record(record(code="internal", status=500, error="ValueError"))
    log.close()
    descent, denial, bug = lines(stream)
    assert (descent["source"], descent["reason"], descent["descents"], descent["ms"]) == (
        "rules",
        "connect",
        ["model: connect"],
        500.0,
    )
    assert (denial["code"], denial["violations"], denial["level"]) == ("contract", ["/a min"], "warning")
    assert (bug["error"], bug["level"]) == ("ValueError", "error")


def test_the_rate_is_bounded_and_what_is_left_out_is_counted() -> None:
    stream = Stream()
    log = Log(stream)
    sink = Trouble(log, rate=10.0, burst=5.0)
    for _ in range(50):
        sink.record(record(code="contract"))
    sink.record(record(code="contract", ended_at=100.75))
    log.close()
    written = lines(stream)
    assert len(written) == 6
    assert written[-1]["left_out"] == 45


def test_a_blocked_stream_drops_and_counts() -> None:
    stream = Stream()
    stream.free.clear()
    log = Log(stream)
    for number in range(LINES + 100):
        log.event("x", number=number)
    assert 90 <= log.dropped <= 100
    stream.free.set()
    log.close()


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
