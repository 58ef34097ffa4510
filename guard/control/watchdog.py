"""Names the place in the code at which the event loop stands still for more than 100 ms, while it does.

A timer of the loop notes each 50 ms that it goes on; a thread looks when a note is 100 ms old. Of a loop that stands still
it reads the frames, and names the innermost one of guard (`guard.control.place`). A long stall is published again each time
that it has become ten times as long. Where no frame is left but those of the loop itself, the loop's thread either ran
compiled code, which has none, or did not run at all: the CPU limit, a suspended machine. Its processor time tells which.

The thread wakes some 13 times a second and compares two numbers; the timer is as rare as that of the kill file.
"""

import asyncio
import sys
import threading
import time
from collections import Counter
from time import monotonic, thread_time
from typing import Final, NamedTuple

from guard.control.place import place_of_stall
from guard.events import LoopStalled, Publish

BEAT: Final = 0.05
"""Seconds between two notes of the loop."""
STALL: Final = 0.1
"""Seconds without a note after which the loop stands still."""
LOOK: Final = 0.05
"""Seconds between two looks at a loop that stands still."""
AGAIN: Final = 10.0
"""A stall is published again when it is so many times as long."""
RAN: Final = STALL / 2
"""Seconds of processor time within a stall from which code without a frame is its cause, on a busy machine too."""
QUIET: Final = 1.0
"""Seconds in which a place is published once; all its stalls are counted."""
MOST_PLACES: Final = 50
OTHER: Final = "other"
COMPILED: Final = "compiled code"
NOT_SCHEDULED: Final = "process not scheduled"


class _Note(NamedTuple):
    """A sign of life of the loop: the time, and the processor time of its thread until then."""

    at: float
    cpu: float


class Watchdog:
    """The watchdog of one loop. `stalls` counts by place."""

    def __init__(self, publish: Publish) -> None:
        self.stalls: Counter[str] = Counter()
        self._publish = publish
        self._note = _Note(0.0, 0.0)
        self._timer: asyncio.TimerHandle | None = None
        self._loop_thread, self._cpu_clock = 0, 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen = _Note(0.0, 0.0)  # the note before the stall that was counted last
        self._due = 0.0  # seconds that this stall must have lasted to be published again
        self._published: dict[str, float] = {}

    def start(self) -> None:
        """Watch the loop that runs, from its own thread."""
        self._loop_thread = threading.get_ident()
        self._cpu_clock = time.pthread_getcpuclockid(self._loop_thread)
        self._go_on(asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._run, name="guard-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ending.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._note = _Note(monotonic(), thread_time())
        self._timer = loop.call_later(BEAT, self._go_on, loop)

    def _run(self) -> None:
        pause = STALL
        while not self._ending.wait(pause):
            pause = self._check(monotonic())

    def _check(self, now: float) -> float:
        """Look once; seconds until the next look."""
        note = self._note
        age = now - note.at
        if age < STALL:
            return STALL - age
        if note is not self._seen:
            place = self._place(note)
            if place == NOT_SCHEDULED and age < STALL + BEAT:
                return LOOK  # the timer was not due for half of it, and nobody was there to be late
            self._seen, self._due = note, 1.0
            if place not in self.stalls and len(self.stalls) >= MOST_PLACES:
                place = OTHER
            self.stalls[place] += 1
            if now - self._published.get(place, -QUIET) >= QUIET:
                self._published[place] = now
                self._publish(LoopStalled(seconds=round(age, 3), place=place))
        elif age >= self._due:
            self._due *= AGAIN
            self._publish(LoopStalled(seconds=round(age, 3), place=self._place(note)))
        return LOOK

    def _place(self, note: _Note) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 — there is no public way
        place = place_of_stall(frame) if frame is not None else ""
        if place:
            return place
        ran = time.clock_gettime(self._cpu_clock) - note.cpu
        return COMPILED if ran >= RAN else NOT_SCHEDULED
