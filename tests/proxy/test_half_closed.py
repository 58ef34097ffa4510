"""Clients that close their side behind their request: one that said that it is the last is answered, any other has gone."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SHUT_WR, socket
from typing import Any

import pytest
import trustme

from guard.proxy.states import HALF_LAST
from tests.proxy.stand import OK, WITHIN, read_request, run, standing, until
from tests.within import within

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
SIZE = 4 << 20
LARGE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (SIZE, bytes(SIZE))
REQUEST = b"POST /p HTTP/1.%d\r\nHost: g\r\nContent-Length: 2\r\n%b\r\n{}"
CLOSE = b"Connection: close\r\n"
PATHS = pytest.mark.parametrize("options", [{}, {"buffered": False, "collect": 0}], ids=["buffered", "streamed"])


class Server:
    """A model server that answers once a test says so, and notes when the call is given up."""

    def __init__(self, answer: bytes = OK) -> None:
        self.asked, self.go_on, self.given_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            self.asked.set()
            gone, told = asyncio.create_task(reader.read(1)), asyncio.create_task(self.go_on.wait())
            await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if gone.done():
                self.given_up.set()
                return
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            writer.write(self._answer)
            await writer.drain()


def half_close(writer: asyncio.StreamWriter) -> None:
    """Send a FIN, and read on; below TLS, where there is TLS."""
    with socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
        own.shutdown(SHUT_WR)


@asynccontextmanager
async def asking(server: Server, raw: bytes, options: dict[str, Any], **tls: ssl.SSLContext) -> AsyncIterator[Any]:
    """Guard before a server that has been asked, and the two ends of a client's connection; afterwards nothing is left."""
    async with standing(server, paths={"/p": options}, tls=tls.get("context")) as stand:
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port, ssl=tls.get("client"), server_hostname=name)
        writer.write(raw)
        await within(server.asked.wait(), WITHIN)
        yield stand, reader, writer
        await until(lambda: not stand.listener.connections)
        await stand.settled()
        assert stand.listener.budget.used == 0
        assert all(model.breaker.out == 0 for model in stand.models)
        writer.transport.abort()


@LOOPS
@PATHS
@pytest.mark.parametrize("answer", [OK, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("minor", "field"), [(1, CLOSE), (0, b"")], ids=["close", "HTTP/1.0"])
def test_the_last_request_of_a_connection_is_answered(
    loop: str, options: dict[str, Any], answer: bytes, minor: int, field: bytes
) -> None:
    async def main() -> None:
        server = Server(answer)
        async with asking(server, REQUEST % (minor, field), options) as (stand, reader, writer):
            half_close(writer)
            [connection] = stand.listener.connections
            await until(lambda: connection._state == HALF_LAST)
            server.go_on.set()
            said = await within(reader.read(), WITHIN)
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
            assert said.endswith(answer.partition(b"\r\n\r\n")[2])

    run(main, loop)


@LOOPS
def test_what_was_asked_before_the_last_request_is_answered_too(loop: str) -> None:
    async def main() -> None:
        server = Server()
        async with standing(server) as stand:
            reader, writer = await stand.connect()
            writer.write(REQUEST % (1, b"") + REQUEST % (1, CLOSE))
            await within(server.asked.wait(), WITHIN)
            server.go_on.set()
            await within(reader.readuntil(b"{}"), WITHIN)
            half_close(writer)
            assert (await within(reader.read(), WITHIN)).count(b"200 OK") == 1
            writer.transport.abort()

    run(main, loop)


@LOOPS
@PATHS
@pytest.mark.parametrize("raw", [REQUEST % (1, b""), REQUEST % (1, b"") + b"GET"], ids=["kept", "part of another"])
def test_a_client_that_did_not_say_so_has_gone_and_its_call_is_cancelled(
    loop: str, options: dict[str, Any], raw: bytes
) -> None:
    async def main() -> None:
        server = Server()
        async with asking(server, raw, options) as (_, reader, writer):
            half_close(writer)
            await within(server.given_up.wait(), WITHIN)
            assert await within(reader.read(), WITHIN) == b""

    run(main, loop)


@LOOPS
@PATHS
def test_one_that_left_although_it_said_so_costs_no_more_than_its_call(loop: str, options: dict[str, Any]) -> None:
    async def main() -> None:
        server = Server(LARGE)
        async with asking(server, REQUEST % (1, CLOSE), options) as (_, _, writer):
            writer.close()
            server.go_on.set()

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("field", [CLOSE, b""], ids=["close", "kept"])
def test_tls_has_no_half_that_a_client_could_close(loop: str, field: bytes) -> None:
    authority, client, context = trustme.CA(), ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("localhost").configure_cert(context)

    async def main() -> None:
        server = Server()
        async with asking(server, REQUEST % (1, field), {}, context=context, client=client) as (_, _, writer):
            half_close(writer)
            await within(server.given_up.wait(), WITHIN)

    run(main, loop)
