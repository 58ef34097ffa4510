"""HTTP/1.1 on bare protocols: enough for a model server, and for attackers that are many."""

import asyncio
import json
from collections.abc import Callable

HOST = "127.0.0.1"


class Http(asyncio.Protocol):
    """Messages with a Content-Length, either way."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = length_of(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self.message(head, rest[:length])

    def message(self, head: bytes, body: bytes) -> None:
        """A message is complete."""


class Client(asyncio.Protocol):
    """A connection of an attacker: writes what it is told when it is open, and again at each answer if it should."""

    def __init__(
        self, payload: bytes, ended: asyncio.Event, answered: Callable[["Client", bytes], None] | None = None
    ) -> None:
        self._payload, self._ended, self._answered = payload, ended, answered
        self.transport: asyncio.Transport
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self._payload:
            self.transport.write(self._payload)

    def data_received(self, data: bytes) -> None:
        if self._answered is not None:
            self._answered(self, data)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self._ended.set()


def length_of(head: bytes) -> int:
    """The Content-Length of a head; 0 without one."""
    for row in head.lower().split(b"\r\n"):
        if row.startswith(b"content-length:"):
            return int(row[15:])
    return 0


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """A request; `body` is bytes, or becomes JSON."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}{length}\r\n".encode() + content


def _leave(client: Client, _: bytes) -> None:
    client.transport.abort()


async def held(port: int, payload: bytes, *, pause: float = 0.0, leave: bool = False) -> None:
    """One connection that sends `payload` and waits; opened again whenever it is closed, or was answered, after a pause."""
    loop = asyncio.get_running_loop()
    while True:
        ended = asyncio.Event()
        try:
            await loop.create_connection(lambda: Client(payload, ended, _leave if leave else None), HOST, port)
            await ended.wait()
        except OSError:
            await asyncio.sleep(0.01)
        await asyncio.sleep(pause)


async def repeated(port: int, payload: bytes) -> None:
    """One connection that sends `payload`, reads the answer, and sends it again; opened again whenever it is closed."""
    loop = asyncio.get_running_loop()

    class Repeat(Http):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.write(payload)

        def message(self, head: bytes, body: bytes) -> None:
            del body
            if b"connection: close" in head.lower():
                self.transport.close()
            else:
                self.transport.write(payload)

        def connection_lost(self, exc: Exception | None) -> None:
            ended.set()

    while True:
        ended = asyncio.Event()
        try:
            await loop.create_connection(Repeat, HOST, port)
            await ended.wait()
        except OSError:
            await asyncio.sleep(0.01)


async def pipelined(port: int, payload: bytes, *, batch: int = 100) -> None:
    """One connection that never waits for an answer, and reads them all; opened again whenever it is closed."""
    loop = asyncio.get_running_loop()
    while True:
        ended = asyncio.Event()
        try:
            _, client = await loop.create_connection(lambda: Client(payload * batch, ended), HOST, port)
            while not ended.is_set():
                await client.writable.wait()
                client.transport.write(payload * batch)
                await asyncio.sleep(0)
        except OSError:
            await asyncio.sleep(0.01)
