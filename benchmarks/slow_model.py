"""A model server that takes its time, for as many requests at once as are sent: `slow_model PORT SECONDS`."""

import asyncio
import re
import sys

import uvloop

SAID = b'{"label":"approve","score":0.73}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(SAID), SAID)
LENGTH = re.compile(rb"(?i)content-length: (\d+)")


class Slow(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, takes: float) -> None:
        self._takes, self._buffer = takes, b""
        self._transport: asyncio.Transport

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        match = LENGTH.search(head)
        if end and len(body) >= (int(match[1]) if match else 0):
            self._buffer = b""
            asyncio.get_running_loop().call_later(self._takes, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Slow(float(sys.argv[2])), "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
