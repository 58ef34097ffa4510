"""Whoever asks for much waits, the others do not; what a client sends ahead is held within one budget, or refused."""

import asyncio
import os
from time import monotonic
from typing import Any, cast

import pytest

from guard.proxy.admission import A_TURN, AT_ONCE
from guard.proxy.backlog import EXCHANGE, LITTLE
from guard.proxy.budget import Budget
from guard.proxy.front import Connection
from guard.proxy.interfaces import AHEAD
from guard.proxy.listener_state import Limits
from guard.proxy.requests import FEW
from guard.proxy.states import LAST
from guard.proxy.values import Head, Route
from tests.proxy.stand import OK, Stand, answering, post, read_request, run, standing, until
from tests.proxy.transport import FakeTransport, patch
from tests.within import within

pytestmark = pytest.mark.source
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
NOT_FOUND = b"GET /n HTTP/1.1\r\nHost: g\r\n\r\n"
MANY = A_TURN + 8


@LOOPS
@pytest.mark.parametrize("clients", [1, 5, MANY])
@pytest.mark.parametrize("kind", [NOT_FOUND, post("/p", b"{}").replace(b"Connection: close\r\n", b"")], ids=["404", "200"])
def test_one_that_pipelines_begins_a_few_requests_in_a_turn_of_the_loop(loop: str, clients: int, kind: bytes) -> None:
    begun: list[int] = []

    async def main() -> None:
        async with standing(answering(), paths={"/p": {"request": 60.0, "attempt": 60.0}}) as stand:
            turn = 0

            def match(head: Head) -> Route:
                begun.append(turn)
                return Stand.match(stand, head)

            def tick() -> None:
                nonlocal turn
                turn += 1
                if len(begun) < 1500:
                    asyncio.get_running_loop().call_soon(tick)

            stand.match = match
            others = [await stand.connect() for _ in range(clients - 1)]
            reader, writer = await stand.connect()
            await until(lambda: len(stand.listener.connections) == clients)
            tick()
            writer.write(kind * 1500)

            async def drop() -> None:
                while await reader.read(65536):
                    pass

            dropping = asyncio.create_task(drop())
            await until(lambda: len(begun) >= 1500)
            dropping.cancel()
            for _, other in others:
                other.close()
            writer.close()

    run(main, loop)
    assert max(begun.count(turn) for turn in set(begun)) <= 3 * AT_ONCE


@LOOPS
def test_another_client_is_served_beside_one_that_pipelines_without_end(loop: str) -> None:
    waits: list[float] = []

    async def main() -> None:
        async with standing(answering()) as stand:

            async def flood() -> None:
                while True:
                    attacker.write(NOT_FOUND * 2000)
                    await attacker.drain()
                    await asyncio.sleep(0)

            async def drop(reader: asyncio.StreamReader) -> None:
                while await reader.read(1 << 20):
                    pass

            reader, attacker = await stand.connect()
            tasks = [asyncio.create_task(flood()), asyncio.create_task(drop(reader))]
            await until(lambda: len(stand.records) > 500)
            for _ in range(20):
                begun = monotonic()
                answer = await stand.exchange(post())
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                waits.append(monotonic() - begun)
            for task in tasks:
                task.cancel()
            attacker.transport.abort()

    run(main, loop)
    assert sorted(waits)[len(waits) // 2] < 0.5  # the client, the attacker and the model server share this loop


def connection(stand: Any) -> tuple[Connection, FakeTransport]:
    transport = FakeTransport()
    made = Connection(stand.listener)
    transport.protocol = made
    made.connection_made(cast("asyncio.Transport", transport))
    return made, transport


def test_what_is_sent_ahead_waits_unparsed_counted_and_within_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)

    async def main() -> None:
        async with standing(lambda reader, _: read_request(reader)) as stand:  # type: ignore[arg-type, return-value]
            budget = stand.listener.budget = Budget(64 << 20)
            made, transport = connection(stand)
            made.data_received(post().replace(b"Connection: close\r\n", b""))
            assert made.current is not None
            body, sent = budget.used, 0
            while transport.reading:
                made.data_received(NOT_FOUND * 100)
                sent += len(NOT_FOUND) * 100
                assert not made._queue
                assert budget.used - body == budget.ahead == sent
            assert AHEAD < sent < AHEAD + 2 * len(NOT_FOUND) * 100
            made.connection_lost(None)
            assert (budget.used, budget.ahead) == (0, 0)

    run(main, "asyncio")


def test_requests_that_were_parsed_and_wait_are_few_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)

    async def main() -> None:
        async with standing(lambda reader, _: read_request(reader)) as stand:  # type: ignore[arg-type, return-value]
            budget = stand.listener.budget = Budget(64 << 20)
            made, _ = connection(stand)
            tiny = b"GET /p HTTP/1.0\r\nConnection:keep-alive\r\n\r\n"
            made.data_received(tiny * 6000)
            waiting = len(made._queue)
            assert 0 < waiting <= FEW // 18
            assert budget.ahead == len(made._waits) + EXCHANGE * (waiting - 1)
            made.connection_lost(None)
            assert (budget.used, budget.ahead) == (0, 0)

    run(main, "asyncio")


@pytest.mark.parametrize("what", ["pipelined", "heads"])
def test_where_all_hold_much_whoever_holds_more_is_refused_and_who_holds_little_is_served(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch(monkeypatch)

    async def main() -> None:
        async with standing(lambda reader, _: read_request(reader), limits=Limits(head=60.0)) as stand:  # type: ignore[arg-type, return-value]
            budget = stand.listener.budget = Budget(4 << 20)
            attackers = []
            refused = 0
            for _ in range(400):
                made, transport = connection(stand)
                attackers.append(made)
                if what == "pipelined":
                    made.data_received(post("/p").replace(b"Connection: close\r\n", b""))
                    made.data_received(NOT_FOUND * 1000)
                else:
                    made.data_received(b"GET /n HTTP/1.1\r\nHost: g\r\nX-A: ")
                    for _ in range(31):
                        made.data_received(b"x" * 1000)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                transport.take(1 << 20)
                refused += made._state == LAST if what == "pipelined" else transport.read.startswith(b"HTTP/1.1 503 ")
                assert budget.ahead <= budget.limit // 2 + AHEAD + len(NOT_FOUND) * 1000 + len(attackers) * (
                    LITTLE + EXCHANGE
                )
            assert refused > 200
            made, transport = connection(stand)
            made.data_received(NOT_FOUND[:20])
            made.data_received(NOT_FOUND[20:])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            transport.take(1 << 20)
            assert transport.read.startswith(b"HTTP/1.1 404 ")
            for attacker in [*attackers, made]:
                attacker.connection_lost(None)
            assert (budget.used, budget.ahead) == (0, 0)

    run(main, "asyncio")


@LOOPS
def test_pipelined_bodies_of_any_cut_are_answered_in_order_and_nothing_is_held_afterwards(loop: str) -> None:
    bodies = [os.urandom(size) for size in (0, 1, 5000, 70_000, 3, 300_000, 12)]

    async def script(reader: Any, writer: Any) -> None:
        while True:
            _, body = await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def main() -> None:
        async with standing(script, paths={"/p": {}, "/streamed": {"buffered": False}}) as stand:
            for path in (b"/p", b"/streamed"):
                reader, writer = await stand.connect()
                for number, body in enumerate(bodies):
                    framing = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                    if number % 2 and body:
                        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                    writer.write(b"POST %b HTTP/1.1\r\nHost: g\r\n%b" % (path, framing))
                for body in bodies:
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(OK[:15])
                    assert await reader.readexactly(len(body)) == body
                writer.close()
                await until(lambda: not stand.listener.connections)
            assert (stand.listener.budget.used, stand.listener.budget.ahead) == (0, 0)

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("size", [1, 2, 7, 60, 700])
def test_small_bodies_sent_ahead_are_read_wherever_a_slice_ends(loop: str, size: int) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            reader, writer = await stand.connect()
            writer.write(post("/p", b"x" * size).replace(b"Connection: close\r\n", b"") * 199 + post("/p", b"x" * size))
            answers = await within(reader.read(), 10.0)
            writer.close()
            assert answers.count(b"HTTP/1.1 200 ") == answers.count(b"HTTP/1.1 ") == 200

    run(main, loop)
