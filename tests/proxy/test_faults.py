"""Faults of the network between every pair of parties: no wedge, nothing lost, nothing taken for whole that is not."""

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import pytest

from tests.proxy.faults import TOXICS, WHOLE, Faults
from tests.proxy.stand import WITHIN, read_request, run, sockets, standing, until

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
BODY = bytes(range(256)) * 3
ANSWER = bytes(reversed(range(256))) * 5
PATHS: dict[str, dict[str, Any]] = {
    "/buffered": {"connect": 1.0, "attempt": 1.0, "request": 2.0, "idle": 0.3},
    "/streamed": {
        "connect": 1.0,
        "attempt": 1.0,
        "request": 2.0,
        "idle": 0.3,
        "buffered": False,
        "collect": 0,
        "repeatable": False,
    },
}
FRAMINGS = (
    b"Content-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER),
    b"Transfer-Encoding: chunked\r\n\r\n100\r\n%b\r\n400\r\n%b\r\n0\r\n\r\n" % (ANSWER[:256], ANSWER[256:]),
)


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = 0
    while True:
        _, body = await read_request(reader)
        assert body in (BODY, b""), "the model server saw another request than was sent"
        writer.write(b"HTTP/1.1 200 OK\r\n" + FRAMINGS[number % 2])
        await writer.drain()
        number += 1


@asynccontextmanager
async def between(seed: int) -> Any:
    """Guard, with a fault proxy on each of its sides."""
    async with standing(upstream, paths=PATHS) as stand:
        behind = await Faults(stand.pool._port, seed).start()
        stand.pool._port = behind.port
        before = await Faults(stand.port, seed + 1).start()
        try:
            yield stand, before, behind
        finally:
            await before.stop()
            await behind.stop()


async def ask(port: int, path: str, number: int, within: float = WITHIN) -> str:
    """One request; what came of it. A body that is not the answer, or an end that is not one, fails."""
    framing = b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    if number % 3 == 0:
        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return "broken"
    try:
        async with asyncio.timeout(within):
            writer.write(b"POST %b HTTP/1.1\r\nHost: g\r\nConnection: close\r\n%b" % (path.encode(), framing))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            if b"chunked" in head:
                body = b""
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                assert await reader.readexactly(2) == b"\r\n"
            else:
                body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    except TimeoutError:
        return "no end"
    except (OSError, asyncio.IncompleteReadError, ValueError):
        return "broken"
    finally:
        writer.transport.abort()
    assert body == ANSWER if status == 200 else status in (400, 408, 502, 503, 504), (status, body)
    return "answer" if status == 200 else "error"


@LOOPS
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("side", ["client", "upstream"])
@pytest.mark.parametrize("toxic", TOXICS)
def test_a_fault_costs_its_own_requests_and_nothing_else(loop: str, toxic: str, side: str, path: str) -> None:
    async def main() -> None:
        async with between(crc32(f"{toxic} {side}".encode()) % 1000) as (stand, before, behind):
            faulty = before if side == "client" else behind
            for toxics in ((toxic, WHOLE), (WHOLE, toxic), (toxic, toxic)):
                faulty.toxics = toxics
                stand.allow(0.3 if toxic == "black hole" else 1.0)
                swallowed = (toxic, side) == ("black hole", "client")  # nobody can tell this client that it is over
                within = 0.3 if swallowed else WITHIN
                ends = await asyncio.gather(*(ask(before.port, path, number, within) for number in range(10)))
                allowed = {"answer", "error", "broken", *(["no end"] if swallowed else [])}
                assert set(ends) <= allowed, ends
                if toxic in ("latency", "slice"):
                    assert set(ends) == {"answer"}, ends
            faulty.toxics = (WHOLE, WHOLE)
            stand.allow(WITHIN)
            await stand.settled()
            ends = await asyncio.gather(*(ask(before.port, path, number) for number in range(20)))
            assert set(ends) == {"answer"}, "the network is well again"
            await stand.settled()
            await until(lambda: not stand.listener.connections)
            assert all(model.breaker.out == 0 for model in stand.models)
            assert stand.listener.budget.used == 0
            assert stand.pool.budget.used == 0
            assert stand.pool.links == stand.pool.idle

    run(main, loop)


@LOOPS
def test_a_network_that_resets_leaves_nothing_behind(loop: str) -> None:
    async def main() -> None:
        before_all = sockets()
        async with between(7) as (stand, before, behind):
            sizes: list[int] = []
            for toxic in ("reset", "truncate", "slice", "reset"):
                before.toxics = behind.toxics = (WHOLE, toxic)
                for path in PATHS:
                    for _ in range(5):
                        await asyncio.gather(*(ask(before.port, path, number) for number in range(20)))
                await stand.settled()
                await until(lambda: not stand.listener.connections)
                stand.records.clear()
                gc.collect()
                sizes.append(len(gc.get_objects()))
            assert sizes[-1] - sizes[0] < 2000, sizes
        await until(lambda: sockets() <= before_all)

    run(main, loop)
