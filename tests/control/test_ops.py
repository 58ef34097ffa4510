"""The listener for probes and scrapers."""

import asyncio
import errno
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from guard.control import acceptor as acceptor_module
from guard.control import ops
from guard.control.acceptor import Acceptor, Bounds, Rank, Seat, bind
from guard.control.readiness import WAITING, Readiness
from tests.proxy.stand import run, until

FEW = Bounds(64)
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


def listening(bounds: Bounds = FEW, heavy: ops.HeavyPages | None = None, readiness: Readiness | None = None) -> ops.Ops:
    server = ops.Ops(ops.probes(readiness or Readiness(), tuple), heavy)
    server.listen("127.0.0.1", 0, bounds)
    return server


async def ask(server: ops.Ops, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server.acceptor.address)
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return answer


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_ready_once_everything_was_reached_and_until_draining() -> None:
    readiness = Readiness()
    assert readiness.waiting == WAITING
    for latch in ("upstream", "policy"):
        readiness.reached(latch)
        assert not readiness.ready
    assert repr(readiness) == "<Readiness waiting for state>"
    readiness.reached("state")
    readiness.reached("state")
    assert readiness.ready
    readiness.drain()
    assert (readiness.ready, readiness.waiting) == (False, ("draining",))


@LOOPS
def test_what_probes_hear(loop: str) -> None:
    async def main() -> None:
        readiness = Readiness()
        server = listening(readiness=readiness)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await ask(server, get("/readyz?verbose"))).endswith(
            b'{"ready": false, "waiting": ["policy", "state", "upstream"]}\n'
        )
        for latch in WAITING:
            readiness.reached(latch)
        assert (await ask(server, get("/readyz"))).startswith(b"HTTP/1.1 200 OK\r\n")
        head = await ask(server, get("/readyz", "HEAD"))
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        readiness.drain()
        assert (await ask(server, get("/readyz"))).startswith(b"HTTP/1.1 503 ")
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        server.close()

    run(main, loop)


@LOOPS
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (get("/other"), b"404"), (get("/livez", "POST"), b"405"), (get("/livez", "DELETE"), b"405"), (b"\r\n\r\n", b"400"),
        (b"GET /livez\r\n\r\n", b"400"), (b"GET  /livez HTTP/1.1\r\n\r\n", b"400"), (b"\xff" * 100 + b"\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b""), (b"G" * 20000, b""),
    ],
)  # fmt: skip
def test_what_others_hear(loop: str, raw: bytes, status: bytes) -> None:
    async def main() -> None:
        server = listening()
        try:
            answer = await ask(server, raw)
        except ConnectionError:
            answer = b""
        assert answer[9:12] == status
        server.close()

    run(main, loop)


@LOOPS
def test_clients_that_say_nothing_are_bounded_and_closed_in_time(loop: str) -> None:
    async def main() -> None:
        server = listening(Bounds(16, waiting=0.2))
        silent = [await asyncio.open_connection(*server.acceptor.address) for _ in range(100)]
        await until(lambda: len(server.acceptor) <= 16)
        await until(lambda: server.acceptor.evicted == 84)
        await until(lambda: not len(server.acceptor))
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        for reader, writer in silent:
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        server.close()

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nHost: "])
def test_a_full_listener_closes_the_longest_waiting_and_serves_the_newcomer(loop: str, begun: bytes) -> None:
    async def main() -> None:
        server = listening(Bounds(16, waiting=60.0))
        held = []
        for _ in range(16):
            held.append(await asyncio.open_connection(*server.acceptor.address))
            held[-1][1].write(begun)
        await until(lambda: len(server.acceptor) == 16)
        for _ in range(3):
            assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        with suppress(ConnectionError):
            assert await held[0][0].read() == b"", "the first is the one that has waited longest"
        assert not held[15][0].at_eof()
        for _, writer in held:
            writer.close()
        server.close()

    run(main, loop)


@LOOPS
def test_clients_that_keep_their_answer_open_give_way_before_those_that_ask(loop: str) -> None:
    async def main() -> None:
        server = listening(Bounds(4, answered=60.0, waiting=60.0))
        lingering = [await asyncio.open_connection(*server.acceptor.address) for _ in range(3)]
        for reader, writer in lingering:
            writer.write(get("/livez"))
            await reader.readuntil(b"}\n")
        asking = await asyncio.open_connection(*server.acceptor.address)
        await until(lambda: len(server.acceptor) == 4)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        asking[1].write(get("/livez"))
        assert (await asking[0].read()).startswith(b"HTTP/1.1 200 ")
        for _, writer in [*lingering, asking]:
            writer.close()
        server.close()

    run(main, loop)


@LOOPS
def test_a_heavy_page_is_made_once_for_all_that_wait_and_shared(loop: str) -> None:
    async def main() -> None:
        results: list[str] = []

        def make(accept: str) -> ops.Making:
            results.append(accept)
            yield
            return ops.Page(200, "text/plain", b"x" * 1_000_000)

        server = listening(heavy={"/metrics": make})
        first = await asyncio.gather(*(ask(server, get("/metrics")) for _ in range(ops.READERS)))
        assert all(answer.endswith(b"x" * 1_000_000) for answer in first)
        assert len(results) <= 3
        assert (await ask(server, get("/metrics", "HEAD"))).endswith(b"\r\n\r\n")
        server.close()

    run(main, loop)


@LOOPS
def test_the_loop_goes_on_while_a_heavy_page_is_made(loop: str) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        def make(_accept: str) -> ops.Making:
            while not asked.is_set():  # for ever, if nobody else has a turn
                yield
            return ops.Page(200, "text/plain", b"whole")

        server = listening(heavy={"/metrics": make})
        page = asyncio.create_task(ask(server, get("/metrics")))
        await until(lambda: server._making)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        assert not page.done()
        asked.set()
        assert (await page).endswith(b"\r\n\r\nwhole")
        server.close()

    run(main, loop)


@LOOPS
def test_a_heavy_page_that_cannot_be_made_is_a_500_and_a_loop_error_and_the_next_one_is_made(loop: str) -> None:
    async def main() -> None:
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context.get("exception")))

        def make(_accept: str) -> ops.Making:
            yield
            if not errors:
                raise KeyError("series")
            return ops.Page(200, "text/plain", b"whole")

        server = listening(heavy={"/metrics": make})
        assert (await ask(server, get("/metrics"))).startswith(b"HTTP/1.1 500 ")
        assert [type(error) for error in errors] == [KeyError]
        assert (await ask(server, get("/metrics"))).endswith(b"whole")
        server.close()

    run(main, loop)


def finished(page: ops.Page) -> ops.Making:
    yield
    return page


@LOOPS
def test_slow_readers_of_a_heavy_page_are_few_and_closed_when_they_stall(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "STALL", 0.3)

    async def main() -> None:
        page = ops.Page(200, "text/plain", b"x" * 32_000_000)
        server = listening(heavy={"/metrics": lambda _: finished(page)})
        slow = []
        for _ in range(ops.READERS + 4):
            reader, writer = await asyncio.open_connection(*server.acceptor.address, limit=1024)
            writer.write(get("/metrics"))
            slow.append((reader, writer))
        await until(lambda: len(server._readers) == ops.READERS)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        assert (await ask(server, get("/metrics"))).startswith(b"HTTP/1.1 503 ")
        await until(lambda: not server._readers)
        for _, writer in slow:
            writer.close()
        server.close()

    run(main, loop)


class _Echo(asyncio.Protocol):
    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.seat.arrive(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self.seat.move(Rank.SERVED)
        assert self.seat.transport
        self.seat.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.seat.leave()


@LOOPS
def test_unfinished_handshakes_count_and_give_way(loop: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def main() -> None:
        seats: list[Seat] = []

        def protocol(seat: Seat) -> _Echo:
            seats.append(seat)
            return _Echo(seat)

        acceptor = Acceptor(bind("127.0.0.1", 0), protocol, Bounds(4, waiting=0.5), context)
        half = [await asyncio.open_connection(*acceptor.address) for _ in range(4)]
        for _, writer in half:
            writer.write(b"\x16\x03\x01\x02\x00")
        await until(lambda: len(acceptor) == 4)
        reader, writer = await asyncio.open_connection(*acceptor.address, ssl=client, server_hostname="localhost")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        assert acceptor.evicted == 1
        await until(lambda: len(acceptor) == 1)
        assert [seat.rank for seats in acceptor._ranks for seat in seats] == [Rank.SERVED]
        writer.close()
        for _, other in half:
            other.close()
        await until(lambda: all(seat.connection.fileno() == -1 for seat in seats))
        acceptor.close()

    run(main, loop)


@LOOPS
def test_one_address_beyond_loopback_has_a_share_of_the_places(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor_module, "is_loopback", lambda _: False)

    async def main() -> None:
        server = listening(Bounds(16, waiting=60.0))
        held = [await asyncio.open_connection(*server.acceptor.address, local_addr=("127.0.0.2", 0)) for _ in range(10)]
        await until(lambda: server.acceptor.evicted == 10 - 16 // acceptor_module.SHARE)
        other = await asyncio.open_connection(*server.acceptor.address, local_addr=("127.0.0.3", 0))
        other[1].write(get("/livez"))
        assert (await other[0].read()).startswith(b"HTTP/1.1 200 ")
        for _, writer in [*held, other]:
            writer.close()
        server.close()

    run(main, loop)


@LOOPS
def test_a_process_without_descriptors_closes_the_oldest_and_goes_on(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = listening(Bounds(16, waiting=60.0))
        held = await asyncio.open_connection(*server.acceptor.address)
        await until(lambda: len(server.acceptor) == 1)

        class Starved:
            def __init__(self, real: socket.socket) -> None:
                self.real, self.left = real, 1

            def accept(self) -> object:
                if self.left:
                    self.left -= 1
                    raise OSError(errno.EMFILE, "too many")
                return self.real.accept()

            def __getattr__(self, name: str) -> object:
                return getattr(self.real, name)

        server.acceptor._listener = Starved(server.acceptor._listener)  # type: ignore[assignment]
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        with suppress(ConnectionError):
            assert await held[0].read() == b""
        held[1].close()
        server.close()

    run(main, loop)


def test_livez_fails_where_a_background_task_is_down_and_only_there() -> None:
    down: list[str] = []
    live = ops.probes(Readiness(), lambda: down)["/livez"]
    assert (live("").status, live("").body) == (200, b'{"live": true}\n')
    down.append("orders")
    assert (live("").status, live("").body) == (503, b'{"live": false, "down": ["orders"]}\n')
