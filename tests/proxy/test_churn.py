"""10,000 requests, half of the clients leaving at random phases: afterwards everything is as it was."""

import asyncio
import gc
import random

import pytest

from guard.proxy.front import Connection
from tests.proxy.stand import OK, Stand, answering, post, read_request, run, sockets, standing, until

REQUESTS = 10_000
AT_ONCE = 100
PHASES = ("connect", "head", "body", "called", "stream")


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers at once, late, or as a slow stream."""
    while True:
        head, _ = await read_request(reader)
        if b"/late" in head:
            await asyncio.sleep(0.02)
        if b"/stream" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):
                writer.write(b"5\r\nevent\r\n")
                await asyncio.sleep(0.005)
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(OK)
        await writer.drain()


async def one(stand: Stand, seed: random.Random, failures: list[bytes]) -> None:
    reader, writer = await stand.connect()
    try:
        if seed.random() < 0.5:
            path = seed.choice(["/p", "/late", "/stream"])
            writer.write(post(path))
            answer = await reader.read()
            if not answer.startswith(b"HTTP/1.1 200 ") or (path == "/stream" and not answer.endswith(b"0\r\n\r\n")):
                failures.append(answer)
            return
        phase = seed.choice(PHASES)
        raw = post("/stream" if phase == "stream" else "/late", b"x" * 1000)
        if phase == "head":
            writer.write(raw[: seed.randrange(1, 40)])
        elif phase == "body":
            writer.write(raw[:-500])
        elif phase == "called":
            writer.write(raw)
            await asyncio.sleep(seed.random() * 0.02)
        elif phase == "stream":
            writer.write(raw)
            await reader.readuntil(b"event")
        if seed.random() < 0.5:
            await asyncio.sleep(0)
    finally:
        if seed.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_nothing_is_left_over(loop: str) -> None:
    requests = REQUESTS if loop == "uvloop" else REQUESTS // 10

    async def main() -> None:
        paths = {
            "/p": {},
            "/late": {"concurrency": 40, "queue": 1000, "queue_timeout": 5.0},
            "/stream": {"collect": 0, "concurrency": 1000},
        }
        async with standing(upstream, paths=paths) as stand:
            before = sockets()
            seed = random.Random(4711)
            failures: list[bytes] = []
            gate = asyncio.Semaphore(AT_ONCE)

            async def gated() -> None:
                async with gate:
                    await one(stand, seed, failures)

            await asyncio.gather(*(gated() for _ in range(requests)))
            assert not failures
            await stand.settled()
            for _ in range(100):
                assert (await stand.exchange(post())).startswith(b"HTTP/1.1 200 ")
            await stand.settled()
            assert [limiter.held for limiter in stand.limiter] == [0, 0, 0]
            assert [model.breaker.out for model in stand.models] == [0, 0, 0]
            assert stand.pool.links == stand.pool.idle
            stand.pool.close()
            async with asyncio.timeout(10):
                while sockets() - before or stand.listener.connections or stand.pool.links:
                    await asyncio.sleep(0.01)
            assert len({record.request_id for record in stand.records}) == len(stand.records)

    run(main, loop)


ENDS = {
    "answered": b"POST /p HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{}",
    "cut in its body": b"POST /p HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{",
    "idle": b"",
    "no HTTP": b"\x00\r\n\r\n",
}


@pytest.mark.parametrize("sent", ENDS.values(), ids=ENDS)
def test_a_connection_that_is_gone_leaves_no_cycle(sent: bytes) -> None:
    async def main() -> None:
        async with standing(answering(OK)) as stand:

            async def visit() -> None:
                _, writer = await stand.connect()
                writer.write(sent)
                await until(lambda: stand.listener.connections)
                writer.close()
                await until(lambda: not stand.listener.connections)
                await stand.settled()

            await visit()
            gc.collect()
            gc.disable()
            try:
                for _ in range(5):
                    await visit()
                assert not [get_object for get_object in gc.get_objects() if isinstance(get_object, Connection)]
            finally:
                gc.enable()

    run(main, "uvloop")
