"""A client for load: keeps connections, writes requests that are ready, and reads only what is measured.

httpx2 was tried first: it takes 0.48 ms of the processor for each request, so that at 16 clients it measures its own
queue. This one needs 0.05 ms.
"""

import asyncio
import ssl
from time import perf_counter
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from guard.kit.rehearse.values import Request

CONNECT: Final = 5.0


class Origin(NamedTuple):
    """The address on which guard listens."""

    host: str
    port: int
    authority: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None) -> "Origin":
        """The origin of an http or https URL."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return cls(
            parts.hostname or "localhost", parts.port or (443 if secure else 80), parts.netloc, tls if secure else None
        )


class Timed(NamedTuple):
    """One answer. `status` 0: none came, and `source` says what happened. `at`: when it was due, on the monotonic clock."""

    at: float
    seconds: float
    status: int
    source: str
    reason: str


def ready(request: Request, origin: Origin) -> bytes:
    """A request as bytes."""
    lines = [f"{request.method} {request.target} HTTP/1.1", f"host: {origin.authority}", "user-agent: guard-rehearse"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"content-length: {len(request.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + request.body


class User(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, origin: Origin, within: float) -> None:
        self._origin, self.within = origin, within
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def ask(self, message: bytes, at: float | None = None) -> Timed:
        """Send, and wait for the whole answer. `at`: when it was due, in place of now."""
        begun = perf_counter() if at is None else at
        try:
            async with asyncio.timeout(self.within):
                if self._transport is None or self._transport.is_closing():
                    await self._connect()
                self._begin()
                cast("asyncio.Transport", self._transport).write(message)
                await cast("asyncio.Future[None]", self._waiter)
        except TimeoutError:
            return self._lost(begun, "timeout")
        except (OSError, ssl.SSLError, httptools.HttpParserError) as error:
            return self._lost(begun, "connect" if isinstance(error, ConnectionRefusedError) else "reset")
        return Timed(begun, perf_counter() - begun, self._status, self._source, self._reason)

    def close(self) -> None:
        """Let the connection go."""
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT):
            await loop.create_connection(lambda: self, self._origin.host, self._origin.port, ssl=self._origin.tls)

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._source, self._reason = 0, "", ""
        self._waiter = asyncio.get_running_loop().create_future()

    def _lost(self, begun: float, reason: str) -> Timed:
        self.close()
        self._transport = self._waiter = None
        return Timed(begun, perf_counter() - begun, 0, reason, "")

    # ── asyncio.Protocol and httptools ────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse; what comes unasked ends the connection."""
        if self._waiter is None or self._waiter.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._waiter.set_exception(ConnectionResetError(type(error).__name__))

    def connection_lost(self, error: Exception | None) -> None:
        """Report the loss to the waiting request."""
        del error
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("closed"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Two headers matter."""
        match name.lower():
            case b"x-guard-source":
                self._source = value.decode("latin-1")
            case b"x-guard-reason":
                self._reason = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """The answer is whole; an interim one (1xx) is none."""
        if self._status >= 200 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
