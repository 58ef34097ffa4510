"""Keeps background tasks going: each has a name, and one that ends with an error is started again.

    what happens                        what follows
    it ends with an error               TaskCrashed; started again after a pause that doubles from 10 ms to 5 s
    it ran well for 10 s since          the pause begins at 10 ms again
    it returns                          its work is over
    no beat for as long as it promised  TaskStuck; cancelled, and started again
    it cannot be started for 10 s       it is down: `/livez` fails, so that the pod is restarted

Down is a task whose start itself fails, or that promised beats and gives none, whether it crashes or stands still. Another
task that starts and crashes each time is not down: its cause is mostly a file or a peer, which a new process would meet
again; the event, the metric and the alert on it say so.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, Final, TypeAlias

from guard.control.place import place_of_error, place_of_task
from guard.events import Publish, TaskCrashed, TaskStuck

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 5.0
WELL_AFTER: Final = 10.0
"""Seconds without an error after which a task is well again."""
DOWN_AFTER: Final = 10.0
"""Seconds in which a task could not be started again, after which it is down."""
CHECK_EVERY: Final = 0.5
"""Seconds between two looks at the beats."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
Beating: TypeAlias = Callable[[Callable[[], None]], Coroutine[Any, Any, object]]
"""Makes the work of a task that promises beats; it is given the function that it calls for each beat."""


class Supervised:
    """A task that is kept going. Times are those of the supervisor's clock."""

    def __init__(self, name: str, work: Work, beats_within: float | None, now: float) -> None:
        self.name, self.work, self.beats_within = name, work, beats_within
        self.runner: asyncio.Task[None] | None = None
        self.task: asyncio.Task[object] | None = None
        self.began = self.last_beat = now
        self.unstartable_since: float | None = None
        self.stuck = False
        self.crashes = 0
        self.pause = FIRST_PAUSE

    def __repr__(self) -> str:
        return f"<task {self.name}: {self.crashes} crashes>"

    def down(self, now: float) -> bool:
        """Whether it could not be started again for DOWN_AFTER, or not so that it gave a beat."""
        if self.runner is None or self.runner.done():
            return True
        if self.beats_within is not None and now - self.last_beat >= self.beats_within + DOWN_AFTER:
            return True
        return self.unstartable_since is not None and now - self.unstartable_since >= DOWN_AFTER


class Supervisor:
    """The background tasks of one process. Everything but `crashes` belongs to the loop."""

    def __init__(
        self,
        publish: Publish,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.crashes: Counter[str] = Counter()
        self._publish, self._clock, self._sleep = publish, clock, sleep
        self._tasks: dict[str, Supervised] = {}
        self._once: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    # ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, name: str, work: Work) -> None:
        """Keep this work going until it returns. Names are unique."""
        self._keep(Supervised(name, work, None, self._clock()))

    def start_beating(self, name: str, work: Beating, *, within: float) -> None:
        """The same, for work that promises a beat at least each `within` seconds."""

        def beat() -> None:
            supervised.last_beat = self._clock()

        supervised = Supervised(name, lambda: work(beat), within, self._clock())
        self._keep(supervised)
        if self._timer is None:
            self._check_later(asyncio.get_running_loop())

    def once(self, name: str, work: Work) -> None:
        """Hold a task that is done once. An error is counted and published like any other, and nothing is started again."""
        task = asyncio.get_running_loop().create_task(self._run_once(name, work))
        self._once.add(task)
        task.add_done_callback(self._once.discard)

    def _keep(self, supervised: Supervised) -> None:
        if supervised.name in self._tasks:
            raise ValueError(f"two tasks are called {supervised.name}")
        self._tasks[supervised.name] = supervised
        supervised.runner = asyncio.get_running_loop().create_task(self._run(supervised), name=f"keep {supervised.name}")

    def cancel(self) -> None:
        """End them all: the process ends."""
        if self._timer is not None:
            self._timer.cancel()
        for supervised in self._tasks.values():
            for task in (supervised.runner, supervised.task):
                if task is not None:
                    task.cancel()
        for item in self._once:
            item.cancel()

    # ── what is known of them ─────────────────────────────────────────────────────────────────────────────────────

    def names(self) -> tuple[str, ...]:
        """The tasks that are kept going."""
        return tuple(self._tasks)

    def down(self) -> tuple[str, ...]:
        """The tasks that could not be started again within 10 s."""
        now = self._clock()
        return tuple(name for name, supervised in self._tasks.items() if supervised.down(now))

    # ── keeping them going ────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self, supervised: Supervised) -> None:
        """Run until the work returns or the process ends."""
        while True:
            began = self._clock()
            error = await self._attempt(supervised)
            if error is None:
                del self._tasks[supervised.name]
                return
            if self._clock() - began >= WELL_AFTER:
                supervised.pause = FIRST_PAUSE
            self._crashed(supervised, error)
            await self._sleep(supervised.pause)
            supervised.pause = min(2 * supervised.pause, LONGEST_PAUSE)

    async def _attempt(self, supervised: Supervised) -> BaseException | None:
        """Start the work, wait for its end, and return the error that ended it; raised, it would have a place here too."""
        try:
            work = supervised.work()
        except Exception as error:  # noqa: BLE001 — whatever it is, the work is started again
            supervised.unstartable_since = supervised.unstartable_since or self._clock()
            return error
        supervised.unstartable_since, supervised.stuck, supervised.began = None, False, self._clock()
        task = supervised.task = asyncio.get_running_loop().create_task(work, name=supervised.name)
        await asyncio.wait((task,))
        return asyncio.CancelledError() if task.cancelled() else task.exception()

    def _crashed(self, supervised: Supervised, error: BaseException) -> None:
        supervised.crashes += 1
        self.crashes[supervised.name] += 1
        if supervised.stuck:
            return  # TaskStuck was published when it was found
        self._publish(
            TaskCrashed(
                task=supervised.name,
                error=type(error).__name__,
                place=place_of_error(error),
                count=supervised.crashes,
                again=supervised.pause,
            )
        )

    async def _run_once(self, name: str, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 — see `once`
            self.crashes[name] += 1
            self._publish(
                TaskCrashed(
                    task=name, error=type(error).__name__, place=place_of_error(error), count=self.crashes[name], again=None
                )
            )

    # ── beats ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due = self._clock() + CHECK_EVERY
        self._timer = loop.call_later(CHECK_EVERY, self._check_beats, loop, due)

    def _check_beats(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Cancel what stands still. A loop that stalled is nobody's fault: everybody gets that time."""
        self._check_later(loop)
        now = self._clock()
        late = max(0.0, now - due)
        for supervised in self._tasks.values():
            if supervised.beats_within is None:
                continue
            supervised.last_beat = min(now, supervised.last_beat + late)
            silent, task = now - max(supervised.last_beat, supervised.began), supervised.task
            if silent > supervised.beats_within and not supervised.stuck and task is not None and not task.done():
                supervised.stuck = True
                self._publish(TaskStuck(task=supervised.name, place=place_of_task(task), seconds=round(silent, 3)))
                task.cancel()
