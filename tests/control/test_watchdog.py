"""Stalls of a real loop are named while they last; what is decided of them, with notes of a clock that the test sets."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from guard.control import watchdog as module
from guard.control.watchdog import BEAT, COMPILED, MOST_PLACES, NOT_SCHEDULED, OTHER, STALL, Watchdog, _Note
from guard.events import LoopStalled
from tests.proxy.stand import run

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


class Heard:
    """Events as they are published, from the watchdog's own thread."""

    def __init__(self) -> None:
        self.events: list[LoopStalled] = []
        self.threads: set[str] = set()
        self.came = threading.Event()

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread().name)
        self.came.set()


def stalls_here(until: threading.Event) -> None:
    assert until.wait(10), "nobody named the stall while it lasted"


@LOOPS
def test_a_stall_is_named_while_it_lasts_by_the_place_and_no_value(loop: str) -> None:
    heard = Heard()

    async def main() -> None:
        watchdog = Watchdog(heard)
        watchdog.start()
        await asyncio.sleep(2 * BEAT)
        heard.came.clear()
        heard.events.clear()
        secret = "CANARY"
        stalls_here(heard.came)  # ends only because it is named
        watchdog.stop()
        assert sum(watchdog.stalls.values()) >= 1
        assert secret not in str(heard.events)

    run(main, loop)
    event = heard.events[0]
    assert event.seconds >= STALL
    assert event.place.split(":")[0].endswith("/threading.py"), "no frame of guard: the library's innermost one"
    assert heard.threads == {"guard-watchdog"}


@LOOPS
def test_a_stall_inside_guard_is_named_by_guards_own_function(loop: str) -> None:
    """Compiled here as a module of guard: `place` knows its frames by their file."""
    heard = Heard()
    names: dict[str, Any] = {}
    code = compile("def holds_the_loop(until):\n    until.wait(10)\n", "guard/control/held.py", "exec")
    exec(code, names)

    async def main() -> None:
        watchdog = Watchdog(heard)
        watchdog.start()
        await asyncio.sleep(2 * BEAT)
        heard.came.clear()
        heard.events.clear()
        asyncio.get_running_loop().call_soon(names["holds_the_loop"], heard.came)
        await asyncio.sleep(0.01)
        watchdog.stop()
        assert watchdog.stalls["guard/control/held.py:2:holds_the_loop"] == 1

    run(main, loop)
    assert "guard/control/held.py:2:holds_the_loop" in {event.place for event in heard.events}


class Stand:
    """A watchdog without a thread: the test looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Callable[[], str]) -> None:
        self.events: list[LoopStalled] = []
        self.watchdog = Watchdog(self.events.append)  # type: ignore[arg-type]
        monkeypatch.setattr(self.watchdog, "_place", lambda _note: place())

    def goes_on(self, at: float) -> None:
        self.watchdog._note = _Note(at, 0.0)

    def look(self, at: float) -> float:
        return self.watchdog._check(at)


def test_a_loop_that_goes_on_is_looked_at_when_its_note_would_be_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, lambda: "x:1:f")
    stand.goes_on(100.0)
    assert stand.look(100.03) == pytest.approx(STALL - 0.03)
    stand.goes_on(100.05)
    assert stand.look(100.1) == pytest.approx(STALL - 0.05)
    assert stand.events == []


def test_a_stall_is_counted_once_and_published_again_when_it_is_ten_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, lambda: "x:1:f")
    stand.goes_on(100.0)
    for step in range(1, 1000):
        stand.look(100.0 + step * 0.05)
    assert [event.seconds for event in stand.events] == pytest.approx([0.1, 1.0, 10.0], abs=0.051)
    assert stand.watchdog.stalls == {"x:1:f": 1}


def test_stalls_at_one_place_are_all_counted_and_published_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, lambda: "x:1:f")
    for number in range(20):
        stand.goes_on(100.0 + 0.2 * number)
        stand.look(100.11 + 0.2 * number)
    assert stand.watchdog.stalls == {"x:1:f": 20}
    assert len(stand.events) == 4


def test_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1000))
    stand = Stand(monkeypatch, lambda: f"x:{next(numbers)}:f")
    for number in range(MOST_PLACES + 20):
        stand.goes_on(100.0 + number)
        stand.look(100.11 + number)
    assert len(stand.watchdog.stalls) == MOST_PLACES + 1
    assert stand.watchdog.stalls[OTHER] == 20


def test_a_process_that_does_not_run_is_a_stall_once_the_timer_itself_is_that_late(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, lambda: NOT_SCHEDULED)
    stand.goes_on(100.0)
    stand.look(100.11)
    assert stand.events == []
    stand.look(100.16)
    assert [event.place for event in stand.events] == [NOT_SCHEDULED]


def test_an_idle_loop_is_neither_stalled_nor_compiled_code() -> None:
    async def main() -> None:
        watchdog = Watchdog(lambda _: None)
        watchdog.start()

        def idle() -> list[str]:
            threading.Event().wait(2 * BEAT)  # the loop that began this thread is back in its wait
            return [watchdog._place(watchdog._note) for _ in range(20)]

        places = await asyncio.to_thread(idle)
        watchdog.stop()
        assert set(places) == {NOT_SCHEDULED}

    run(main, "uvloop")


@LOOPS
def test_code_without_a_frame_that_runs_is_told_from_a_process_that_does_not(loop: str) -> None:
    """`sum` is compiled, as the data plane is in a published wheel, and lets no other thread run."""

    async def main() -> None:
        watchdog = Watchdog(lambda _: None)
        watchdog.start()
        await asyncio.sleep(2 * BEAT)
        for _ in range(5):
            asyncio.get_running_loop().call_soon(sum, range(20_000_000))
            await asyncio.sleep(3 * BEAT)
        watchdog.stop()
        assert watchdog.stalls[COMPILED] >= 1, watchdog.stalls

    run(main, loop)


def test_it_costs_next_to_nothing() -> None:
    """Processor time of a process that only watches: well below a thousandth of a core."""

    async def main() -> None:
        watchdog = Watchdog(lambda _: None)
        watchdog.start()
        begun, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(1.0)
        spent = (time.process_time() - cpu) / (time.monotonic() - begun)
        watchdog.stop()
        assert spent < 0.02, "twenty times what it is where nothing else runs"

    run(main, "uvloop")


def test_the_notes_are_twice_as_frequent_as_a_stall_is_long() -> None:
    assert module.BEAT * 2 <= STALL
