"""The floor: what guard's parsers and its loop cost where nothing stands between them. Relays heads and bodies only.

It knows no limits, deadlines, chunks, losses or errors, and must not be used for anything but this comparison.

    python -m benchmarks.relay PORT UPSTREAM_PORT
"""

import asyncio
import sys

import httptools
import uvloop

Headers = list[tuple[bytes, bytes]]


def lines(headers: Headers) -> bytes:
    return b"\r\n".join(map(b": ".join, headers)) + b"\r\n\r\n"


class Reading(asyncio.Protocol):
    """One side: what was read of its message."""

    def begin(self) -> None:
        self.headers: Headers = []
        self.body, self.done = b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.done = True


class Link(Reading):
    """One connection to the model server."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def send(self, client: "Client", message: bytes) -> None:
        self.client, self.parser = client, httptools.HttpResponseParser(self)
        self.begin()
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        if self.done:
            self.client.idle.append(self)
            self.client.answered(self.parser.get_status_code(), self.headers, self.body)


class Client(Reading):
    """One connection of a client."""

    idle: list[Link] = []  # noqa: RUF012 — shared on purpose
    upstream = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
        self.target = b""
        self.begin()

    def on_url(self, target: bytes) -> None:
        self.target = target

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        if not self.done:
            return
        message = b"%b %b HTTP/1.1\r\n%b%b" % (self.parser.get_method(), self.target, lines(self.headers), self.body)
        self.begin()
        if self.idle:
            self.idle.pop().send(self, message)
        else:
            asyncio.get_running_loop().create_task(self.dial(message))

    async def dial(self, message: bytes) -> None:
        _, link = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", self.upstream)
        link.send(self, message)

    def answered(self, status: int, headers: Headers, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %d OK\r\n%b%b" % (status, lines(headers), body))


async def main(port: int, upstream: int) -> None:
    Client.upstream = upstream
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
