"""A proxy that does what networks do: toxics between any two parties, seeded, one for each direction."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

TOXICS = ("latency", "trickle", "slice", "reset", "black hole", "truncate")
WHOLE = "none"


class Faults:
    """Listens on a port of its own and passes bytes to and from `target`. `toxics` = (to the target, from it)."""

    def __init__(self, target: int, seed: int) -> None:
        self.target = target
        self.toxics = (WHOLE, WHOLE)
        self.port = 0
        self._random = Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self) -> "Faults":
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            back, onward = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(
                self._pump(reader, onward, writer, self.toxics[0]), self._pump(back, writer, onward, self.toxics[1])
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()
            self._tasks.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter, toxic: str
    ) -> None:
        """Pass bytes on, as the toxic has it, until either side ends."""
        left = self._random.randrange(1, 400)
        while data := await reader.read(65536):
            if toxic in ("reset", "black hole", "truncate") and len(data) > left:
                writer.write(data[:left])
                await writer.drain()
                if toxic == "black hole":
                    while await reader.read(65536):
                        pass
                elif toxic == "reset":
                    for end in (writer, source):
                        end.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
                        end.transport.abort()
                    raise ConnectionResetError
                break
            left -= len(data)
            for piece in self._pieces(data, toxic):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self._random.uniform(0, 0.01) if toxic == "latency" else 0)
        with suppress(OSError):
            writer.write_eof()

    def _pieces(self, data: bytes, toxic: str) -> Iterator[bytes]:
        """The cuts: a few bytes at a time, or anywhere."""
        at = 0
        while at < len(data):
            size = {"trickle": 3, "slice": self._random.randrange(1, 300)}.get(toxic, len(data))
            if len(data) > 20_000 and toxic in ("trickle", "slice"):
                size *= 100
            yield data[at : at + size]
            at += size
