"""The composition root: the only file that sees everything. Starts, runs and stops one sidecar."""

import asyncio
import os
import signal
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import uvloop

from guard import __version__
from guard.policy.errors import PolicyInvalid
from guard.policy.ladder import TargetTls
from guard.policy.load import Loaded, load
from guard.policy.models import Policy
from guard.policy.plan import CompiledPlan, Means, compile_plan
from guard.policy.scalars import Origin, PolicyFile
from guard.proxy.door import Door, Limits
from guard.proxy.front import Connection
from guard.proxy.pool import Pool
from guard.telemetry.log import Log, Trouble

CUT_AFTER = 5.0
"""Seconds that exchanges under way get once the listeners are closed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the environment say over the policy; None leaves the policy's word."""

    listen: str | None = None
    admin: str | None = None
    ops: str | None = None
    state_dir: str | None = None
    upstream: Origin | None = None


def serve(path: Path, settings: Settings) -> int:
    """Run a sidecar until SIGTERM or SIGINT. 0: stopped as asked. 1: the policy is wrong, or the port is taken."""
    try:
        loaded = load(path, environ=os.environ)  # noqa: TID251 — the root hands the environment down
    except PolicyInvalid as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return uvloop.run(_Sidecar(loaded, settings).run())


class _Sidecar:
    """One process: a data listener, a plan, a log."""

    def __init__(self, loaded: Loaded, settings: Settings) -> None:
        self.loaded = loaded
        self.settings = settings
        self.log = Log()
        self.pools: list[Pool] = []

    async def run(self) -> int:
        """Bind, announce, wait for the signal, drain."""
        loop = asyncio.get_running_loop()
        try:
            means = Means(pool=self._pool, defer=loop.call_soon, upstream=self.settings.upstream)
            plan = compile_plan(self.loaded, means)
        except PolicyInvalid as error:
            sys.stderr.write(f"{error}\n")
            self.log.close()
            return 1
        plan.sinks = (Trouble(self.log),)
        self._clock(loop, plan)
        door = Door(plan, self._limits())
        try:
            server, address = await self._bind(door)
        except OSError as error:
            sys.stderr.write(f"guard: cannot listen on {self._address()}: {error.strerror or error}\n")
            self.log.close()
            return 1
        self._announce(plan, address)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        await self._stop(door, server)
        return 0

    def _pool(self, origin: Origin, policy: Policy) -> Pool:
        """Connections to the model server."""
        declared = policy.upstream.tls or TargetTls()
        tls = None
        if origin.scheme == "https":
            tls = ssl.create_default_context(cafile=_file(declared.ca))
            if declared.cert is not None:
                tls.load_cert_chain(declared.cert.path, _file(declared.key))
        pool = Pool(
            host=origin.host,
            port=origin.port,
            path=origin.socket or None,
            tls=tls,
            server_name=(declared.server_name or origin.host) if tls is not None else None,
            max_age=policy.upstream.limits.max_connection_age,
        )
        self.pools.append(pool)
        return pool

    def _clock(self, loop: asyncio.AbstractEventLoop, plan: CompiledPlan) -> None:
        """Keep the plan's wall clock: a step of the system's clock shows within a second."""
        plan.wall_offset = time.time() - monotonic()  # noqa: TID251 — the root reads the clock for everybody
        loop.call_later(1.0, self._clock, loop, plan)

    def _address(self) -> str:
        return self.settings.listen or str(self.loaded.policy.listen.data)

    def _limits(self) -> Limits:
        limits = self.loaded.policy.listen.limits
        return Limits(
            connections=limits.connections,
            head=limits.head,
            body=limits.body,
            write_stall=limits.write_stall,
            keep_alive=limits.keep_alive,
            headers=limits.headers,
            header_bytes=limits.header_bytes,
            target=limits.target,
        )

    async def _bind(self, door: Door) -> tuple[asyncio.Server, str]:
        host, _, port = self._address().rpartition(":")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(door), host.strip("[]"), int(port), backlog=1024)
        name: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return server, f"{name[0]}:{name[1]}"

    def _announce(self, plan: CompiledPlan, address: str) -> None:
        policy = self.loaded.policy
        for route in plan.routes:
            self.log.event(
                "route",
                route=f"{route.method} {route.template}",
                ladder=" > ".join(rung.source for rung in route.ladder),
                contract="enforce" if route.enforce else "observe",
            )
        for warning in self.loaded.warnings:
            self.log.event("warning", message=str(warning))
        self.log.event(
            "serving",
            version=__version__,
            service=policy.service,
            policy=self.loaded.digest[:19],
            listen=address,
            upstream=str(plan.upstream),
            pid=os.getpid(),
        )

    async def _stop(self, door: Door, server: asyncio.Server) -> None:
        """Take no new connection, finish what is under way, then cut."""
        door.draining = True
        server.close()
        for connection in tuple(door.connections):
            connection.drain()
        deadline = monotonic() + CUT_AFTER
        while door.connections and monotonic() < deadline:  # noqa: ASYNC110 — they end on their own
            await asyncio.sleep(0.01)
        self.log.event("stopped", cut=len(door.connections))
        for connection in tuple(door.connections):
            connection.abort()
        for pool in self.pools:
            pool.close()
        self.log.close()


def _file(file: PolicyFile | None) -> str | None:
    return None if file is None else str(file.path)
