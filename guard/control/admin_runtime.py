"""The operators' side of one process: orders and the kill file on the data plane, and the admin API in front of them."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from guard.control import kill_file, listener
from guard.control.acceptor import Bounds, bind, is_loopback
from guard.control.gate import Gate
from guard.control.journal import Journal
from guard.control.keys import Keys
from guard.control.labels.keeper import LabelKeeper
from guard.control.monitoring import MonitorKeeper
from guard.control.order_store import OrderStore, Wanted
from guard.control.policy_view import View, policy_view
from guard.control.process import descriptors
from guard.control.release_path import ReleasePath
from guard.control.reload import Reloader
from guard.control.secrets import read_tokens
from guard.control.slo.keeper import SloKeeper
from guard.control.source_window import SourceWindow
from guard.control.state import StateFolder
from guard.control.supervisor import Work
from guard.control.tls import server_context
from guard.control.watched_files import FileHung, WatchedFiles
from guard.control.worker import Worker
from guard.events import (
    AdminListening,
    AdminUnavailable,
    BreakerChanged,
    Event,
    Publish,
    StateUnavailable,
    VersionChanged,
)
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.runtime import Runtime
from guard.policy.scalars import Address
from guard.proxy.front import Connection
from guard.proxy.values import RungLimit
from guard.telemetry import instruments as of
from guard.telemetry.family import Family
from guard.telemetry.record_batcher import BatchSink
from guard.telemetry.versions import Versions

if TYPE_CHECKING:
    from guard.control.admin_protocol import AdminListener
BEATS_WITHIN: Final = 5.0
"""Seconds without a look after which the task of the kill file, or of the ends of modes, is stuck."""
EXPIRE_EVERY: Final = 0.25
"""Seconds between two looks at what was ordered for a time."""

DISK_WITHIN: Final = 10.0
"""Seconds in which the secret of this machine is read or made."""


class Unreachable(Exception):  # noqa: N818
    """The admin API cannot listen as it is configured."""


class AdminRuntime:
    """Implements `order_store.DataPlane`.

    `in_force` gives the policy and plan of this moment, `connections` the clients.
    """

    def __init__(
        self,
        runtime: Runtime,
        in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        connections: Callable[[], Collection[Connection]],
        *,
        wall: Callable[[], float],
        publish: Publish,
        files: WatchedFiles,
        observe: Callable[[Wanted, Callable[[], None]], "asyncio.Future[None]"],
        environ: Mapping[str, str],
        contract: Callable[[str, Loaded, CompiledPlan], str],
    ) -> None:
        self.source_window, self.versions = SourceWindow(), Versions(self._publish_version)
        self._runtime, self._in_force, self._connections = runtime, in_force, connections
        self._wall, self._publish, self._environ, self._contract = wall, publish, environ, contract
        self._files, self.observe = files, observe
        self.views: dict[str, View] = {"policy": lambda: policy_view(in_force()[0])}
        """Documents of the API by name; the root adds those of other parts."""
        self._state: StateFolder | None = None
        self._where = Address("127.0.0.1", 0)
        self._socket: socket.socket | None = None
        self.keys = Keys(None, None, publish)
        self._gate: Gate | None = None
        self._journal = Journal(publish)
        self.order_store = OrderStore(self, self._journal, wall=wall, publish=publish)
        self._disk = Worker("guard-admin")
        self.slo = SloKeeper(runtime, wall=wall, publish=publish)
        self.release = ReleasePath(wall=wall, publish=publish, audit=self.audit, frozen=lambda: self.slo.frozen(None))
        self.budgets: Callable[[], list[dict[str, object]]] = list
        """The report on budgets; handed down, as telemetry is made later."""
        self.labels = LabelKeeper(publish, wall, environ)
        self.monitoring = MonitorKeeper(runtime, lambda: in_force()[0], wall, publish, self.audit)

    # ── the data plane ────────────────────────────────────────────────────────────────────────────────────────────

    def recall(self, state: StateFolder | None, doubt: str) -> None:
        """Read what was decided before the restart. `doubt`: why the state folder may hold more than could be read."""
        self._state = state
        self.order_store.recall(state, doubt=doubt)
        self.slo.begin(state)
        self.labels.open(state)
        self.release.begin(state)
        self.monitoring.recall(state)

    def _publish_version(self, event: Event) -> None:
        """Publish what is new about a version; another one of the model begins another reference of its answers."""
        self._publish(event)
        if isinstance(event, VersionChanged):
            self.monitoring.version_changed(event)

    def adopt(self, loaded: Loaded, plan: CompiledPlan) -> None:
        """A policy is in force."""
        self.order_store.bound()
        self.slo.adopt(loaded, plan)
        self.labels.adopt(loaded.policy, plan.keyring)
        self.release.adopt(loaded)
        self.monitoring.adopt()

    def tasks(self) -> Iterator[tuple[str, Work]]:
        """Background tasks by name; those that need no proof that they go on."""
        yield "ends of observations", self.expire_observations
        yield "tokens", self.keys.watch
        yield "slo", self.slo.watch
        yield "labels", self.labels.watch
        yield "release", self.release.watch
        yield "monitoring", self.monitoring.tick

    def audit(self, entry: dict[str, object]) -> None:
        """Audit what is no order, such as a reload."""
        self._journal.note({"at": self._wall(), **entry})

    async def settle(self, within: float) -> None:
        """Wait until every order is on disk, or for so many seconds; keep what was measured."""
        await self._journal.settled(within)
        await self.slo.save(within)
        await self.labels.close(within)
        with suppress(OSError, TimeoutError):
            await self.release.save(last=True)
        await self.monitoring.save(within)

    async def watch_kill_file(self, beat: Callable[[], None]) -> None:
        """Look for the kill file, for ever. `beat` is called for each look, also of a file that hangs."""
        while True:
            await asyncio.sleep(kill_file.EVERY)
            await self.look_for_kill()
            beat()

    async def look_for_kill(self, *, first: bool = False) -> None:
        """Look once, in a thread: the file may be on a mount that hangs. `first`: before the first client is accepted."""
        path = self._in_force()[0].policy.kill_file
        if path is None:
            self.order_store.apply_kill_file(None)
            return
        try:
            text = await self._files.read_with_deadline("kill file", partial(kill_file.read_kill_file, path.path))
        except (kill_file.Unreadable, FileHung) as error:
            there = isinstance(error, kill_file.Unreadable) and error.there
            self.order_store.apply_unreadable_kill_file(there=there, first=first)
        else:
            self.order_store.apply_kill_file(text)

    async def expire_modes(self, beat: Callable[[], None]) -> None:
        """End the modes whose time is over, for ever. `beat` is called for each look."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            self.order_store.expire_modes()
            beat()

    async def expire_observations(self) -> None:
        """Enforce again the contracts whose observation is over, for ever. A task of its own: it waits for plans."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            await self.order_store.expire_observations()

    def rung_limits(self) -> Iterator[tuple[str, RungLimit]]:
        """The rung limit of each route in force."""
        return self._runtime.rung_limits.items()

    def has_contract(self, route: str) -> bool:
        """Whether a route in force judges requests or answers."""
        routes = self._in_force()[1].routes
        return any(each.key == route and (each.judges or each.output is not None) for each in routes)

    def force(self, forced: Mapping[str, str]) -> None:
        """Bring every breaker to the state it is forced to, or release it."""
        self.source_window.decided()
        for (route, target), breaker in self._runtime.breakers.items():
            breaker.force(forced.get(f"{route} > {target}", "auto"), monotonic())  # type: ignore[arg-type]

    def cut(self) -> int:
        """End the streams that operators do not allow any more; how many."""
        living = [connection.current for connection in tuple(self._connections()) if connection.current is not None]
        return sum(exchange.cut() for exchange in living)

    def breaker_changed(self, route: str, target: str, change: Any) -> None:
        """Publish each change of a breaker's state."""
        self._publish(BreakerChanged(route=route, target=target, before=change.before, after=change.after, why=change.why))

    # ── the API ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def bind(self, where: Address, also: Callable[[BatchSink], None]) -> None:
        """Listen, and know who may ask. `also` adds a sink of records, for the console. Raises Unreachable."""
        if self._in_force()[0].policy.admin.console:
            from guard.control.console.history import History  # noqa: PLC0415 — for those who have a console

            history = History()
            also(history)
            self.views["history"] = lambda: history.copy(monotonic(), self._wall()).text
        configured = self._in_force()[0].policy.admin.tokens
        read: Callable[[], bytes] | None = None
        own: str | None = None
        if configured is not None:
            read = partial(read_tokens, configured, self._environ)
        elif not is_loopback(where.host):
            raise Unreachable(
                f"guard: other machines can reach the admin API on {where}; "
                "configure admin.tokens, or set listen.admin to 127.0.0.1"
            )
        elif self._state is not None:
            with suppress(OSError, TimeoutError):
                own = await self._disk.run(partial(listener.own_token, self._state), DISK_WITHIN)
        if read is None and own is None:
            self._publish(
                AdminUnavailable(why="no tokens are configured, and there is no state folder for a generated one")
            )
            return
        self.keys = Keys(read, own, self._publish)
        await self.keys.reload_if_changed()
        try:
            self._socket = bind(where.host, where.port)
        except OSError as error:
            raise Unreachable(f"guard: cannot open the admin listener on {where}: {error.strerror or error}") from None
        self._where = Address(where.host, self._socket.getsockname()[1])

    def families(self) -> Iterator[Family]:
        """Metrics about the tokens, the objectives and monitoring."""
        yield Family(of.TOKENS_REFUSED, [((), int(self.keys.troubled))])
        yield Family(of.ATTEMPTS_REFUSED, [((), self._gate.refused if self._gate is not None else 0)])
        yield from self.slo.families()
        yield from self.labels.families()
        yield from self.monitoring.families()

    async def serve(self, reloader: Reloader) -> None:
        """Answer operators until cancelled."""
        self.release.recompile = reloader.recompile
        if self._socket is None:
            return
        declared = self._in_force()[0].policy.admin.tls
        context: ssl.SSLContext | None = None
        if declared is not None:
            make = partial(server_context, declared.cert.path, declared.key.path)
            context = await self._files.read_with_deadline("admin certificate", make)
        if self._state is not None:
            token = self._state.path / listener.OWN_TOKEN if self._in_force()[0].policy.admin.tokens is None else None
            await self._disk.submit(partial(self._announce, token, tls=context is not None))
        server = await self._disk.submit(partial(self._server, reloader, secure=context is not None))
        server.start(self._socket, Bounds(descriptors(1).admin), context)
        self._publish(AdminListening(listen=str(self._where)))
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def _server(self, reloader: Reloader, *, secure: bool) -> "AdminListener":
        """Build the API in a thread, imports included: clients get answers during these 75 ms."""
        from guard.control.admin import Application  # noqa: PLC0415
        from guard.control.admin_protocol import AdminListener  # noqa: PLC0415
        from guard.control.admin_service import AdminService  # noqa: PLC0415
        from guard.control.console import wiring as console_of  # noqa: PLC0415

        folder = self._state.path if self._state is not None else None
        means = (self.order_store, self._runtime, reloader, self.source_window, self.versions, folder, self._in_force)
        report = lambda: self.budgets()  # noqa: E731, PLW0108 — set later
        service = AdminService(
            *means, self._contract, self.keys, self.views, self.slo, self.labels, self.monitoring, report
        )
        admin = self._in_force()[0].policy.admin
        browsers = console_of.browsers(admin, self.keys, secure=secure) if admin.console else None
        hosts = listener.hosts(self._where) | frozenset(admin.hosts)
        gate = self._gate = Gate(self.keys.identify, hosts, browsers=browsers)
        return AdminListener(Application(service, gate, self.release, console_of.console(browsers, self._in_force)), gate)

    def _announce(self, token: Path | None, *, tls: bool) -> None:
        assert self._state is not None
        try:
            listener.announce(self._state, str(self._where), token, tls=tls)
        except OSError as error:
            self._publish(StateUnavailable(why=str(error)))
