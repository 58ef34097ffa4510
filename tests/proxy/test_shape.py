"""The shape holds: a stream of events and large binary bodies pass through the same life."""

import asyncio
import os
from typing import Any

import pytest

from tests.proxy.stand import post, read_request, run, standing
from tests.within import within

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


@LOOPS
def test_each_event_reaches_the_client_before_the_next_is_sent(loop: str) -> None:
    async def main() -> None:
        turn: asyncio.Queue[int] = asyncio.Queue()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            while (number := await turn.get()) >= 0:
                event = b"data: %d\n\n" % number
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            writer.write(b"0\r\n\r\n")

        async with standing(script, paths={"/p": {"collect": 0}}) as stand:
            reader, writer = await stand.connect()
            writer.write(post())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"text/event-stream" in head
            for number in range(20):
                turn.put_nowait(number)
                assert (
                    await within(reader.readuntil(b"\n\n\r\n"), 5)
                    == b"9\r\ndata: %d\n\n\r\n".replace(b"9", b"%x" % (8 + len(str(number)))) % number
                )
            turn.put_nowait(-1)
            assert await reader.read() == b"0\r\n\r\n"
            writer.close()
            await stand.settled()
            (record,) = stand.records
            assert (record.source, record.error) == ("model", "")

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_large_binary_body_both_ways(loop: str, buffered: bool, chunked: bool) -> None:
    size = 4_000_000
    body = os.urandom(size)

    async def script(reader: Any, writer: Any) -> None:
        _, received = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received))
        writer.write(received[::-1])
        await writer.drain()

    async def main() -> None:
        async with standing(script, paths={"/p": {"collect": 1000, "buffered": buffered}}) as stand:
            reader, writer = await stand.connect()
            if chunked:
                writer.write(b"POST /p HTTP/1.1\r\nHost: g\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
                for start in range(0, size, 50_000):
                    piece = body[start : start + 50_000]
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                writer.write(b"0\r\n\r\n")
            else:
                writer.write(post(body=body))
            answer = await within(reader.read(), 20)
            assert answer.partition(b"\r\n\r\n")[2] == body[::-1]
            writer.close()
            await stand.settled()

    run(main, loop)
