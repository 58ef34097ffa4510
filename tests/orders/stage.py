"""A real guard before a real upstream, with faults that are switched while it runs, and operators who speak to its API."""

import asyncio
import contextlib
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.sidecar import WITHIN, Sidecar, sidecar
from tests.within import within

ROOT = Path(__file__).resolve().parents[2]
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"label":"m"}'


class Answered(NamedTuple):
    """One answer, and when it was asked for, in seconds of the monotonic clock."""

    asked: float
    status: int
    source: str
    headers: dict[str, str]
    body: bytes


async def ask(port: int, path: str, body: bytes, method: str = "POST", **headers: str) -> Answered:
    """One request on a connection of its own."""
    asked = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {"host": "127.0.0.1", "content-type": "application/json", "connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        raw = await within(reader.read(), WITHIN)
    finally:
        await closed(writer)
    top, _, content = raw.partition(b"\r\n\r\n")
    first, *rest = top.decode("latin-1").split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Answered(asked, int(first.split()[1]), named.get("x-guard-source", ""), named, content)


class Stage:
    """One guard. `faults` is the launcher's folder."""

    def __init__(self, guard: Sidecar, folder: Path, faults: Path) -> None:
        self.guard, self.folder, self.faults = guard, folder, faults
        address = guard.wait_for("admin")["listen"]
        self.admin = int(address.rpartition(":")[2])
        self.token = (folder / "state" / "private" / "admin.token").read_text().strip()

    def fault(self, name: str, value: object) -> None:
        """Switch a fault."""
        (self.faults / f"{name}.new").write_text(str(value))
        (self.faults / f"{name}.new").rename(self.faults / name)

    def waited_for_a_core(self) -> float:
        """Seconds that guard or this process was ready to run, and the machine was busy with others.

        Of all threads: one that has the interpreter and no core keeps the loop from running too.
        """
        waited = 0
        for pid in (self.guard.process.pid, os.getpid()):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # a thread that ends
                    waited += int((task / "schedstat").read_text().split()[1])
        return waited / 1e9

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """The admin API."""
        raw = b"" if body is None else json.dumps(body).encode()
        token = {"authorization": f"Bearer {self.token}"}
        answer = await ask(self.admin, f"/admin/v1{path}", raw, method, **token, **headers)
        return answer.status, json.loads(answer.body)

    async def mode(self, mode: str, route: str | None = None, **options: Any) -> tuple[int, Any]:
        """Order a mode; a raise names the epoch of a status that is read for it."""
        headers = {} if mode != "normal" else {"if_match": str((await self.api("GET", "/status"))[1]["epoch"])}
        return await self.api("PUT", "/mode", {"mode": mode, "route": route, "reason": "r", **options}, **headers)

    async def predict(self, path: str = "/predict", body: bytes = b'{"age":7}') -> Answered:
        """A client."""
        return await ask(self.guard.port, path, body)

    async def until(self, name: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of a name, once it is there."""
        return await asyncio.to_thread(self.guard.wait_for, name, count)


@asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """A model server that gives one answer; its port."""

    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(ANSWER)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextmanager
def staged(folder: Path, policy: str) -> Iterator[Stage]:
    """A guard of the launcher. The folder may hold the state of one before."""
    (folder / "policy.yaml").write_text(policy)
    faults = folder / "faults"
    faults.mkdir(exist_ok=True)
    environ = {**os.environ, "FAULTS": str(faults), "PYTHONPATH": str(ROOT)}
    with sidecar("policy.yaml", folder=folder, environ=environ, module="tests.orders.launcher") as guard:
        yield Stage(guard, folder, faults)


class Load:
    """Clients that ask at a rate, each on a connection that it keeps; the last answers, in the order they were asked for."""

    def __init__(self, port: int, rate: float, clients: int = 8) -> None:
        self._port, self._every = port, clients / rate
        self._clients = clients
        self.answers: deque[Answered] = deque(maxlen=4096)
        self.count = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            failed = await asyncio.gather(*tasks, return_exceptions=True)
            errors = [error for error in failed if not isinstance(error, asyncio.CancelledError)]
            assert not errors, errors

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await self._ask(number, reader, writer)
        finally:
            await closed(writer)

    async def _ask(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"age":7}'
        request = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        await asyncio.sleep(number * self._every / self._clients)
        due = time.monotonic()
        while True:
            due = max(due + self._every, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asked = time.monotonic()
            writer.write(request % (len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            source = head.split(b"x-guard-source: ")[1].split(b"\r\n")[0].decode()
            self.answers.append(Answered(asked, int(head[9:12]), source, {}, b""))
            self.count += 1
