"""Part four: load.

More and more clients (a closed loop), the rate that is expected (an open one), bursts, and then a steady load while memory
is watched. What is promised is held at the expected rate; where none is declared, at the most clients.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from time import perf_counter
from typing import Final

from guard.kit.rehearse import load_checks as checks
from guard.kit.rehearse.figures import Kind, Phase, collapsed, phase
from guard.kit.rehearse.load_client import Origin, Timed, User, ready
from guard.kit.rehearse.memory import Sample, growth, resident_of
from guard.kit.rehearse.stage import Stage, resident
from guard.kit.rehearse.values import Check, Part

SHARE: Final = 0.5
"""Highest share of the whole time; the ladder needs some after it."""
RESERVE: Final = 3.0
"""Seconds that are left to what comes after."""
PLAN: Final = {"steady": 0.4, "rate": 0.2, "burst": 0.08, "soak": 0.32}
"""Shares of the load's own time."""
LEAST_STEP: Final = 0.4
EVERY: Final = 0.1
"""Seconds between two looks at the memory."""
SOAKING: Final = 4
"""Clients of the steady load."""
BURSTS: Final = 3
MOST_WAITING: Final = 2000
"""Requests of an open loop that wait at once; beyond, the service does not keep up, and more would only fill memory."""


class Memory:
    """Looks at both processes while the load runs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.sent = 0
        self.samples: dict[str, list[Sample]] = {"guard": [], "model": []}
        self.soaking = {"guard": 0, "model": 0}

    async def watch(self) -> None:
        """Sample the memory until cancelled."""
        while True:
            await self._sample()
            await asyncio.sleep(EVERY if self._stage.pid is not None else 10 * EVERY)

    async def _sample(self) -> None:
        own = resident_of(self._stage.pid) if self._stage.pid is not None else None
        if own is None and self._stage.ops is not None:
            own = resident(await asyncio.to_thread(self._stage.page))
        pid = self._stage.options.model_pid
        for name, size in (("guard", own), ("model", resident_of(pid) if pid is not None else None)):
            if size is not None:
                self.samples[name].append(Sample(self.sent, size))


class Load:
    """One run. `messages`: what users send, in turn."""

    def __init__(self, stage: Stage, part: Part, messages: list[bytes], most: int) -> None:
        self._stage, self._part, self._most = stage, part, most
        self._messages: Iterator[bytes] = cycle(messages)
        self._tls = stage.verify if isinstance(stage.verify, ssl.SSLContext) else None
        self._origin = Origin.of(stage.data, self._tls or ssl.create_default_context())
        within = max(subject.declared.timeout.request for subject in stage.subjects) + 2.0
        self._users = [User(self._origin, within) for _ in range(max(most * 2, SOAKING))]
        self.memory = Memory(stage)
        self.phases: list[Phase] = []
        part.figures["phases"] = []
        self._time = max(4 * LEAST_STEP, min(stage.options.seconds * SHARE, stage.remaining() - RESERVE))
        self._began = perf_counter()
        self._bursting = 0.0  # seconds, the pauses between them not counted

    async def run(self) -> None:
        """All phases; each is told as it ends."""
        watching = asyncio.get_running_loop().create_task(self.memory.watch())
        try:
            await self._steps()
            rate = self._stage.loaded.policy.targets.expected_rate
            if rate is not None:
                await self._recorded("rate", 0, self._time * PLAN["rate"], lambda until: self._open(float(rate), until))
            await self._recorded("burst", self._most * 2, self._time * PLAN["burst"], self._bursts)
            clients = min(SOAKING, self._most)
            for name, samples in self.memory.samples.items():
                self.memory.soaking[name] = len(samples)
            await self._recorded("soak", clients, self._time * PLAN["soak"], lambda until: self._closed(clients, until))
        finally:
            watching.cancel()
            for user in self._users:
                user.close()

    async def _steps(self) -> None:
        """One client, two, four, up to the most; a collapse is confirmed by asking both again."""
        counts = [1 << step for step in range(self._most.bit_length()) if 1 << step < self._most] + [self._most]
        seconds = max(LEAST_STEP, self._time * PLAN["steady"] / len(counts))
        for clients in counts:
            await self._step(clients, seconds)
        fell = collapsed(self.steps)
        if fell is not None:
            best, worst = [await self._step(item.clients, seconds, again=True) for item in fell]
            self.fell = collapsed([best, worst])

    fell: tuple[Phase, Phase] | None = None

    @property
    def steps(self) -> list[Phase]:
        """The closed loops."""
        return [item for item in self.phases if item.kind == "steady"]

    async def _step(self, clients: int, seconds: float, *, again: bool = False) -> Phase:
        return await self._recorded("steady", clients, seconds, lambda until: self._closed(clients, until), again=again)

    async def _recorded(
        self,
        kind: Kind,
        clients: int,
        seconds: float,
        drive: Callable[[float], Awaitable[list[Timed]]],
        *,
        again: bool = False,
    ) -> Phase:
        """Run a phase and keep what it measured."""
        begun, worked = perf_counter(), time.process_time()
        timed = await drive(begun + seconds)
        took = perf_counter() - begun
        counted = {"rate": seconds, "burst": self._bursting}.get(kind, took)
        figures = phase(kind, clients, counted, timed, (time.process_time() - worked) / took)
        if not again:
            self.phases.append(figures)
            self._part.figures["phases"].append(figures.document())
        return figures

    async def _ask(self, user: User, at: float | None = None) -> Timed:
        timed = await user.ask(next(self._messages), at)
        self.memory.sent += 1
        return timed

    async def _closed(self, clients: int, until: float) -> list[Timed]:
        """Each client asks again as soon as it has its answer."""

        async def repeat(user: User) -> None:
            while perf_counter() < until:
                timed.append(await self._ask(user))
                if not timed[-1].status:
                    await asyncio.sleep(0.01)  # a server that is gone answers at once, and this loop must not spin
                self._show(f"{clients} clients")

        timed: list[Timed] = []
        await asyncio.gather(*(repeat(user) for user in self._users[:clients]))
        return timed

    async def _open(self, rate: float, until: float) -> list[Timed]:
        """Requests come when they come, whether or not the ones before are answered: a Poisson process of a known count.

        The time of each counts from when it was due: a service that stalls makes them wait, as it would its clients.
        """
        draw = random.Random(self._stage.options.seed)  # noqa: S311 — arrivals, no secrets
        idle, timed = list(self._users), list[Timed]()
        waiting: set[asyncio.Task[None]] = set()

        async def send(at: float) -> None:
            user = idle.pop() if idle else User(self._origin, self._users[0].within)
            timed.append(await self._ask(user, at))
            idle.append(user)

        begin = perf_counter()
        for due in sorted(draw.uniform(begin, until) for _ in range(max(1, round(rate * (until - begin))))):
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if len(waiting) >= MOST_WAITING:
                timed.append(Timed(due, 0.0, 0, "not sent", ""))
                continue
            task = asyncio.get_running_loop().create_task(send(due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            self._show(f"{rate:g} requests a second")
        await asyncio.gather(*waiting)
        for user in idle:
            if user not in self._users:
                user.close()
        return timed

    async def _bursts(self, until: float) -> list[Timed]:
        """Everybody at once, and again."""
        timed: list[Timed] = []
        for _ in range(BURSTS):
            begun = perf_counter()
            timed += await asyncio.gather(*(self._ask(user) for user in self._users))
            self._bursting += perf_counter() - begun
            self._show("bursts")
            await asyncio.sleep(min(0.2, max(0.0, until - perf_counter())))
        return timed

    def _show(self, label: str) -> None:
        self._stage.progress.at((perf_counter() - self._began) / self._time, f"{label}, {self.memory.sent} requests")


def run(stage: Stage, part: Part) -> None:
    """Every route that works gets its share of the requests."""
    working = [subject for subject in stage.subjects if subject.works and not subject.declared.stream]
    if not working:
        part.checks.append(Check("load", "skip", todo="no route has a request that works; fix that first"))
        return
    origin = Origin.of(stage.data, None)
    requests = [[subject.good(), *subject.fine[:15]] for subject in working]
    messages = [ready(several[turn % len(several)], origin) for turn in range(16) for several in requests]
    limits = stage.loaded.policy.upstream.limits.concurrency
    own = [
        subject.declared.limits.concurrency or limits if subject.declared.limits is not None else limits
        for subject in working
    ]
    most = max(1, min(stage.options.clients, *own))
    load = Load(stage, part, messages, most)
    try:
        asyncio.run(load.run())
    finally:
        part.figures["requests"] = load.memory.sent
        part.figures["memory"] = {
            name: [list(item) for item in _thinned(samples)] for name, samples in load.memory.samples.items() if samples
        }
    part.figures["held"] = checks.at(load.phases).document()
    part.checks += checks.checks(stage, load.phases, load.fell)
    for name, samples in load.memory.samples.items():
        part.checks.append(checks.memory(name, growth(samples[load.memory.soaking[name] :]), stage, sampled=bool(samples)))


def _thinned(samples: list[Sample]) -> list[Sample]:
    """Number of points in a plot, about 200 at most."""
    return samples[:: max(1, len(samples) // 200)]
