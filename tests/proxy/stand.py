"""A guard of sockets in this process: front, driver, back, before an upstream that speaks raw bytes from a script."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import uvloop

from guard.ladder.limits import ConcurrencyLimiter
from guard.ladder.model import Model
from guard.proxy.front import Connection
from guard.proxy.listener_state import Limits, ListenerState
from guard.proxy.pool import Pool
from guard.proxy.tracing import Untraced
from guard.proxy.values import Answer, Head, Record, Refused, Route
from tests.proxy.scene import Fixed, Off, Tickets, Tongue, target
from tests.within import within

WITHIN = 10.0
Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Everything(Tongue):
    """Any status is an answer."""

    def errs(self, answer: Answer) -> bool:
        return False


def run(main: Callable[[], Coroutine[Any, Any, None]], loop: str, seconds: float = 120) -> None:
    """Run on one of the two loops, for so many seconds at most."""
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(within(main(), seconds))


class Stand:
    """Guard, its routes and what came of it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.expose_reason = True
        self.sinks = (self,)
        self.routes: dict[bytes, Route] = {}
        self.models: list[Model] = []
        self.limiter: list[ConcurrencyLimiter] = []
        self.pool: Pool
        self.listener: ListenerState
        self.server: asyncio.Server
        self.port = 0

    def record(self, record: Record) -> None:
        self.records.append(record)

    tracer = Untraced()

    def match(self, head: Head) -> Route:
        try:
            return self.routes[head.target.partition(b"?")[0]]
        except KeyError:
            raise Refused("not_found") from None

    def wall(self, now: float) -> float:
        return now

    def sink_crashed(self, sink: object) -> None:
        raise AssertionError(sink)

    def add(
        self, path: str, *, buffered: bool = True, collect: int = 1 << 20, concurrency: int = 64, queue: int = 64,
        max_body: int = 1 << 24, repeatable: bool = True, output: Fixed | None = None, request: float = 10.0,
        inspector: Callable[[object, object], Any] = lambda _message, _headers: None, judges: tuple[Fixed, ...] = (),
        dialect: Tongue | None = None, **times: float,
    ) -> None:  # fmt: skip
        """A route with a model rung and `disabled`."""
        limiter = ConcurrencyLimiter(concurrency, queue, asyncio.get_running_loop().call_soon)
        model = Model(target(pool=self.pool, limiter=limiter, **times), Tickets(), collect=collect, repeatable=repeatable)
        self.models.append(model)
        self.limiter.append(limiter)
        self.routes[path.encode()] = Route(
            template=path, method="*", buffered=buffered, max_body=max_body, collect=collect, request=request, enforce=True,
            dialect=dialect or Everything(), judges=judges, output=output, ladder=(model, Off()), inspector=inspector,
        )  # fmt: skip

    def allow(self, seconds: float) -> None:
        """Let each part of a call take so long from here on, and a request twice that."""
        for model in self.models:
            model.target.connect = model.target.attempt = seconds
        for route in self.routes.values():
            route.request = 2 * seconds

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, raw: bytes) -> bytes:
        """Send, then read until guard closes; for requests with `Connection: close`."""
        reader, writer = await self.connect()
        writer.write(raw)
        answer = await within(reader.read(), WITHIN)
        writer.close()
        return answer

    async def settled(self) -> None:
        """Until nothing is under way any more."""
        await until(lambda: not any(limiter.held or limiter.waiting for limiter in self.limiter) and not self.pool.dialling)


def sockets() -> set[str]:
    """The sockets of this process, by what they are: a number is soon another's, and the process is shared with other tests."""
    links = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself
            links.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {link for link in links if link.startswith("socket:")}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, which must come."""
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def standing(
    script: Script, *, limits: Limits | None = None, paths: dict[str, dict[str, Any]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Any:  # fmt: skip
    """Guard before an upstream that runs `script` for each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    stand = Stand()
    stand.pool = Pool(host="127.0.0.1", port=upstream.sockets[0].getsockname()[1])
    for path, options in (paths or {"/p": {}}).items():
        stand.add(path, **options)
    stand.listener = ListenerState(stand, limits or Limits(), via=b"us", prefix="id")
    front = stand.server = await asyncio.get_running_loop().create_server(
        lambda: Connection(stand.listener), "127.0.0.1", 0, backlog=4096, ssl=tls, ssl_shutdown_timeout=1.0 if tls else None
    )
    stand.port = front.sockets[0].getsockname()[1]
    try:
        yield stand
    finally:
        front.close()
        for connection in tuple(stand.listener.connections):
            connection.abort()
        stand.pool.close()
        upstream.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """(head, body) of one request, by its own framing."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return head, body
    if b"content-length:" in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        return head, await reader.readexactly(length)
    return head, b""


def answering(*answers: bytes, seen: list[tuple[bytes, bytes]] | None = None) -> Script:
    """Read a request, write an answer; keep the connection for the next."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers or (OK,) * 1_000_000:
            request = await read_request(reader)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
        await writer.drain()

    return script


def post(path: str = "/p", body: bytes = b"{}", *headers: bytes) -> bytes:
    """A request that ends its connection."""
    lines = b"".join(header + b"\r\n" for header in (b"Connection: close", *headers))
    return b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n%b\r\n%b" % (path.encode(), len(body), lines, body)
