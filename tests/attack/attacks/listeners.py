"""Connections that ask for nothing, or for the same again and again, on every port."""

import asyncio
import ssl
from contextlib import suppress
from typing import Literal

from tests.attack.base import BEHIND, Attack
from tests.attack.stage import Target
from tests.attack.wire import held, repeated, request

HALF = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS ClientHello."""
PAUSE = 0.05
"""Seconds after which a connection that was closed comes again."""
Port = Literal["data", "admin", "ops"]


def idle(port: Port) -> Attack:
    """Connections that say nothing."""

    async def run(target: Target, _: int) -> None:
        await held(target.port(port), b"", pause=PAUSE)

    return Attack(f"idle connections on {port}", port, "unfinished", run)


def half(port: Port) -> Attack:
    """Connections with an unfinished head."""

    async def run(target: Target, _: int) -> None:
        await held(target.port(port), HALF, pause=PAUSE)

    return Attack(f"unfinished heads on {port}", port, "unfinished", run)


def churn(port: Port) -> Attack:
    """Connections that come and go as fast as they can, each with bytes that are no HTTP."""

    async def run(target: Target, _: int) -> None:
        await held(target.port(port), b"\x00\x01\x02\r\n\r\n")

    return Attack(f"nonsense, again and again on {port}", port, "invalid", run, (1, 250), BEHIND)


def handshakes(port: Literal["data", "admin"]) -> Attack:
    """Connections with half a TLS handshake."""

    async def run(target: Target, _: int) -> None:
        await held(target.port(port), HELLO, pause=PAUSE)

    return Attack(f"unfinished TLS handshakes on {port}", port, "unfinished", run, tls=port)


def hello() -> bytes:
    """The whole first message of a TLS client."""
    sent = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


async def _hellos(target: Target, _: int) -> None:
    """Let guard sign a handshake, leave it, and begin another."""
    await held(target.tls, hello(), pause=PAUSE, leave=True)


async def _guesses(target: Target, number: int) -> None:
    await repeated(target.admin, request("GET", "/admin/v1/status", Authorization=f"Bearer guard_{number}"))


def views(path: str, connections: tuple[int, ...] = (1, 30)) -> Attack:
    """A viewer that asks for the same page again and again."""

    async def run(target: Target, _: int) -> None:
        await repeated(target.admin, request("GET", f"/admin/v1/{path}", Authorization=f"Bearer {target.viewer}"))

    return Attack(f"viewers of {path}", "admin", "valid", run, connections, 30)


def probes(path: str, connections: tuple[int, ...] = (1, 250)) -> Attack:
    """A page of the ops listener, again and again."""

    async def run(target: Target, _: int) -> None:
        await repeated(target.ops, request("GET", path))

    return Attack(f"GET {path}, again and again", "ops", "valid", run, connections, 30)


async def _slow_readers(target: Target, _number: int) -> None:
    loop = asyncio.get_running_loop()
    while True:
        reader = asyncio.StreamReader(limit=1)
        try:
            transport, _ = await loop.create_connection(
                lambda: asyncio.StreamReaderProtocol(reader), "127.0.0.1", target.ops
            )
            transport.write(request("GET", "/metrics"))
            await asyncio.sleep(10)
            transport.abort()
        except OSError:
            await asyncio.sleep(0.01)


ATTACKS = (
    *(make(port) for make in (idle, half, churn) for port in ("data", "admin", "ops")),
    handshakes("data"),
    handshakes("admin"),
    Attack("TLS handshakes that are begun and left", "data", "unfinished", _hellos, small=BEHIND // 4, tls="data"),
    Attack("guesses of tokens", "admin", "invalid", _guesses, (1, 250), 30),
    views("status"),
    views("contract"),
    views("audit?limit=10000"),
    probes("/livez"),
    probes("/metrics"),
    Attack("readers of /metrics that take nothing", "ops", "unfinished", _slow_readers, (1, 250)),
)
