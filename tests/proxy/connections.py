"""A world of clients, upstreams, drains, reloads and kills around real connections, with a clock that only moves when told."""

import asyncio
from collections.abc import Callable
from math import inf
from random import Random
from typing import Any, cast

import pytest

from guard.proxy.back import Link
from guard.proxy.front import Connection
from guard.proxy.listener_state import ListenerState
from guard.proxy.pool import Pool
from guard.proxy.states import CLOSED, DEADLINES, FLUSHING, FREE, GONE, HALF_FLUSHING, HALF_LAST, LINGERING
from tests.proxy.scene import Clock
from tests.proxy.stand import Stand
from tests.proxy.transport import FakeTransport, patch

STALLED = 30.0
BODY_AND_CALL = 60.0 + 0.2 + 10.0 + 1.0
"""Seconds within which an exchange that is not relayed must have ended."""


class Handle:
    """A timer."""

    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when, self.call = when, call

    def cancel(self) -> None:
        self.when = inf


class Task:
    """A dial under way; the world decides how it ends."""

    def __init__(self, loop: "Loop", pool: Pool) -> None:
        self.loop, self.pool = loop, pool
        self.outcome: Any = None
        self.ended = self.was_cancelled = False
        self.told: Callable[[Any], object]

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.told = callback

    def end(self, outcome: Any, *, cancelled: bool = False) -> None:
        self.ended, self.outcome, self.was_cancelled = True, outcome, cancelled
        self.loop.soon.append(lambda: self.told(self))

    def cancel(self) -> None:
        if not self.ended:
            self.end(None, cancelled=True)

    def cancelled(self) -> bool:
        return self.was_cancelled

    def exception(self) -> None:
        return None

    def result(self) -> Any:
        return self.outcome


class Loop:
    """What guard asks of an event loop."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.soon: list[Callable[[], object]] = []
        self.handles: list[Handle] = []
        self.tasks: list[Task] = []

    def call_soon(self, call: Callable[[], object]) -> None:
        self.soon.append(call)

    def call_later(self, delay: float, call: Callable[[], object]) -> Handle:
        self.handles.append(Handle(self.clock.now + delay, call))
        return self.handles[-1]

    def create_task(self, work: Any) -> Task:
        pool = work.cr_frame.f_locals["self"]
        work.close()
        self.tasks.append(Task(self, pool))
        return self.tasks[-1]

    def run(self) -> None:
        """What is due now."""
        for _ in range(10_000):
            if self.soon:
                self.soon.pop(0)()
                continue
            due = [handle for handle in self.handles if handle.when <= self.clock.now]
            if not due:
                break
            self.handles.remove(due[0])
            due[0].call()
        else:
            raise AssertionError("the loop has no end")
        self.handles = [handle for handle in self.handles if handle.when < inf]

    def advance(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while True:
            nearest = min((handle.when for handle in self.handles), default=inf)
            if nearest > until:
                break
            self.clock.now = max(self.clock.now, nearest)
            self.run()
        self.clock.now = until
        self.run()


class Watched(Connection):
    """Notes in which state it was cut."""

    cut_in = -1

    def abort(self) -> None:
        if self._state != CLOSED:
            self.cut_in = self._state
        super().abort()


class Client:
    """One client and its connection."""

    def __init__(self, world: "World") -> None:
        self.transport = FakeTransport(tls=world.random.random() < 0.3)
        self.connection = Watched(world.stand.listener)
        self.transport.protocol = self.connection
        self.connection.connection_made(cast("asyncio.Transport", self.transport))
        self.rest = b""  # of a request that is sent in parts
        self.taken_at = world.clock.now
        self.cut = False  # by a shutdown, or by itself
        self.exchange: object = None
        self.since = world.clock.now

    def unread(self) -> int:
        return len(self.transport.buffer) + len(self.transport.kernel)


class Server:
    """An upstream's end of one connection."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.sent = b""
        self.closing = self.lost = False
        self.relaying = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "written after the end"
        self.sent += data

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str) -> None: ...


class World:
    """Steps of a seed."""

    def __init__(self, seed: int) -> None:
        self.random, self.clock = Random(seed), Clock()
        self.loop = Loop(self.clock)
        asyncio._set_running_loop(self.loop)  # type: ignore[arg-type]
        self.stand = Stand()
        self.stand.pool = Pool(host="model", port=1)
        self.pools = [self.stand.pool]
        self.limiter: list[Any] = []
        self.routes()
        self.stand.listener = ListenerState(self.stand)
        self.clients: list[Client] = []
        self.servers: list[Server] = []
        self.ends: set[str] = set()

    def routes(self) -> None:
        self.stand.add("/p", concurrency=2, queue=2)
        self.stand.add("/r", collect=0, buffered=False, concurrency=3, queue=1)

    # ── what may happen ───────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        choices: list[tuple[Callable[[], None], int]] = [
            (self.pass_time, 3), (self.arrive, 3), (self.send, 8), (self.read, 10), (self.leave, 1), (self.dial, 12),
            (self.answer, 12), (self.lose, 4), (self.reload, 1), (self.kill, 1), (self.drain, 1),
        ]  # fmt: skip
        happening = self.random.choices([what for what, _ in choices], [weight for _, weight in choices])[0]
        happening()
        self.loop.run()
        self.check()

    def pass_time(self) -> None:
        self.loop.advance(self.random.choice([0.005, 0.005, 0.05, 0.1, 0.5, 1.2, 4.0, 12.0, 40.0]))

    def arrive(self) -> None:
        if len(self.clients) < 6:
            self.clients.append(Client(self))

    def request(self) -> bytes:
        path = self.random.choice([b"/p", b"/p", b"/r", b"/none"])
        version = self.random.choice([b"1.1", b"1.1", b"1.0"])
        lines = self.random.choice([b"", b"", b"Connection: close\r\n"])
        body = b"{}" * self.random.choice([0, 1, 3000])
        return b"POST %b HTTP/%b\r\nHost: g\r\n%bContent-Length: %d\r\n\r\n%b" % (path, version, lines, len(body), body)

    def send(self) -> None:
        client = self.some(lambda item: item.transport.reading and not item.transport.gone)
        if client is None:
            return
        data = client.rest or self.random.choice([self.request(), self.request() * 3, self.request(), b"\x00\r\n\r\n"])
        cut = self.random.choice([len(data), len(data), self.random.randrange(1, len(data) + 1)])
        client.rest = data[cut:]
        client.connection.data_received(data[:cut])

    def read(self) -> None:
        client = self.some(lambda item: item.unread() > 0)
        if client is not None:
            client.transport.take(self.random.choice([1000, 30_000, 1 << 20]))
            client.taken_at = self.clock.now

    def leave(self) -> None:
        client = self.some(lambda item: not item.transport.gone)
        if client is None:
            return
        client.cut = True
        if self.random.random() < 0.5 and client.transport.reading and not client.transport.end:
            if not client.connection.eof_received():
                client.transport.close()
        else:
            client.transport.left = True

    def dial(self) -> None:
        waiting = [task for task in self.loop.tasks if not task.ended]
        if not waiting:
            return
        task = self.random.choice(waiting)
        roll = self.random.random()
        if roll < 0.8:
            link = Link(task.pool)
            server = Server(link)
            link.connection_made(cast("asyncio.Transport", server))
            self.servers.append(server)
            task.pool.links += 1
            task.end(link)
        elif roll < 0.95:
            task.end("connect")
        else:
            task.cancel()

    def answer(self) -> None:
        results = [server for server in self.servers if server.link.state not in (FREE, GONE) and not server.closing]
        if not results:
            return
        server, size = self.random.choice(results), self.random.choice([0, 10, 70_000, 400_000])
        if server.relaying:
            more = self.random.random() < 0.6
            server.relaying = more
            server.link.data_received(
                b"5\r\nxxxxx\r\n" * self.random.choice([1, 30_000]) if more else b"1\r\nE\r\n0\r\n\r\n"
            )
        elif self.random.random() < 0.5:
            server.link.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size + 1) + b"x" * size + b"E")
        elif self.random.random() < 0.8:
            server.relaying = True
            server.link.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            server.link.data_received(b"no HTTP\r\n\r\n")

    def lose(self) -> None:
        """The loop tells that a connection is gone that either end has closed; an upstream may reset too."""
        for client in self.clients:
            transport = client.transport
            over = transport.closing and (client.cut or not transport.buffer)
            if (transport.left or over) and not transport.gone:
                transport.lose()
        for server in self.servers:
            if server.closing or self.random.random() < 0.02:
                server.closing = server.lost = True
                server.link.connection_lost(None)
        self.servers = [server for server in self.servers if not server.lost]

    def reload(self) -> None:
        before, self.stand.pool = self.stand.pool, Pool(host="model", port=1)
        self.pools.append(self.stand.pool)
        self.routes()
        before.close()

    def kill(self) -> None:
        level = self.random.choice([0, 0, 0, 3])
        for model in self.stand.models[-2:]:
            model.target.rung_limit.level = level
        for client in self.clients:
            if level and client.connection.current is not None:
                client.connection.current.cut()

    def drain(self) -> None:
        listener = self.stand.listener
        listener.draining = self.random.random() < 0.25
        if listener.draining:
            for client in self.clients:
                client.connection.drain()
        elif self.random.random() < 0.1:  # its time is over
            for client in self.clients:
                client.cut = client.cut or not client.transport.end
                client.connection.abort()

    def some(self, fit: Callable[[Client], bool]) -> Client | None:
        fitting = [client for client in self.clients if fit(client)]
        return self.random.choice(fitting) if fitting else None

    # ── what must hold ────────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        for client in self.clients:
            self.check_client(client)
        results = [client for client in self.clients if client.transport.gone]
        for client in results:
            assert client.connection.timer.armed() == [], "a deadline of a connection that is gone"
            self.check_end(client)
        self.clients = [client for client in self.clients if client not in results]

    def check_client(self, client: Client) -> None:
        connection, transport = client.connection, client.transport
        armed = set(connection.timer.armed())
        assert armed <= DEADLINES[connection._state], f"{connection.timer} in state {connection._state}"
        if transport.gone:
            return
        if connection._state in (FLUSHING, HALF_FLUSHING) or (connection.paused and connection._state <= HALF_LAST):
            assert armed, "nobody watches what the client does not take"
        if connection.cut_in in (FLUSHING, HALF_FLUSHING, LINGERING) and transport.lost and not client.cut:
            assert self.clock.now - client.taken_at >= STALLED - 1, "an answer was cut that its client was reading"
        exchange = connection.current
        if exchange is not client.exchange:
            client.exchange, client.since = exchange, self.clock.now
        if exchange is None:
            return
        assert exchange._dial is None or not exchange._dial.task.ended, "it waits for a dial that has ended"  # type: ignore[attr-defined]
        assert exchange._link is None or exchange._link.state != GONE, "it waits for a connection that is gone"  # type: ignore[attr-defined]
        if not exchange._opened:
            assert self.clock.now - client.since <= BODY_AND_CALL, "it has outlived its deadlines"

    def check_end(self, client: Client) -> None:
        """What the client got, as it understands it."""
        transport = client.transport
        rest = transport.read + transport.kernel
        if transport.left:
            return
        self.ends.add(transport.end)
        while rest and transport.end == "FIN":
            head, found, rest = rest.partition(b"\r\n\r\n")
            if not found or b" 100 " in head[:13]:
                continue
            if b"content-length: " in head:
                size = int(head.split(b"content-length: ")[1].split(b"\r")[0])
                if size > len(rest):
                    return  # it sees that something is missing
                rest = rest[size:]
            elif b"chunked" in head:
                at = rest.find(b"\r\n0\r\n\r\n")
                if at < 0:
                    return  # the same
                rest = rest[at + 7 :]
            else:
                assert rest.endswith(b"E"), "a clean end of a short answer"
                return

    def settle(self) -> None:
        """Everybody leaves; nothing may be left."""
        self.stand.listener.draining = False
        for client in self.clients:
            client.cut = client.transport.left = True
            client.transport.lose()
        for task in self.loop.tasks:
            if not task.ended:
                task.end("connect")
        self.loop.advance(200.0)
        self.lose()
        self.loop.advance(200.0)
        self.check()
        budget = self.stand.listener.budget
        assert (budget.used, budget.ahead) == (0, 0), "leaked bytes"
        assert all((limiter.held, limiter.waiting) == (0, 0) for limiter in self.stand.limiter), "a leaked slot"
        assert all(model.breaker.out == 0 for model in self.stand.models), "a leaked ticket"
        assert all(pool.budget.used == 0 for pool in self.pools), "leaked bytes of answers"
        assert all(pool.dialling == 0 for pool in self.pools)
        assert not self.stand.listener.connections
        self.clients.clear()
        self.loop.tasks.clear()
        del self.stand.models[:-2], self.stand.limiter[:-2], self.pools[:-1]


def walk(seed: int, steps: int) -> set[str]:
    """So many steps. Raises AssertionError with the seed and the step where an invariant does not hold."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world, step = None, 0
        try:
            clock = Clock()
            monkeypatch.setattr("tests.proxy.connections.Clock", lambda: clock)
            patch(monkeypatch, clock)
            world = World(seed)
            for step in range(steps):
                world.step()
                if step % 500 == 499:
                    world.settle()
            world.settle()
        except BaseException as error:
            raise AssertionError(f"seed {seed}, step {step}: {error!r}") from error
        finally:
            asyncio._set_running_loop(None)
        return world.ends
