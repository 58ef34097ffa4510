"""A model server that is fast enough for ten thousand requests: one thread, no framework, an answer for each body."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Reply = tuple[int, bytes]
Answer = Callable[[bytes, bytes], Reply | None]
"""(head, body) → (status, JSON), or whole bytes of an answer with status 0; None: no answer at all."""


class _Server(asyncio.Protocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while True:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
            if b"transfer-encoding: chunked" in head.lower():
                length = rest.index(b"0\r\n\r\n") + 5 if rest.endswith(b"0\r\n\r\n") else len(rest) + 1
            if not end or len(rest) < length:
                return
            self._unread = rest[length:]
            made = self._answer(head, rest[:length])
            if made is None:
                continue
            status, body = made
            if status == 0:
                self._transport.write(body)
                self._transport.close()
                return
            lines = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(lines % (status, len(body)) + body)


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """The port of a server that answers so."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _Server(answer), "127.0.0.1", 0, backlog=512))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
