"""The composition root: the only file that sees everything. Starts, runs and stops one sidecar.

`_Sidecar._run` is the life of the process in its order; the methods below it stand in the same order.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn

import uvloop

from guard import __version__, events
from guard.control import ops, versions
from guard.control.acceptor import Bounds, bind
from guard.control.admin_runtime import BEATS_WITHIN, AdminRuntime, Unreachable
from guard.control.certificate import ServerCertificate
from guard.control.event_bus import EventBus
from guard.control.incidents.manager import IncidentManager
from guard.control.own_health import OwnHealth
from guard.control.policy_store import NoPolicy, PolicyStore
from guard.control.process import at_service, descriptors, quiet_crashes
from guard.control.process_collector import ProcessCollector
from guard.control.readiness import Readiness
from guard.control.reload import Reloader
from guard.control.secrets import exposures, resolve
from guard.control.shutdown import Shutdown
from guard.control.state import StateFolder, StateTaken, open_state
from guard.control.telemetry import Telemetry
from guard.control.tls import certificate_files
from guard.control.upstream import seen_once, upstream_pool
from guard.control.watched_files import FileHung
from guard.control.worker import Worker
from guard.policy.compiled import CompiledPlan, WallClock
from guard.policy.compiling import CompileContext
from guard.policy.default_policy import NAME, default_policy
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded
from guard.policy.loading.read import from_regular_file
from guard.policy.models import Policy
from guard.policy.runtime import Draft, Runtime
from guard.policy.scalars import Address, Origin
from guard.proxy.budget import Budget
from guard.proxy.front import Connection
from guard.proxy.handshakes import TlsListener
from guard.proxy.listener_state import Limits, ListenerState
from guard.telemetry.log import Foreign, Log

HINT_EVERY = 60.0
SETTLE_WITHIN: Final = 3.0
"""Seconds that the end of the process waits for orders on their way to a slow disk."""
STATE_WITHIN: Final = 10.0
"""Seconds to open the state folder. One that takes longer hangs, and may hold a kill."""
DEFAULT_STATE: Final = Path("/var/lib/guard")
HINT = "no policy: every request passes. `guard init --upstream URL` writes the first policy from what the server says"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the command line and the environment, which override the policy; None leaves the policy's value."""

    listen: Address | None = None
    admin: Address | None = None
    ops: Address | None = None
    state_dir: Path | None = None
    upstream: Origin | None = None


def serve(path: Path | None, settings: Settings) -> NoReturn:
    """Run a sidecar until SIGTERM or SIGINT; without a policy, look on.

    0: stopped as asked. 1: the policy is wrong, or a port is taken. 2: another guard has the state folder. The process ends
    here: the interpreter's own end waits for threads that a disk or a resolver may hold.
    """
    os._exit(uvloop.run(_Sidecar(path, settings, os.environ).run()))  # noqa: TID251 — the root hands the environment down


class Unstartable(Exception):  # noqa: N818
    """Said on standard error, in one line for each thing that is wrong; then the process ends."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class _Sidecar:
    """One process: listeners, a plan, a log."""

    def __init__(self, path: Path | None, settings: Settings, environ: Mapping[str, str]) -> None:
        self.path, self.settings, self.environ = path, settings, environ
        self.log, self.bus = Log(), EventBus()
        self.bus.subscribe("log", self.log.take)
        self.own = OwnHealth(self.bus)
        self.clock = WallClock()
        self.runtime = Runtime()
        self.budget = Budget(0)
        self.readiness = Readiness()
        self.state: StateFolder | None = None
        self.listener: ListenerState
        self.certificate = ServerCertificate(self.own.files, self.bus.publish)
        self.policies = PolicyStore(path or Path(NAME), self._read, environ, self.runtime, self._install, self.bus.publish)
        self.shutdown = Shutdown(self.bus.publish)
        self.admin = AdminRuntime(
            self.runtime,
            self._in_force,
            lambda: self.listener.connections,
            wall=self._wall,
            publish=self.bus.publish,
            files=self.own.files,
            observe=self.policies.observe,
            environ=environ,
            contract=self._contract,
        )
        self.reloader = Reloader(self.policies, certificate_files, self.own.files, self.bus.publish, self.admin.audit)
        self.telemetry = Telemetry(self.log, self.own, self.admin.source_window, self.admin.versions, self._wall, environ)
        self.admin.budgets = lambda: self.telemetry.budgets.status(self._wall())
        counts = {"delivered": self.telemetry.alerts, "lost": self.telemetry.lost}
        self.incidents = IncidentManager(self.bus, self.runtime, self._in_force, wall=self._wall, environ=environ, **counts)
        self.telemetry.also(self.incidents.violation_rates, self.admin.slo.counter, self.admin.release)
        self.admin.views["incidents"] = self.incidents.view

    async def run(self) -> int:
        """Bind, announce, wait for the signal, drain."""
        try:
            return await self._run()
        except (Unstartable, NoPolicy) as error:
            sys.stderr.write(f"{error}\n")
            return error.code if isinstance(error, Unstartable) else 1
        finally:
            self.own.watchdog.stop()
            self.log.close()
            if self.state is not None:
                self.state.close()

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        self._watch_itself(loop)
        self._give_means(loop)
        self._tick(loop)
        supervisor = self.own.supervisor
        self.shutdown.handle_signals(loop, lambda: supervisor.once("SIGHUP", lambda: self.reloader.reload("SIGHUP")))
        beginning, requested = asyncio.ensure_future(self._begin()), asyncio.ensure_future(self.shutdown.requested())
        await asyncio.wait({beginning, requested}, return_when=asyncio.FIRST_COMPLETED)
        if not beginning.done():  # a file of the policy hangs
            return 0
        refused = beginning.result()
        server, address = await self._bind()
        probes = self._bind_ops()
        await self._bind_admin()
        self._begin_telemetry(address)
        self.readiness.reached("policy")
        self.readiness.reached("state")
        at_service()
        self._announce(address)
        await self.reloader.begin(self.policies.loaded, refused)
        self._start_tasks()
        await self.shutdown.requested()
        await self._end(server, probes)
        return 0

    # ── the process itself ─────────────────────────────────────────────────────────────────────────────────────────────

    def _watch_itself(self, loop: asyncio.AbstractEventLoop) -> None:
        """Publish every error of this process as an event from now on."""
        loop.set_exception_handler(self.own.errors)
        self.own.watchdog.start()
        quiet_crashes()
        logging.getLogger().addHandler(Foreign(self.bus.publish))

    def _give_means(self, loop: asyncio.AbstractEventLoop) -> None:
        """The context with which plans are compiled."""
        self.policies.context = CompileContext(
            pool=lambda origin, declared, limits: upstream_pool(origin, declared, limits, self.budget),
            defer=loop.call_soon,
            certificate=self.policies.read_timed,
            upstream=self.settings.upstream,
            clock=self.clock,
            changed=self.admin.breaker_changed,
            sinks=(self.telemetry.sink,),
            tracer=self.telemetry.tracer,
            publish=self.bus.publish,
            issuer=self.admin.labels.issuer,
            secret=lambda secret: resolve(secret, self.environ),
            releases=self.admin.release,
            monitor=self.admin.monitoring.begin,
            deployed=self.environ.get("AIP_DEPLOYED_MODEL_ID", "")[:128],
        )

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the wall clock: a step of the system's clock shows within a second."""
        self.clock.offset = time.time() - monotonic()  # noqa: TID251 — the root reads the clock for everybody
        loop.call_later(1.0, self._tick, loop)

    # ── the policy ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self) -> PolicyInvalid | None:
        """Everything that has to hold before the first client is accepted. Raises NoPolicy and Unstartable."""
        refused = await self.policies.begin(self._open_state)
        if refused is not None:
            sys.stderr.write(f"{refused}\n")
        await self.admin.look_for_kill(first=True)
        return refused

    def _read(self, path: Path) -> bytes:
        """A file of the policy; without a policy, the one that only looks on. Raises OSError."""
        return from_regular_file(path) if self.path is not None else default_policy(str(self.settings.upstream)).encode()

    async def _open_state(self, loaded: Loaded | None) -> frozenset[str]:
        """Open the state folder and recall the orders in it; returns the routes that operators have observed.

        Without a folder guard serves all the same, and nothing is durable. A folder that may hold a kill kills.
        """
        policy = loaded.policy if loaded is not None else None
        declared = policy.state_dir.path if policy is not None and policy.is_set("state_dir") else None
        required = policy is not None and policy.state == "required"
        home = Path(name) if (name := self.environ.get("HOME")) else None
        wanted = self.settings.state_dir or declared
        try:
            open_it = partial(open_state, wanted, DEFAULT_STATE, home, required=required)
            self.state, doubt = await Worker("guard-state").run(open_it, STATE_WITHIN)
        except TimeoutError:
            doubt = "the state folder hangs"
        except StateTaken as error:
            raise Unstartable(
                f"guard: another guard uses the state folder {error}; stop it, or give this one --state-dir DIR", 2
            ) from None
        if self.state is None or not self.state.writable:
            why = doubt or ("no folder can be made" if self.state is None else f"{self.state.path} cannot be written")
            self.bus.publish(events.StateUnavailable(why=why))
        self.policies.state = self.telemetry.budgets.state = self.state if self.path is not None else None
        self.admin.recall(self.state, doubt)
        return self.admin.order_store.observed

    def _install(self, loaded: Loaded, plan: CompiledPlan, draft: Draft) -> None:
        """The swap: one reference, and what the listener reads of the policy."""
        policy = loaded.policy
        if not hasattr(self, "listener"):
            self.listener = ListenerState(plan, _limits(policy.listen.limits), self.budget)
        listener = self.listener
        for unused in self.runtime.adopt(draft):
            unused.close()
        limits = _limits(policy.listen.limits)
        within = descriptors(limits.connections).data
        if within < limits.connections:
            self.bus.publish(events.FewDescriptors(connections=within, wanted=limits.connections))
        listener.limits = replace(limits, connections=within)
        listener.trusted, listener.cors = policy.trusted_proxies, plan.cors
        self.budget.limit = policy.listen.limits.buffered
        listener.plan = plan
        self.telemetry.adopt(loaded, plan)
        self.admin.adopt(loaded, plan)
        self.own.supervisor.once("files of the policy", lambda: self._look_at_files(policy))

    async def _look_at_files(self, policy: Policy) -> None:
        """Read the files that a policy in force names, beside the swap, which no file may delay."""
        if policy.listen.tls is not None:
            await self.certificate.renew(policy.listen.tls.cert.path, policy.listen.tls.key.path)
        with suppress(FileHung):
            for exposed in await self.own.files.read_with_deadline("secrets", partial(exposures, policy)):
                self.bus.publish(exposed)

    # ── listeners ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _bind(self) -> tuple[asyncio.Server | TlsListener, str]:
        listen = self.policies.loaded.policy.listen
        where = self.settings.listen or listen.data
        try:
            if listen.tls is not None:
                await self.certificate.load(listen.tls.cert.path, listen.tls.key.path)
        except OSError as error:
            raise Unstartable(f"guard: cannot use the certificate of listen.tls: {error}") from None
        loop = asyncio.get_running_loop()
        server: asyncio.Server | TlsListener
        try:
            if self.certificate.context is not None:
                server = TlsListener(bind(where.host, where.port), self.listener, self.certificate.context)
            else:
                server = await loop.create_server(lambda: Connection(self.listener), where.host, where.port, backlog=1024)
        except OSError as error:
            raise Unstartable(f"guard: cannot listen on {where}: {error.strerror or error}") from None
        name: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return server, str(Address(*name))

    def _bind_ops(self) -> ops.Ops:
        where = self.settings.ops or self.policies.loaded.policy.listen.ops
        listener = ops.Ops(ops.probes(self.readiness, self.own.supervisor.down), {"/metrics": self.telemetry.page})
        try:
            listener.listen(where.host, where.port, Bounds(descriptors(1).ops))
        except OSError as error:
            raise Unstartable(f"guard: cannot listen on {where} for probes: {error.strerror or error}") from None
        return listener

    async def _bind_admin(self) -> None:
        try:
            await self.admin.bind(self.settings.admin or self.policies.loaded.policy.listen.admin, self.telemetry.also)
        except Unreachable as error:
            raise Unstartable(str(error)) from None

    # ── serving ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_telemetry(self, address: str) -> None:
        process_collector = ProcessCollector(self.runtime, lambda: self.listener, self._in_force, self._wall())
        refusing = lambda: not self.reloader.outcome.ok  # noqa: E731
        self.telemetry.begin(self.policies.loaded, address, process_collector, refusing, self.admin.families)

    def _announce(self, address: str) -> None:
        plan = self.policies.plan
        for route in plan.routes if self.path is not None else ():
            self.bus.publish(
                events.RouteServed(
                    route=f"{route.method} {route.template}",
                    ladder=" > ".join(rung.source for rung in route.ladder),
                    contract="enforce" if route.enforce else "observe",
                )
            )
        for warning in self.policies.loaded.warnings:
            self.bus.publish(events.PolicyWarning(message=str(warning)))
        self.bus.publish(
            events.Serving(
                version=__version__,
                service=self.policies.loaded.policy.service,
                policy=self.policies.loaded.digest[:19],
                listen=address,
                upstream=str(plan.upstream),
                pid=os.getpid(),
            )
        )

    def _start_tasks(self) -> None:
        """Everything that goes on beside requests."""
        start = self.own.supervisor.start
        start("readiness", self._until_upstream)
        start("model versions", lambda: versions.follow(lambda: self._in_force()[1]))
        start("policy changes", self.policies.apply_changes)
        beating = self.own.supervisor.start_beating
        beating("kill file", self.admin.watch_kill_file, within=BEATS_WITHIN)
        beating("ends of modes", self.admin.expire_modes, within=BEATS_WITHIN)
        for name, work in self.admin.tasks():
            start(name, work)
        start("admin", lambda: self.admin.serve(self.reloader))
        start("export", self.telemetry.export)
        start("cost", self.telemetry.keep)
        start("incidents", self.incidents.watch)
        if self.path is not None:
            start("reload", self.reloader.watch)
        else:
            start("hint", self._hint)

    async def _until_upstream(self) -> None:
        await seen_once(self._in_force)
        self.readiness.reached("upstream")
        self.bus.publish(events.Ready())

    async def _hint(self) -> None:
        while True:
            self.bus.publish(events.Hint(message=HINT))
            await asyncio.sleep(HINT_EVERY)

    # ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _end(self, server: asyncio.Server | TlsListener, probes: ops.Ops) -> None:
        """Drain, and give up what is still under way after that."""
        self.listener.draining = True
        await self.shutdown.drain(self.readiness, self.policies.loaded.policy.drain)
        await self.shutdown.finish(server, self.listener.connections)
        probes.close()
        self.own.supervisor.cancel()
        await self.incidents.end()
        await self.telemetry.close()
        await self.admin.settle(SETTLE_WITHIN)
        for pool in self.runtime.pools.values():
            pool.close()

    # ── what the parts ask of the root ─────────────────────────────────────────────────────────────────────────────────

    def _in_force(self) -> tuple[Loaded, CompiledPlan]:
        """The policy and plan of this moment."""
        return self.policies.loaded, self.policies.plan

    def _wall(self) -> float:
        return monotonic() + self.clock.offset

    def _contract(self, form: str, loaded: Loaded, plan: CompiledPlan) -> str:
        from guard.kit.contract.formats import render  # noqa: PLC0415 — for who asks

        return render(form, loaded, plan, self._wall())


def _limits(declared: object) -> Limits:
    """The policy's `listen.limits`, as the door reads them."""
    return Limits(**{name: getattr(declared, name) for name in Limits.__dataclass_fields__})
