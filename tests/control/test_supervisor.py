"""Background tasks are kept going: a fake clock, pauses that pass at once, and dialogues of crash and start."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from guard.control import supervisor as module
from guard.control.supervisor import DOWN_AFTER, FIRST_PAUSE, LONGEST_PAUSE, WELL_AFTER, Supervisor
from guard.events import Event, TaskCrashed, TaskStuck
from tests.within import within


class Stand:
    """A supervisor whose clock the test moves; a pause moves it too."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[Event] = []
        self.pauses: list[float] = []
        self.supervisor = Supervisor(self.events.append, lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def look(self, after: float) -> None:
        """The loop comes by in time."""
        self.now += after
        timer = self.supervisor._timer
        self.supervisor._check_beats(asyncio.get_running_loop(), self.now)
        assert timer is not None
        timer.cancel()


def supervised(dialogue: Callable[[Stand], Awaitable[None]]) -> Stand:
    stand = Stand()

    async def main() -> None:
        await within(dialogue(stand), 20)
        stand.supervisor.cancel()

    asyncio.run(main())
    return stand


def test_a_task_that_raises_once_goes_on() -> None:
    done = []

    async def dialogue(stand: Stand) -> None:
        over = asyncio.Event()

        async def work() -> None:
            done.append(1)
            if len(done) == 1:
                raise ValueError("CANARY")
            over.set()

        stand.supervisor.start("work", work)
        await over.wait()
        await asyncio.sleep(0)

    stand = supervised(dialogue)
    (event,) = stand.events
    assert isinstance(event, TaskCrashed)
    assert (event.task, event.error, event.count, event.again) == ("work", "ValueError", 1, FIRST_PAUSE)
    assert event.place.split(":")[2].endswith("work")
    assert "CANARY" not in str(event)
    assert stand.supervisor.crashes == {"work": 1}


def test_pauses_double_to_a_bound_and_begin_again_once_it_ran_well() -> None:
    async def dialogue(stand: Stand) -> None:
        over = asyncio.Event()
        starts = 0

        async def work() -> None:
            nonlocal starts
            starts += 1
            if starts == 13:
                stand.now += WELL_AFTER
            if starts == 15:
                over.set()
                return
            raise OSError

        stand.supervisor.start("work", work)
        await over.wait()

    stand = supervised(dialogue)
    doubled = [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(12)]
    assert stand.pauses == pytest.approx([*doubled, FIRST_PAUSE, 2 * FIRST_PAUSE])


def test_one_task_that_always_raises_does_not_hold_up_another_and_is_not_down() -> None:
    async def dialogue(stand: Stand) -> None:
        enough = asyncio.Event()
        turns = 0

        async def bad() -> None:
            raise OSError

        async def good() -> None:
            nonlocal turns
            while True:
                turns += 1
                if turns > 500:
                    enough.set()
                await asyncio.sleep(0)

        stand.supervisor.start("bad", bad)
        stand.supervisor.start("good", good)
        await enough.wait()
        assert stand.now > 100.0 + 2 * DOWN_AFTER
        assert stand.supervisor.down() == ()

    assert supervised(dialogue).supervisor.crashes["bad"] > 10


def test_a_task_that_cannot_be_started_for_ten_seconds_is_down_until_it_can() -> None:
    async def dialogue(stand: Stand) -> None:
        possible, began = False, asyncio.Event()

        async def work() -> None:
            began.set()
            await asyncio.Event().wait()

        def start() -> object:
            if not possible:
                raise MemoryError
            return work()

        stand.supervisor.start("work", start)  # type: ignore[arg-type]
        while stand.now < 100.0 + DOWN_AFTER - LONGEST_PAUSE:
            assert stand.supervisor.down() == ()
            await asyncio.sleep(0)
        while not stand.supervisor.down():
            assert stand.now < 100.0 + DOWN_AFTER + LONGEST_PAUSE
            await asyncio.sleep(0)
        assert stand.supervisor.down() == ("work",)
        possible = True
        await began.wait()
        assert stand.supervisor.down() == ()

    supervised(dialogue)


def test_a_task_that_gives_no_beat_is_named_with_its_place_cancelled_and_started_again() -> None:
    async def dialogue(stand: Stand) -> None:
        starts: list[int] = []
        again = asyncio.Event()

        async def hangs(_beat: Callable[[], None]) -> None:
            starts.append(1)
            if len(starts) == 2:
                again.set()
            await asyncio.Event().wait()

        stand.supervisor.start_beating("work", hangs, within=2.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stand.look(1.9)
        assert stand.events == []
        stand.look(0.2)
        await again.wait()
        assert stand.supervisor.down() == ()

    (event,) = supervised(dialogue).events
    assert isinstance(event, TaskStuck)
    assert event.task == "work"
    assert "hangs" in event.place or "wait" in event.place


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_a_task_that_promised_beats_and_gives_none_is_down_ten_seconds_later(how: str) -> None:
    async def dialogue(stand: Stand) -> None:
        async def work(_beat: Callable[[], None]) -> None:
            if how == "crashes":
                raise OSError
            await asyncio.Event().wait()

        stand.supervisor.start_beating("work", work, within=1.0)
        while stand.now < 100.0 + DOWN_AFTER + 1.0:
            assert stand.supervisor.down() == ()
            stand.look(0.25)
            await asyncio.sleep(0)
        assert stand.supervisor.down() == ("work",)

    supervised(dialogue)


def test_a_loop_that_stalled_makes_nobody_late() -> None:
    async def dialogue(stand: Stand) -> None:
        async def work(beat: Callable[[], None]) -> None:
            beat()
            await asyncio.Event().wait()

        stand.supervisor.start_beating("work", work, within=1.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stand.now += 60.0
        stand.supervisor._check_beats(asyncio.get_running_loop(), stand.now - 59.5)
        assert stand.supervisor.down() == ()

    assert supervised(dialogue).events == []


def test_work_that_returns_is_over_and_its_name_is_free() -> None:
    async def dialogue(stand: Stand) -> None:
        async def work() -> None: ...

        stand.supervisor.start("work", work)
        assert stand.supervisor.names() == ("work",)
        with pytest.raises(ValueError, match="two tasks"):
            stand.supervisor.start("work", work)
        while stand.supervisor.names():
            await asyncio.sleep(0)
        stand.supervisor.start("work", work)

    assert supervised(dialogue).events == []


def test_what_is_done_once_is_counted_when_it_fails_and_not_started_again() -> None:
    async def dialogue(stand: Stand) -> None:
        async def fails() -> None:
            raise LookupError

        stand.supervisor.once("reload", fails)
        while not stand.events:
            await asyncio.sleep(0)

    (event,) = supervised(dialogue).events
    assert isinstance(event, TaskCrashed)
    assert (event.task, event.error, event.again) == ("reload", "LookupError", None)


def test_a_task_that_is_cancelled_by_a_stranger_is_started_again() -> None:
    async def dialogue(stand: Stand) -> None:
        starts = 0
        again = asyncio.Event()

        async def work() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise asyncio.CancelledError
            again.set()
            await asyncio.Event().wait()

        stand.supervisor.start("work", work)
        await again.wait()

    (event,) = supervised(dialogue).events
    assert isinstance(event, TaskCrashed)
    assert event.error == "CancelledError"


def test_the_end_of_the_process_ends_them_all_and_is_no_crash() -> None:
    async def dialogue(stand: Stand) -> None:
        async def work() -> None:
            await asyncio.Event().wait()

        stand.supervisor.start("work", work)
        stand.supervisor.once("once", work)
        await asyncio.sleep(0)
        stand.supervisor.cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    assert supervised(dialogue).events == []


def test_the_pause_is_shorter_than_what_makes_the_probe_fail() -> None:
    assert module.LONGEST_PAUSE < DOWN_AFTER
