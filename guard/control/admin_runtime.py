"""The operators' side of one process: orders and the kill file on the data plane, and the admin API in front of them."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from guard.control import kill_file, listener
from guard.control.acceptor import Bounds, bind, is_loopback
from guard.control.audit import Audit
from guard.control.gate import Gate
from guard.control.keys import Keys
from guard.control.order_store import OrderStore
from guard.control.process import descriptors
from guard.control.reload import Reloader
from guard.control.secrets import read_tokens
from guard.control.shares import Shares
from guard.control.state import StateFolder
from guard.control.tls import server_context
from guard.events import AdminListening, AdminUnavailable, BreakerChanged, Publish, StateUnavailable
from guard.policy.compiled import CompiledPlan
from guard.policy.load import Loaded
from guard.policy.runtime import Runtime
from guard.policy.scalars import Address
from guard.proxy.front import Connection
from guard.proxy.values import Ceiling
from guard.telemetry.versions import Versions

if TYPE_CHECKING:
    from guard.control.admin_protocol import AdminListener


class Unreachable(Exception):  # noqa: N818
    """The admin API cannot listen as it is configured."""


class AdminRuntime:
    """`in_force` gives the policy and plan of this moment, `connections` the clients."""

    def __init__(
        self,
        runtime: Runtime,
        in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        connections: Callable[[], Collection[Connection]],
        *,
        wall: Callable[[], float],
        publish: Publish,
        recompile: Callable[[], Awaitable[None]],
        environ: Mapping[str, str],
        contract: Callable[[str, Loaded, CompiledPlan], str],
    ) -> None:
        self.shares, self.versions = Shares(), Versions(publish)
        self._runtime, self._in_force, self._connections = runtime, in_force, connections
        self._publish, self._environ, self._contract = publish, environ, contract
        self._state: StateFolder | None = None
        self._audit: Audit | None = None
        self._where = Address("127.0.0.1", 0)
        self._socket: socket.socket | None = None
        self.keys = Keys(None, None, publish)
        self.operations = OrderStore(
            self._ceilings,
            wall=wall,
            publish=publish,
            cut=self._cut,
            force=self._force,
            recompile=recompile,
            audit=self._audited,
        )

    # ── the data plane ────────────────────────────────────────────────────────────────────────────────────────────

    def observed(self) -> frozenset[str]:
        """Routes whose contract is not enforced for now."""
        return frozenset(self.operations.orders.observed or {})

    def recall(self, state: StateFolder | None) -> None:
        """What was decided before the restart, and the kill file: before the first client is accepted."""
        self._state = state
        self._audit = Audit(state.path) if state is not None else None
        self.operations.recall(state)
        self._look_for_kill(first=True)

    async def heed(self) -> None:
        """The kill file, and orders whose time is over, for ever."""
        due = monotonic()
        while True:
            await asyncio.sleep(kill_file.EVERY)
            self._look_for_kill()
            if monotonic() >= due:
                due = monotonic() + 1.0
                await self.operations.expire()

    def _look_for_kill(self, *, first: bool = False) -> None:
        """What cannot be read keeps its last state; at the start it is taken for a kill."""
        path = self._in_force()[0].policy.kill_file
        try:
            self.operations.heed_file(kill_file.look(path.path) if path is not None else None)
        except kill_file.Unreadable:
            if first:
                self.operations.heed_file("")

    def _ceilings(self) -> Iterator[tuple[str, Ceiling]]:
        """What bounds each route in force."""
        return self._runtime.ceilings.items()

    def _force(self, forced: Mapping[str, str]) -> None:
        """Bring every breaker to the state it is forced to, or let it go."""
        self.shares.decided()
        for (route, target), breaker in self._runtime.breakers.items():
            breaker.force(forced.get(f"{route} > {target}", "auto"), monotonic())  # type: ignore[arg-type]

    def _cut(self) -> int:
        """End the streams that operators do not allow any more; how many."""
        living = [connection.current for connection in tuple(self._connections()) if connection.current is not None]
        return sum(exchange.cut() for exchange in living)

    def breaker_changed(self, route: str, target: str, change: Any) -> None:
        """Publish each change of a breaker's state."""
        self._publish(BreakerChanged(route=route, target=target, before=change.before, after=change.after, why=change.why))

    def _audited(self, entry: dict[str, Any]) -> None:
        if self._audit is not None:
            self._audit.append(entry)

    # ── the API ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def bind(self, where: Address) -> None:
        """Listen, and know who may ask. Raises Unreachable."""
        configured = self._in_force()[0].policy.admin.tokens
        read: Callable[[], bytes] | None = None
        own: str | None = None
        if configured is not None:
            read = partial(read_tokens, configured, self._environ)
        elif not is_loopback(where.host):
            raise Unreachable(f"guard: others reach {where}: configure admin.tokens, or listen for operators on 127.0.0.1")
        elif self._state is not None:
            with suppress(OSError):
                own = listener.own_token(self._state)
        if read is None and own is None:
            self._publish(AdminUnavailable(why="no tokens, and no state folder for one"))
            return
        self.keys = Keys(read, own, self._publish)
        await self.keys.look()
        try:
            self._socket = bind(where.host, where.port)
        except OSError as error:
            raise Unreachable(f"guard: cannot listen on {where} for operators: {error.strerror or error}") from None
        self._where = Address(where.host, self._socket.getsockname()[1])

    async def serve(self, reloader: Reloader) -> None:
        """Answer operators until cancelled."""
        if self._socket is None:
            return
        declared = self._in_force()[0].policy.admin.tls
        context: ssl.SSLContext | None = None
        if declared is not None:
            context = server_context(declared.cert.path, declared.key.path)
        if self._state is not None:
            token = self._state.path / listener.OWN_TOKEN if self._in_force()[0].policy.admin.tokens is None else None
            self._announce(token, tls=context is not None)
        server = await asyncio.to_thread(self._server, reloader)
        server.start(self._socket, Bounds(descriptors(1).admin), context)
        self._publish(AdminListening(listen=str(self._where)))
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def _server(self, reloader: Reloader) -> "AdminListener":
        """In a thread, imports and all: some 75 ms in which clients are answered already."""
        from guard.control.admin import Application  # noqa: PLC0415
        from guard.control.admin_protocol import AdminListener  # noqa: PLC0415
        from guard.control.service import Service  # noqa: PLC0415

        folder = self._state.path if self._state is not None else None
        means = (self.operations, self._runtime, reloader, self.shares, self.versions, folder, self._in_force)
        service = Service(*means, self._contract, self.keys)
        gate = Gate(self.keys.identify, listener.hosts(self._where))
        return AdminListener(Application(service, gate), gate)

    def _announce(self, token: Path | None, *, tls: bool) -> None:
        assert self._state is not None
        try:
            listener.announce(self._state, str(self._where), token, tls=tls)
        except OSError as error:
            self._publish(StateUnavailable(why=str(error)))
