"""The front edge over real sockets: time, order, ends of connections. The matrix of bytes is in test_splits."""

import asyncio
from typing import Any

import pytest

from guard.proxy.listener_state import Limits
from tests.proxy.stand import OK, answering, post, read_request, run, standing, until

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
QUICK = Limits(head=0.1, body=0.1, keep_alive=0.1, write_stall=0.2)
KEEP = post().replace(b"Connection: close\r\n", b"")


@LOOPS
@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"", b""), (b"POST /p HT", b"408"), (post()[:-1], b"408"), (b"\r\n", b"408"), (KEEP, b"200")],
)
def test_a_connection_has_its_time_for_head_body_and_idleness(loop: str, raw: bytes, status: bytes) -> None:
    async def main() -> None:
        async with standing(answering(), limits=QUICK) as stand:
            answer = await stand.exchange(raw)
            assert answer[9:12] == status
            await until(lambda: not stand.listener.connections)

    run(main, loop)


@LOOPS
def test_a_byte_now_and_then_does_not_move_the_deadline_of_a_head(loop: str) -> None:
    async def main() -> None:
        async with standing(answering(), limits=QUICK) as stand:
            reader, writer = await stand.connect()
            begun = asyncio.get_running_loop().time()

            async def drip() -> None:
                for byte in b"POST /p HTTP/1.1\r\nX: " + b"y" * 1000:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.02)

            task = asyncio.create_task(drip())
            answer = await reader.read()
            assert answer[9:12] == b"408"
            assert asyncio.get_running_loop().time() - begun < 5
            task.cancel()
            writer.close()

    run(main, loop)


@LOOPS
def test_pipelined_requests_are_answered_in_order_whatever_they_take(loop: str) -> None:
    async def script(reader: Any, writer: Any) -> None:
        while True:
            head, _ = await read_request(reader)
            number = int(head.split(b"?")[1].split(b" ")[0])
            await asyncio.sleep(0.02 if number % 2 == 0 else 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async def main() -> None:
        async with standing(script) as stand:
            raw = b"".join(b"POST /p?%d HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\n\r\nx" % number for number in range(9))
            answer = await stand.exchange(raw + post("/p?9"))
            assert [part.split(b"\r\n\r\n")[1][:1] for part in answer.split(b"HTTP/1.1 ")[1:]] == [
                b"%d" % n for n in range(10)
            ]

    run(main, loop)


@LOOPS
def test_thousands_of_instant_pipelined_answers_do_not_recurse(loop: str) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            reader, writer = await stand.connect()
            writer.write(b"GET /none HTTP/1.1\r\nHost: g\r\n\r\n" * 5000 + post("/none"))
            answer = await reader.read()
            assert answer.count(b"HTTP/1.1 404 ") == 5001
            writer.close()

    run(main, loop)


@LOOPS
def test_a_refused_client_that_still_sends_hears_its_answer(loop: str) -> None:
    async def main() -> None:
        async with standing(answering(), paths={"/p": {"max_body": 10}}) as stand:
            reader, writer = await stand.connect()
            writer.write(post(body=b"x" * 5_000_000))
            assert (await reader.read())[9:12] == b"413"
            writer.close()
            await until(lambda: not stand.listener.connections)

    run(main, loop)


@LOOPS
def test_a_fin_or_a_reset_cancels_the_call_at_once(loop: str) -> None:
    async def main() -> None:
        cancelled = 0
        called = asyncio.Event()

        async def script(reader: Any, _: Any) -> None:
            nonlocal cancelled
            await read_request(reader)
            called.set()
            try:
                await reader.read()
            finally:
                cancelled += 1

        async with standing(script) as stand:
            for leave in ("fin", "reset"):
                called.clear()
                _, writer = await stand.connect()
                writer.write(KEEP)
                await called.wait()
                if leave == "fin":
                    writer.write_eof()
                else:
                    writer.transport.abort()
                await until(lambda: not stand.limiter[0].held)
                writer.close()
            await until(lambda: cancelled == 2)
            assert [record.departure for record in stand.records] == ["client"] * 2

    run(main, loop)


@LOOPS
def test_a_client_that_does_not_read_is_let_go(loop: str) -> None:
    async def script(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    async def main() -> None:
        async with standing(script, limits=QUICK, paths={"/p": {"collect": 0}}) as stand:
            _, writer = await stand.connect()
            writer.transport.pause_reading()
            writer.write(KEEP)
            await until(lambda: bool(stand.records))
            assert stand.records[0].departure == "stall"
            await stand.settled()
            writer.transport.abort()

    run(main, loop)


@LOOPS
def test_more_connections_than_allowed_are_not_taken_where_all_are_served(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            await go.wait()
            writer.write(OK)

        async with standing(script, limits=Limits(connections=1)) as stand:
            reader, first = await stand.connect()
            first.write(post())
            await until(lambda: stand.limiter[0].held == 1)
            other, second = await stand.connect()
            try:
                assert await other.read() == b""
            except ConnectionError:
                pass
            go.set()
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            assert stand.listener.turned_away == 1
            first.close()
            second.close()

    run(main, loop)


@LOOPS
def test_a_streamed_answer_to_http_1_0_ends_with_the_connection(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await go.wait()
            writer.write(b"3\r\nabc\r\n0\r\n\r\n")
            await writer.drain()
            await reader.read()

        async with standing(script, paths={"/p": {"collect": 0}}) as stand:
            reader, writer = await stand.connect()
            writer.write(b"GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: close" in head
            assert b"chunked" not in head
            go.set()
            assert await reader.read() == b"abc"
            writer.close()

    run(main, loop)


@LOOPS
def test_draining_finishes_and_closes(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            await go.wait()
            writer.write(OK)

        async with standing(script) as stand:
            idle, idle_writer = await stand.connect()
            reader, writer = await stand.connect()
            writer.write(KEEP)
            await until(lambda: bool(stand.limiter[0].held))
            stand.listener.draining = True
            for connection in tuple(stand.listener.connections):
                connection.drain()
            assert await idle.read() == b""
            idle_writer.close()
            go.set()
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            writer.close()

    run(main, loop)
