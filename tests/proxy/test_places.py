"""A full listener makes room for whoever comes new, and full memory for whoever sends what it announced."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from guard.proxy import handshakes
from guard.proxy.budget import Budget
from guard.proxy.handshakes import TlsListener
from guard.proxy.listener_state import Limits, ListenerState
from guard.proxy.states import LAST
from tests.attack.attacks.listeners import hello
from tests.proxy.stand import OK, Stand, answering, post, read_request, run, sockets, standing, until
from tests.within import within

pytestmark = pytest.mark.source
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
KEPT = post().replace(b"Connection: close\r\n", b"")
BEGUN = {
    "idle": b"",
    "half a head": b"POST /p HTTP/1.1\r\nHost: g\r\nX-Slow: ",
    "half a body": b"POST /p HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\n{",
    "kept after an answer": KEPT,
    "answered, and not closed": b"nonsense\r\n\r\n",
}


@LOOPS
@pytest.mark.parametrize("begun", BEGUN.values(), ids=BEGUN)
def test_whoever_comes_new_is_served_in_the_place_of_who_has_waited_longest(loop: str, begun: bytes) -> None:
    async def main() -> None:
        async with standing(answering(), limits=Limits(connections=8, head=30.0)) as stand:
            waiting = []
            for _ in range(8):
                reader, writer = await stand.connect()
                writer.write(begun)
                if begun == KEPT:
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 200 ")
                    await reader.readexactly(2)
                waiting.append((reader, writer))
            await until(lambda: len(stand.listener.connections) == 8 or begun.startswith(b"nonsense"))
            for _ in range(6):
                assert (await stand.exchange(post())).startswith(b"HTTP/1.1 200 ")
            if begun == KEPT:
                _, last = waiting[-1]
                last.write(post())
                assert (await waiting[-1][0].read()).startswith(b"HTTP/1.1 200 ")
            for _, writer in waiting:
                writer.close()
            await until(lambda: not stand.listener.connections)
            assert (stand.listener.budget.used, stand.listener.budget.ahead) == (0, 0)

    run(main, loop)


@LOOPS
def test_places_are_given_up_in_the_order_of_waiting_and_none_that_is_served(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            await go.wait()
            writer.write(OK)

        async with standing(script, limits=Limits(connections=4)) as stand:
            served, asking = await stand.connect()
            asking.write(post())
            await until(lambda: stand.limiter[0].held == 1)
            waiting = [await stand.connect() for _ in range(3)]
            await until(lambda: len(stand.listener.connections) == 4)
            for reader, _ in tuple(waiting):
                newcomer = await stand.connect()
                try:
                    assert await within(reader.read(), 5) == b""
                except ConnectionError:
                    pass
                waiting.append(newcomer)
            go.set()
            assert (await served.read()).startswith(b"HTTP/1.1 200 ")
            for _, writer in [*waiting, (None, asking)]:
                writer.close()
            assert stand.listener.turned_away == 3

    run(main, loop)


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def listening(limits: Limits, server: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Stand, ssl.SSLContext]]:
    """Guard with TLS, and the context of a client that trusts it."""
    authority = trustme.CA()
    server, client = server or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with standing(answering(), limits=limits) as stand:
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        stand.port = listener.getsockname()[1]
        tls = TlsListener(listener, stand.listener, server)
        try:
            yield stand, client
        finally:
            tls.close()


async def last(reader: asyncio.StreamReader) -> bytes:
    """What comes before the end, be that a FIN or, as something was not read, a RST."""
    try:
        return await within(reader.read(), 10)
    except ConnectionResetError:
        return b""


async def secured(stand: Stand, client: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port, ssl=client)
    writer.write(post())
    answer = await within(reader.read(), 10)
    writer.close()
    return answer


@LOOPS
@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "half a hello"])
def test_unfinished_handshakes_count_and_keep_nobody_out(loop: str, begun: bytes) -> None:
    async def main() -> None:
        async with listening(Limits(connections=8, head=60.0)) as (stand, client):
            before = sockets()
            listener: ListenerState = stand.listener
            waiting = [await stand.connect() for _ in range(20)]
            for _, writer in waiting:
                writer.write(begun)
            await until(lambda: listener.turned_away == 12)
            assert len(listener.handshakes) == 8  # none is closed twice for two newcomers of one turn
            for _ in range(10):
                assert (await secured(stand, client)).startswith(b"HTTP/1.1 200 ")
                assert len(listener.handshakes) + len(listener.connections) <= 8
            for _, writer in waiting:
                writer.close()
            await until(lambda: not listener.handshakes and not listener.connections)
            await until(lambda: len(sockets() - before) <= 1)  # that to the model server is kept

    run(main, loop)


@LOOPS
def test_an_unfinished_handshake_ends_with_its_deadline_and_with_the_listener(loop: str) -> None:
    async def main() -> None:
        async with listening(Limits(head=0.05)) as (stand, _):
            reader, writer = await stand.connect()
            try:
                assert await within(reader.read(), 10) == b""
            except ConnectionError:
                pass
            writer.close()
            await until(lambda: not stand.listener.handshakes)
        async with listening(Limits(head=60.0)) as (stand, _):
            reader, writer = await stand.connect()
            await until(lambda: len(stand.listener.handshakes) == 1)
        await until(lambda: not stand.listener.handshakes)
        writer.close()

    run(main, loop)


# ── memory for bodies ─────────────────────────────────────────────────────────────────────────────────────────────────


@LOOPS
@pytest.mark.parametrize("size", [100, 200_000])
def test_whoever_sends_what_it_announced_finds_memory_beside_many_that_do_not(loop: str, size: int) -> None:
    answers: list[bytes] = []

    async def main() -> None:
        async with standing(answering()) as stand:
            stand.listener.budget.limit = 4 << 20
            head = b"POST /p HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\n"
            waiting = []
            for _ in range(40):
                waiting.append(await stand.connect())
                waiting[-1][1].write(head + b" " * 500_000)
                await asyncio.sleep(0.005)
            budget: Budget = stand.listener.budget
            await until(lambda: budget.used > 3 << 20)
            for _ in range(20):
                reader, writer = await stand.connect()
                raw = post("/p", b" " * size)
                writer.write(raw[: len(raw) // 2])
                await asyncio.sleep(0.002)
                writer.write(raw[len(raw) // 2 :])
                answers.append((await reader.read())[9:12])
                writer.close()
                waiting.append(await stand.connect())
                waiting[-1][1].write(head + b" " * 500_000)
                assert budget.used < budget.limit + (1 << 20)
                assert all(c._reading is None for c in stand.listener.connections if c._state > LAST), (
                    "a refused body is held"
                )
            for _, writer in waiting:
                writer.transport.abort()
            await until(lambda: not stand.listener.connections)
            assert (budget.used, budget.ahead) == (0, 0)

    run(main, loop)
    assert answers == [b"200"] * 20


@LOOPS
def test_a_turn_of_the_loop_begins_few_handshakes_however_many_first_messages_came(loop: str) -> None:
    async def main() -> None:
        begun: list[int] = []  # in each turn of the loop

        class Counting(ssl.SSLContext):
            def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
                begun[-1] += 1
                return super().wrap_bio(*arguments, **named)

        async def turns() -> None:
            while True:
                begun.append(0)
                await asyncio.sleep(0)

        async with listening(Limits(), Counting(ssl.PROTOCOL_TLS_SERVER)) as (stand, client):
            listener: ListenerState = stand.listener
            waiting = [await stand.connect() for _ in range(50)]
            await until(lambda: len(listener.handshakes) == 50)
            counting = asyncio.create_task(turns())
            message = hello()
            for _, writer in waiting:
                writer.write(message)
            for reader, _ in waiting:
                assert await within(reader.read(1), 10) == b"\x16"  # guard's first message
            counting.cancel()
            assert sum(begun) == 50
            assert max(begun) <= handshakes.BEGUN
            for _, writer in waiting:
                writer.transport.abort()
            assert (await secured(stand, client)).startswith(b"HTTP/1.1 200 ")
            await until(lambda: not listener.handshakes and not listener.connections)

    run(main, loop)


@LOOPS
def test_a_first_message_that_is_not_whole_begins_no_handshake(loop: str) -> None:
    async def main() -> None:
        async with listening(Limits()) as (stand, client):
            message = hello()
            size = len(message) - 5
            parts = message[:3] + (4).to_bytes(2) + message[5:9] + message[:3] + (size - 4).to_bytes(2) + message[9:]
            for cut in (1, 5, 6, len(message) - 1):
                reader, writer = await stand.connect()
                writer.write(message[:cut])
                await until(lambda: len(stand.listener.handshakes) == 1)
                await asyncio.sleep(0.01)
                writer.write_eof()
                assert await last(reader) == b"", cut
                writer.close()
                await until(lambda: not stand.listener.handshakes)
            reader, writer = await stand.connect()
            writer.write(parts)
            assert await last(reader) == b"", "a first message in two records"
            writer.close()
            for cut in (1, 5, 6, 100):
                reader, writer = await stand.connect()
                writer.write(message[:cut])
                await asyncio.sleep(0.01)
                writer.write(message[cut:])
                assert await within(reader.read(1), 10) == b"\x16", cut
                writer.transport.abort()
            assert (await secured(stand, client)).startswith(b"HTTP/1.1 200 ")

    run(main, loop)
