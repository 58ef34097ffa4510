"""What is true of this process at the moment of a scrape: modes, breakers, queues, connections, memory."""

import os
from collections.abc import Callable, Iterator
from typing import Final

from guard import __version__
from guard.ladder.breaker import Breaker
from guard.ladder.cached import Store
from guard.ladder.limits import Slots
from guard.policy.compiled import CompiledPlan
from guard.policy.digests import release_digest
from guard.policy.load import Loaded
from guard.policy.runtime import Runtime
from guard.proxy.door import Door
from guard.proxy.pool import Pool
from guard.proxy.values import SOURCES, Ceiling
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Instrument
from guard.telemetry.family import Family, Point
from guard.telemetry.meters import origin

PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Vitals:
    """Reads the process. Called from any thread: everything it reads is one step of the interpreter."""

    def __init__(
        self, runtime: Runtime, door: Callable[[], Door], in_force: Callable[[], tuple[Loaded, CompiledPlan]], began: float
    ) -> None:
        """`began`: seconds since the epoch."""
        self._runtime, self._door, self._in_force, self._began = runtime, door, in_force, began

    def families(self) -> Iterator[Family]:
        """All of them."""
        yield from self._identity()
        yield from self._ladder()
        yield from self._doors()
        yield from self._process()

    def waited(self, now: float) -> float:
        """Seconds that the oldest request has waited which was read and not begun."""
        return self._door().intake.waited(now)

    def _identity(self) -> Iterator[Family]:
        loaded, _ = self._in_force()
        policy = loaded.policy
        yield Family(of.POLICY_INFO, [((policy.service, loaded.digest[:19], __version__), 1)])
        release = policy.release
        if release is not None:
            labels = (release.model or "", release.version, release.commit or "", (release_digest(release) or "")[:19])
            yield Family(of.MODEL_INFO, [(labels, 1)])

    def _ladder(self) -> Iterator[Family]:
        """What the runtime holds, by (kind, route key, source)."""
        points: dict[str, list[Point]] = {}

        def add(instrument: Instrument, labels: tuple[str, ...], value: float) -> None:
            points.setdefault(instrument.name, []).append((labels, value))

        for key, made in list(self._runtime):
            match key, made:
                case (_, str(route)), Ceiling(level=level):
                    add(of.MODE, (*_split(route), SOURCES[level] if level else "normal"), 1)
                case (_, str(route), str(source)), Breaker():
                    add(of.BREAKER_STATE, (*_split(route), source, made.state), 1)
                case (_, str(route), str(source)), Slots() if route:
                    add(of.QUEUED, (*_split(route), source), made.waiting)
                    add(of.SLOTS, (*_split(route), source), made.held)
                case (_, str(route)), Store():
                    add(of.CACHE, _split(route), made.size)
                case (_, str(url)), Pool():
                    host, port, _ = origin(url)
                    add(of.POOL, (host, port, "idle"), made.idle)
                    add(of.POOL, (host, port, "active"), made.links - made.idle)
        for instrument in (of.MODE, of.BREAKER_STATE, of.QUEUED, of.SLOTS, of.CACHE, of.POOL):
            if instrument.name in points:
                yield Family(instrument, points[instrument.name])

    def _doors(self) -> Iterator[Family]:
        door = self._door()
        clients = tuple(door.connections)
        yield Family(of.CONNECTIONS, [((), len(clients))])
        yield Family(of.ACTIVE, [((), sum(client.current is not None for client in clients))])
        yield Family(of.TURNED_AWAY, [((), door.turned_away)])
        yield Family(of.BUFFERED, [((), door.budget.used)])

    def _process(self) -> Iterator[Family]:
        times = os.times()
        yield Family(of.CPU, [(("user",), times.user), (("system",), times.system)])
        try:
            with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 — a third of the time of Path
                resident = int(file.read().split()[1]) * PAGE
            yield Family(of.MEMORY, [((), resident)])
            yield Family(of.DESCRIPTORS, [((), len(os.listdir("/proc/self/fd")))])  # noqa: PTH208
        except OSError:
            pass  # not every system has a /proc
        yield Family(of.STARTED, [((), self._began)])


def _split(key: str) -> tuple[str, str]:
    method, _, template = key.partition(" ")
    return method, template
