"""The telemetry of a process: a bug in one part costs that part, is counted, and is said with its place."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from guard.control.event_bus import EventBus
from guard.control.ops import Making, Page
from guard.control.own_health import OwnHealth
from guard.control.source_window import SourceWindow
from guard.control.telemetry import Telemetry
from guard.events import TelemetryCrashed
from guard.telemetry.versions import Versions
from tests.telemetry.exposition import parse
from tests.telemetry.later import Later
from tests.telemetry.records import record


class Vitals:
    """One source works, the others crash."""

    def process(self) -> Any:
        return iter(())

    identity = clients = process

    def ladder(self) -> Any:
        raise KeyError("a secret")

    def waited(self, _now: float) -> float:
        raise KeyError("a secret")


class Process:
    """A telemetry, and what it said."""

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self.events: list[TelemetryCrashed] = []
        own = OwnHealth(EventBus())
        own.bus.subscribe("test", self.events.append, TelemetryCrashed)
        log: Any = SimpleNamespace(dropped=0, crashes=0)
        self.telemetry = Telemetry(log, own, SourceWindow(), Versions(own.bus.publish), lambda: 1.7e9, environ or {})
        self.telemetry._process_collector = Vitals()  # type: ignore[assignment]

    def page(self) -> Page:
        return finished(self.telemetry.page(""))


def finished(making: Making) -> Page:
    while True:
        try:
            next(making)
        except StopIteration as end:
            page: Page = end.value
            return page


def test_a_source_that_crashes_is_counted_and_said_once_and_the_page_has_the_rest() -> None:
    process = Process()
    for _ in range(3):
        assert process.page().status == 200
    families = parse(process.page().body)
    dropped = {item.labels: item.value for item in families["guard_telemetry_dropped_total"]}
    assert dropped[("guard_signal", "metrics"), ("guard_reason", "crashed")] == 3
    (event,) = process.events
    assert (event.signal, event.error) == ("metrics", "KeyError")
    assert event.place.startswith("guard/control/telemetry.py:")  # the innermost of guard: the source is the test's
    assert "secret" not in str(event)


def test_a_sink_that_crashes_is_said_with_its_place() -> None:
    process = Process()

    class Broken:
        def take(self, records: Any) -> None:
            next(records)
            raise ValueError("a secret")

    async def main() -> None:
        process.telemetry.also(Broken())
        for _ in range(3):
            process.telemetry.sink.record(record())
        process.telemetry.flush()

    asyncio.run(main())
    (event,) = process.events
    assert (event.signal, event.error) == ("records", "ValueError")
    assert process.telemetry._batcher.crashes == {"Broken": 3}


def test_a_crash_does_not_end_the_watch_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a chain of timers: one that raises before it sets the next is the last."""
    later, process = Later(), Process()
    monkeypatch.setattr(
        asyncio, "get_running_loop", lambda: SimpleNamespace(call_later=lambda delay, *_: later(delay, print))
    )
    with pytest.raises(KeyError):
        process.telemetry._lateness(0.0)
    assert len(later.asked) == 1
