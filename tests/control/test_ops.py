"""The listener for probes and scrapers."""

import asyncio

import pytest

from guard.control import ops
from guard.control.readiness import WAITING, Readiness
from tests.proxy.stand import run, until

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


async def ask(server: asyncio.Server, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return answer


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_ready_once_everything_was_reached_and_until_draining() -> None:
    readiness = Readiness()
    assert readiness.waiting == WAITING
    for latch in ("upstream", "policy"):
        readiness.reached(latch)
        assert not readiness.ready
    assert repr(readiness) == "<Readiness waiting for state>"
    readiness.reached("state")
    readiness.reached("state")
    assert readiness.ready
    readiness.drain()
    assert (readiness.ready, readiness.waiting) == (False, ("draining",))


@LOOPS
def test_what_probes_hear(loop: str) -> None:
    async def main() -> None:
        readiness = Readiness()
        server = await ops.listen(ops.Ops(ops.probes(readiness)), "127.0.0.1", 0)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await ask(server, get("/readyz?verbose"))).endswith(
            b'{"ready": false, "waiting": ["policy", "state", "upstream"]}\n'
        )
        for latch in WAITING:
            readiness.reached(latch)
        assert (await ask(server, get("/readyz"))).startswith(b"HTTP/1.1 200 OK\r\n")
        head = await ask(server, get("/readyz", "HEAD"))
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        readiness.drain()
        assert (await ask(server, get("/readyz"))).startswith(b"HTTP/1.1 503 ")
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        server.close()

    run(main, loop)


@LOOPS
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (get("/other"), b"404"), (get("/livez", "POST"), b"405"), (get("/livez", "DELETE"), b"405"), (b"\r\n\r\n", b"400"),
        (b"GET /livez\r\n\r\n", b"400"), (b"GET  /livez HTTP/1.1\r\n\r\n", b"400"), (b"\xff" * 100 + b"\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b""), (b"G" * 20000, b""),
    ],
)  # fmt: skip
def test_what_others_hear(loop: str, raw: bytes, status: bytes) -> None:
    async def main() -> None:
        server = await ops.listen(ops.Ops(ops.probes(Readiness())), "127.0.0.1", 0)
        try:
            answer = await ask(server, raw)
        except ConnectionError:
            answer = b""
        assert answer[9:12] == status
        server.close()

    run(main, loop)


@LOOPS
def test_clients_that_say_nothing_are_bounded_and_let_go(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "WITHIN", 0.2)

    async def main() -> None:
        listener = ops.Ops(ops.probes(Readiness()))
        server = await ops.listen(listener, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        await until(lambda: len(listener._clients) <= ops.MOST_CLIENTS)
        await until(lambda: not listener._clients)
        assert (await ask(server, get("/livez"))).startswith(b"HTTP/1.1 200 ")
        for _, writer in silent:
            writer.close()
        server.close()

    run(main, loop)
