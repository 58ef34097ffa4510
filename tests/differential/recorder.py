"""The upstream: records the exact bytes that each request arrives as, and answers from the script of the case."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field

from tests.differential.case import CLOSE, OK, OK_HEAD, RESET, Answer, answer
from tests.differential.wire import Message, read

PROBE = b"probe-of-the-connection"
PROBED = answer(b"200 OK\nContent-Length: 23", PROBE)
"""What the client asks after its case, to learn whether the connection is still good and in step."""

FORGOTTEN = 0.05
"""Seconds in which a proxy learns that an idle connection was closed."""


@dataclass
class Scene:
    """What the upstream saw of one case through one proxy."""

    answer: Answer = OK
    requests: list[Message] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    busy: int = 0


class Recorder:
    """One port of the upstream; each proxy has its own, so that what arrives is that proxy's."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Until no request of the scene is under way, or it has had its time."""
        for _ in range(50):
            if not self.scene.busy:
                return
            await asyncio.sleep(0.01)

    async def forget(self) -> None:
        """Close idle connections, so that a case does not depend on what the one before it left in a pool."""
        if self._idle:
            for writer in self._idle:
                writer.close()
            self._idle.clear()
            await asyncio.sleep(FORGOTTEN)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._idle.discard(writer)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        goes_on = True
        while goes_on:
            self._idle.add(writer)
            data = await reader.read(65536)
            self._idle.discard(writer)
            if not data:
                return
            scene = self.scene
            scene.busy += 1
            try:
                goes_on = await self._converse(scene, data, reader, writer)
            finally:
                scene.busy -= 1

    async def _converse(
        self, scene: Scene, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Requests that follow each other without a pause; whether the connection goes on after them."""
        while data:
            answered = False
            while (content := read(data)) is None or not content[0].complete:
                if content and scene.answer.early and not answered:
                    answered = True
                    writer.write(scene.answer.raw)
                more = await self._more(reader)
                if not more:
                    self._note(scene, data, content[0] if content else Message(data, [], complete=False))
                    return False
                data += more
            message, rest = content
            self._note(scene, data[: len(data) - len(rest)], message)
            data = rest
            if not answered and not await self._reply(scene, message, writer):
                return False
        return True

    async def _more(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(65536)
        except ConnectionError:
            return b""

    def _note(self, scene: Scene, raw: bytes, message: Message) -> None:
        if PROBE not in message.start:
            scene.raw.append(raw)
            scene.requests.append(message)

    async def _reply(self, scene: Scene, message: Message, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        scripted = PROBED if PROBE in message.start else scene.answer
        if scripted is OK and message.start.startswith(b"HEAD "):
            scripted = OK_HEAD
        if scripted.delay:
            await asyncio.sleep(scripted.delay)
        writer.write(scripted.raw)
        await writer.drain()
        if scripted.after == RESET:
            await asyncio.sleep(0.05)  # so that the bytes are read before the reset destroys them
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return scripted.after not in (CLOSE, RESET)
