"""The client of the load, against servers that misbehave: it says what happened, and is ready for the next request."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from guard.kit.rehearse.load_client import Origin, Timed, User, ready
from guard.kit.rehearse.values import Request

OK = b"HTTP/1.1 200 OK\r\nX-Guard-Source: model\r\nContent-Length: 2\r\n\r\n{}"


async def serving(answers: list[bytes | None], play: Callable[[User, bytes], Coroutine[Any, Any, Any]]) -> Any:
    """A server that answers in turn; None: it closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answers:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"content-length: 7" in head
            await reader.readexactly(7)
            answer = answers.pop(0)
            if answer is None:
                break
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    origin = Origin.of(f"http://127.0.0.1:{port}", None)
    user = User(origin, 0.5)
    try:
        return await play(user, ready(Request("POST", "/p", (("content-type", "application/json"),), b'{"a":1}'), origin))
    finally:
        user.close()
        server.close()


def asked(*answers: bytes | None, times: int = 1) -> list[Timed]:
    async def play(user: User, message: bytes) -> list[Timed]:
        return [await user.ask(message) for _ in range(times)]

    result: list[Timed] = asyncio.run(serving(list(answers), play))
    return result


def test_one_connection_serves_many_requests() -> None:
    found = asked(*[OK] * 5, times=5)
    assert [(item.status, item.source) for item in found] == [(200, "model")] * 5
    assert all(0 < item.seconds < 5 for item in found)


def test_a_chunked_answer_and_an_interim_one() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-guard-source: rules\r\nx-guard-reason: timeout\r\n\r\n1\r\n{\r\n0\r\n\r\n"
    found = asked(b"HTTP/1.1 103 Early\r\n\r\n" + chunked, OK, times=2)
    assert [(item.status, item.source, item.reason) for item in found] == [(200, "rules", "timeout"), (200, "model", "")]


@pytest.mark.parametrize(
    ("answer", "what"),
    [(None, "reset"), (b"no HTTP\r\n\r\n", "reset"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "timeout")],
)
def test_what_went_wrong_is_named_and_the_next_request_is_answered(answer: bytes | None, what: str) -> None:
    first, second = asked(answer, OK, times=2)
    assert (first.status, first.source) == (0, what)
    assert (second.status, second.source) == (200, "model")


def test_nobody_there() -> None:
    async def play() -> Timed:
        return await User(Origin("127.0.0.1", 1, "h", None), 0.5).ask(b"")

    assert asyncio.run(play()).source == "connect"


def test_time_counts_from_when_it_was_due() -> None:
    from time import perf_counter

    async def play(user: User, message: bytes) -> Timed:
        return await user.ask(message, perf_counter() - 3.0)

    result: Timed = asyncio.run(serving([OK], play))
    assert result.seconds > 3.0
