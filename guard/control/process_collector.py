"""Gauges that are read at a scrape: modes, breakers, queues, connections, memory."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from guard import __version__, form
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest
from guard.policy.runtime import Runtime
from guard.proxy.listener_state import ListenerState
from guard.proxy.values import SOURCES
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Instrument
from guard.telemetry.family import Family, Point
from guard.telemetry.meters import origin

PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ProcessCollector:
    """Reads the process. Called from any thread: everything it reads is one step of the interpreter."""

    def __init__(
        self,
        runtime: Runtime,
        listener: Callable[[], ListenerState],
        in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        began: float,
    ) -> None:
        """`began`: seconds since the epoch."""
        self._runtime, self._listener, self._in_force, self._began = runtime, listener, in_force, began

    def waited(self, now: float) -> float:
        """Seconds that the oldest request has waited which was read and not begun."""
        return self._listener().admission.waited(now)

    def identity(self) -> Iterator[Family]:
        """The policy and the release in force."""
        loaded, _ = self._in_force()
        policy = loaded.policy
        yield Family(of.POLICY_INFO, [((policy.service, loaded.digest[:19], __version__, form()), 1)])
        release = policy.release
        if release is not None:
            labels = (release.model or "", release.version, release.commit or "", (release_digest(release) or "")[:19])
            yield Family(of.MODEL_INFO, [(labels, 1)])

    def ladder(self) -> Iterator[Family]:
        """State that outlives a reload: modes, breakers, queues, caches, connections."""
        runtime = self._runtime
        mode = [
            ((*_split(route), SOURCES[rung_limit.level] if rung_limit.level else "normal"), 1)
            for route, rung_limit in runtime.rung_limits.items()
        ]
        breakers = [((*_split(key.route), key.target, breaker.state), 1) for key, breaker in runtime.breakers.items()]
        limiters = [((*_split(key.route), key.target), limiter) for key, limiter in runtime.limiters.items() if key.route]
        pools: Counter[tuple[str, str, str]] = Counter()
        for key, pool in runtime.pools.items():  # one origin may have several, of different TLS
            host, port, _ = origin(str(key.origin))
            pools[host, port, "idle"] += pool.idle
            pools[host, port, "active"] += pool.links - pool.idle
        yield from filled(of.MODE, mode)
        yield from filled(of.BREAKER_STATE, breakers)
        yield from filled(of.QUEUED, [(labels, limiter.waiting) for labels, limiter in limiters])
        yield from filled(of.SLOTS, [(labels, limiter.held) for labels, limiter in limiters])
        yield from filled(of.CACHE, [(_split(route), cache.size) for route, cache in runtime.caches.items()])
        yield from filled(of.POOL, list(pools.items()))

    def clients(self) -> Iterator[Family]:
        """Clients and what is held for them."""
        listener = self._listener()
        clients = tuple(listener.connections)
        yield Family(of.CONNECTIONS, [((), len(clients))])
        yield Family(of.ACTIVE, [((), sum(client.current is not None for client in clients))])
        yield Family(of.TURNED_AWAY, [((), listener.turned_away)])
        yield Family(of.BUFFERED, [((), listener.budget.used)])

    def process(self) -> Iterator[Family]:
        """Figures of the operating system about this process."""
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


def filled(instrument: Instrument, points: Sequence[Point]) -> Iterator[Family]:
    """The family of these points; none without points."""
    if points:
        yield Family(instrument, list(points))


def _split(key: str) -> tuple[str, str]:
    method, _, template = key.partition(" ")
    return method, template
