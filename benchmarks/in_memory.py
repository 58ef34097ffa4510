"""Both edges, the life and the sinks as shipped, without sockets, threads or a clock: the same work each time it runs.

A client's bytes go into `Connection.data_received`, the model server's into `Link.data_received`; what guard writes is kept
and looked at once. The policy is compiled by the code that serves it, and records go to the sinks that `guard serve` has,
but for the log, whose lines nobody writes. `instructions.py` counts what this executes.

    python -m benchmarks.in_memory [SCENARIO …] [--times 20000]      microseconds of this machine, for a profiler or a look
"""

import argparse
import asyncio
import gc
import os
import random
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.clock import REAL
from benchmarks.scenarios import SCENARIOS, Scenario
from guard.control.event_bus import EventBus
from guard.control.own_health import OwnHealth
from guard.control.process import COLLECT
from guard.control.source_window import SourceWindow
from guard.control.telemetry import Telemetry
from guard.policy.compiled import WallClock
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.privacy.fence import fence
from guard.proxy.back import Link
from guard.proxy.budget import Budget
from guard.proxy.front import Connection
from guard.proxy.listener_state import ListenerState
from guard.proxy.pool import Pool
from guard.proxy.tracing import AHEAD, Sampler
from guard.telemetry.spans import Spans
from guard.telemetry.versions import Versions


class Loop:
    """In place of an event loop: `soon` is due; a later time never comes."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def call_later(self, delay: float, work: Callable[[], object]) -> "Loop":
        """Also the handle of what it takes."""
        if delay == 0.0:
            self.soon.append(work)
        return self

    def cancel(self) -> None:
        """Nothing will happen anyway."""


class Wire:
    """In place of a transport."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.write = self.written.append

    def get_extra_info(self, name: str) -> Any:
        """A client of loopback, without TLS."""
        return ("127.0.0.1", 40000) if name == "peername" else None

    def is_closing(self) -> bool:
        """Never."""
        return False


class Quiet:
    """In place of the log, whose thread would write at moments of its own."""

    dropped = crashes = 0

    def line(self, name: str, level: int, fields: object) -> None:
        """Nobody reads it."""


class Stand:
    """One client's connection and one to the model server, with guard between them."""

    def __init__(self, scenario: Scenario, loop: Loop) -> None:
        self.scenario, self._loop = scenario, loop
        random.seed(1)
        ids = cycle([random.randbytes(32 * AHEAD) for _ in range(64)])  # the same in each run, and drawn before it
        log: Any = Quiet()
        environ = {"OTEL_TRACES_EXPORTER": "otlp"} if scenario.told else {}
        own = OwnHealth(EventBus())
        telemetry = Telemetry(log, own, SourceWindow(), Versions(own.bus.publish), float, environ)
        if scenario.told:
            telemetry.add_sink(Spans(id, fence=fence, wall=float))
        budget = Budget(64 << 20)
        pool = Pool(budget=budget)
        loaded = load(Path("bench.yaml"), environ={}, read=lambda _: scenario.policy.encode())
        plan = compile_plan(
            loaded,
            CompileContext(
                pool=lambda *_: pool,
                clock=WallClock(1.7e9),
                sinks=(telemetry.sink,),
                tracer=lambda share, _: Sampler(share, parented=True, propagated=scenario.told, draw=lambda _: next(ids)),
            ),
        )
        telemetry.adopt(loaded, plan)
        self._link, self._upstream = Link(pool), Wire()
        self._link.connection_made(self._upstream)
        pool.links += 1
        pool.give(self._link)
        self._client, self._connection = Wire(), Connection(ListenerState(plan, budget=budget))
        self._connection.connection_made(self._client)

    def run(self, times: int) -> None:
        """So many requests, one after the other."""
        sent, said, loop = self.scenario.sent, self.scenario.said, self._loop
        client, upstream = self._client.written, self._upstream.written
        for _ in range(times):
            self._connection.data_received(sent)
            while loop.soon:
                loop.soon.pop()()
            if upstream:
                upstream.clear()
                self._link.data_received(said)
                while loop.soon:  # a large answer waits for its turn
                    loop.soon.pop()()
            replied = client.pop()
            while loop.soon:
                loop.soon.pop()()
        if self.scenario.expected not in replied or client:
            sys.exit(f"not the reply that was expected:\n{replied.decode()}")


def running_on(loop: Loop) -> Loop:
    """From here on guard finds this loop where it asks for the one that runs."""
    asyncio._set_running_loop(loop)  # type: ignore[arg-type]
    return loop


def stands(names: list[str]) -> dict[str, Stand]:
    """Everything that was asked for, ready to run; with the collector as `serve` sets it."""
    loop = running_on(Loop())
    by_name = {name: Stand(SCENARIOS[name], loop) for name in names}
    gc.freeze()
    gc.set_threshold(*COLLECT)
    return by_name


def main() -> None:
    """Run what was asked for. `--marked`: for callgrind, which cuts where `getloadavg` is called."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--times", type=int, default=20000)
    parser.add_argument("--warm", type=int, default=500)
    parser.add_argument("--marked", action="store_true")
    options = parser.parse_args()
    for name, stand in stands(options.scenarios or list(SCENARIOS)).items():
        stand.run(options.warm)
        if options.marked:
            os.getloadavg()
            stand.run(options.times)
            os.getloadavg()
        else:
            begun = REAL()
            stand.run(options.times)
            print(f"{name:12}{(REAL() - begun) / options.times * 1e6:8.2f} µs")


if __name__ == "__main__":
    main()
