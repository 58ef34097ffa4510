"""No answer ends cleanly and short: every size, reader and reason to close, on real sockets.

With GUARD_WHOLE set (`make soak`) all sizes, true rates and 200 drains; otherwise what shows each law in seconds.
"""

import asyncio
import os
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from itertools import product
from typing import Any

import pytest
import trustme

from guard.control import shutdown
from guard.proxy.budget import Budget
from guard.proxy.listener_state import Limits
from tests.proxy.stand import Stand, read_request, run, standing, until

MIB = 1 << 20
WHOLE = bool(os.environ.get("GUARD_WHOLE"))
SIZES = (0, 1, 65536, MIB, 8 * MIB, 32 * MIB) if WHOLE else (0, 65536, 8 * MIB)
READERS = ("prompt", "pauses", "slow")
REASONS = ("keep-alive", "close", "1.0", "1.0 relayed", "broken next")
PAUSE = 2.0 if WHOLE else 1.5
"""Seconds; longer than guard lingers, and than TLS waits for a client's goodbye."""
RATE = MIB if WHOLE else 4 * MIB
"""Bytes a second of a slow reader; so slow that the greatest answer takes longer than guard lingers."""
TRICKLE = 64 * 1024
DRAINS = 200 if WHOLE else 4
FINISH_WITHIN = 20.0 if WHOLE else 4.0
PATHS: dict[str, dict[str, Any]] = {
    "/p": {"collect": 1 << 26, "concurrency": 1000, "request": 600.0, "attempt": 600.0, "connect": 60.0},
    "/relayed": {"collect": 0, "concurrency": 1000, "request": 600.0, "attempt": 600.0, "connect": 60.0},
}


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the server and of its clients."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with as many bytes as it is asked for; `/relayed` without their number."""
    while True:
        head, _ = await read_request(reader)
        size = int(head.split(b"?")[1].split(b" ")[0])
        if b"/relayed" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, size, MIB):
                piece = b"x" * min(MIB, size - at)
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await writer.drain()


def place(**more: Any) -> AbstractAsyncContextManager[Stand]:
    """Guard with room for every answer at once."""
    return standing(upstream, limits=Limits(write_stall=30.0), paths=PATHS, **more)


async def connect(stand: Stand, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client whose host holds little of what it does not read."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", stand.port))
    return await asyncio.open_connection(sock=own, limit=65536, ssl=tls, server_hostname="localhost" if tls else None)


async def read(reader: asyncio.StreamReader, how: str, most: int = 1 << 40) -> int:
    """Bytes that a client gets until the end, or until it has `most`. Raises where the end is no clean one."""
    got, rate = 0, TRICKLE if how == "trickle" else RATE
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while got < most and (piece := await reader.read(min(65536, most - got))):
        got += len(piece)
        if how == "pauses" and got == len(piece):
            await asyncio.sleep(PAUSE)
        elif how in ("slow", "trickle"):
            await asyncio.sleep(max(0.0, begun + got / rate - loop.time()))
    return got


def request(reason: str, size: int) -> bytes:
    """What makes guard close for this reason."""
    if reason.startswith("1.0"):
        return b"GET /%b?%d HTTP/1.0\r\n\r\n" % (b"relayed" if "relayed" in reason else b"p", size)
    close = b"Connection: close\r\n" if reason == "close" else b""
    return b"GET /p?%d HTTP/1.1\r\nHost: g\r\n%b\r\n" % (size, close) + (
        b"\x00\r\n\r\n" if reason == "broken next" else b""
    )


async def visit(stand: Stand, reason: str, how: str, size: int, tls: ssl.SSLContext | None) -> None:
    """Ask, read as this client does, and hold what came against what was due."""
    reader, writer = await connect(stand, tls)
    case = f"{reason}, {how}, {size}, {'TLS' if tls else 'TCP'}"
    try:
        writer.write(request(reason, size))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), (case, head)
        if reason == "keep-alive":
            got = await read(reader, how, size)
            if not stand.listener.draining:
                writer.write(request("close", 3))
                assert (await reader.read()).endswith(b"\r\n\r\nxxx"), case
        elif reason == "broken next":
            got = await read(reader, how, size)
            assert b" 400 Bad Request" in await reader.read(), case
        else:
            got = await read(reader, how)
        assert got == size, f"{case}: {got} bytes and a clean end"
    except (OSError, asyncio.IncompleteReadError) as error:
        raise AssertionError(f"{case}: {error!r}") from error
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"] if WHOLE else ["uvloop"])
@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("draining", [False, True], ids=["serving", "draining"])
def test_every_answer_is_whole_however_slowly_it_is_read(
    loop: str, *, secure: bool, draining: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, client = contexts if secure else (None, None)

    async def main() -> None:
        for size in SIZES:
            async with place(tls=server) as stand:
                stand.listener.budget = stand.pool.budget = Budget(1 << 33)
                stand.listener.draining = draining
                cases = product(REASONS if not draining else ("keep-alive",), READERS)
                await asyncio.gather(*(visit(stand, reason, how, size, client) for reason, how in cases))
                await until(lambda: not stand.listener.connections)

    run(main, loop, 600)


@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
def test_a_rolling_restart_cuts_no_reader_that_reads_and_no_other_cleanly(
    monkeypatch: pytest.MonkeyPatch, *, secure: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    monkeypatch.setattr(shutdown, "FINISH_WITHIN", FINISH_WITHIN)
    server, client = contexts if secure else (None, None)
    size = 8 * MIB
    clean: list[str] = []
    errors: list[str] = []

    async def reading(stand: Stand, reason: str, how: str) -> None:
        reader, writer = await connect(stand, client)
        try:
            writer.write(request(reason, size))
            await reader.readuntil(b"\r\n\r\n")
            got = await read(reader, how, size if reason == "keep-alive" else 1 << 40)
            if got != size and reason == "1.0 relayed":
                clean.append(f"{reason}, {how}: {got} bytes")
            elif got != size:
                errors.append(how)  # fewer than its Content-Length
        except (OSError, asyncio.IncompleteReadError):
            errors.append(how)
        finally:
            writer.transport.abort()

    async def drain() -> None:
        async with place(tls=server) as stand:
            stand.listener.budget = stand.pool.budget = Budget(1 << 33)
            cases = product(("close", "keep-alive", "1.0 relayed"), ("slow", "trickle"))
            readers = [asyncio.create_task(reading(stand, *case)) for case in cases]
            await until(lambda: len(stand.records) >= 4)  # the relayed ones are under way yet
            stand.listener.draining = True
            process = shutdown.Shutdown(lambda *_, **__: None)
            await process.finish(stand.server, stand.listener.connections)
            await asyncio.gather(*readers)
            await until(lambda: not stand.listener.connections)

    async def main() -> None:
        at_once = 10 if WHOLE else DRAINS // 2
        for _ in range(0, DRAINS // 2, at_once):
            await asyncio.gather(*(drain() for _ in range(at_once)))

    run(main, "uvloop", 3600)
    assert not clean
    assert "slow" not in errors
    assert "trickle" in errors  # or this test shows nothing
