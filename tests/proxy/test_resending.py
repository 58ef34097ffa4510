"""What is sent again: what provably nobody read, and what may be executed twice. Held against servers on real sockets."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, NamedTuple

import pytest

from guard.ladder.model import IDEMPOTENT
from guard.proxy import back as back_module
from guard.proxy import pool as pool_module
from guard.proxy.delivery import acknowledged, quiet, watched
from guard.proxy.pool import LEARNED, SAFE, Pool
from tests.proxy.stand import OK, answering, post, standing
from tests.sidecar import Sidecar, sidecar


class Upstream:
    """A server of threads that counts what it executed, by the request's number."""

    def __init__(
        self,
        *,
        each: int = 1 << 30,
        idle: float = 60.0,
        dies: Callable[[int], bool] = lambda _number: False,
        crashes: Callable[[int], bool] = lambda _number: False,
    ) -> None:
        """`each`: it closes after so many answers without a word; `idle`: or so many seconds; `dies`: or over a request.

        `crashes`: it answers a request 500.
        """
        self.executed: list[int] = []
        self.connections = 0
        self._each, self._idle, self._dies, self._crashes = each, idle, dies, crashes
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(self._idle)
        with connection:
            for _ in range(self._each):
                try:
                    number = self._read(connection)
                except OSError:
                    return
                if number is None:
                    return
                self.executed.append(number)
                if self._dies(number):
                    sleep(0.1)
                    return
                answer = OK.removesuffix(b"{}") if self._head else OK
                connection.sendall(answer.replace(b"200 OK", b"500 Oops") if self._crashes(number) else answer)

    def _read(self, connection: socket.socket) -> int | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        self._head = data.startswith(b"HEAD ")
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        while len(body) < length:
            body += connection.recv(65536)
        return int(fields[b"x-number"])

    def close(self) -> None:
        self._listener.close()


def ask(port: int, method: str, path: str, numbers: range, body: bytes = b"{}", pause: float = 0.0) -> list[int]:
    """The statuses of requests on one connection, one after the other."""
    statuses = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        for number in numbers:
            head = f"{method} {path} HTTP/1.1\r\nHost: g\r\nX-Number: {number}\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = b""
            while b"\r\n\r\n" not in answer or (method != "HEAD" and not answer.endswith(b"}")):
                piece = client.recv(65536)
                assert piece, (number, answer)
                answer += piece
            statuses.append(int(answer[9:12]))
            sleep(pause)
    return statuses


POLICY = """
version: guard/v1
service: s
upstream: http://127.0.0.1:{port}
routes:
  POST /judged: {{input: {{n: {{type: integer, required: false}}}}}}
  POST /twice: {{repeatable: true, input: {{n: {{type: integer, required: false}}}}}}
  PUT /once: {{repeatable: false, input: {{n: {{type: integer, required: false}}}}}}
  POST /raw: passthrough
  PUT /raw: passthrough
  GET /raw: passthrough
  DELETE /raw: passthrough
  OPTIONS /raw: passthrough
"""


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Callable[[Upstream], Sidecar]]:
    """Starts a guard before an upstream."""
    with ExitStack() as stack:

        def start(upstream: Upstream) -> Sidecar:
            stack.callback(upstream.close)
            policy = tmp_path / "guard.yaml"
            policy.write_text(POLICY.format(port=upstream.port))
            return stack.enter_context(sidecar(str(policy), folder=tmp_path))

        yield start


LARGE = b'{"n": 1' + b" " * 40_000 + b"}"


@pytest.mark.parametrize("each", [1, 2, 3, 7])
@pytest.mark.parametrize("path", ["/judged", "/raw"])
@pytest.mark.parametrize("body", [b"{}", LARGE], ids=["small", "large"])
def test_a_server_that_closes_without_a_word_costs_no_answer_and_executes_nothing_twice(
    before: Callable[[Upstream], Sidecar], each: int, path: str, body: bytes
) -> None:
    upstream = Upstream(each=each)
    # The server closes within the pause. One that closes while a request is on its way may answer with a reset alone, which
    # proves nothing: guard/proxy/delivery.py leaves that request to the next rung.
    statuses = ask(before(upstream).port, "POST", path, range(60), body, pause=0.02)
    assert statuses == [200] * 60
    assert sorted(upstream.executed) == list(range(60))


@pytest.mark.parametrize("path", ["/judged", "/raw"])
def test_no_request_follows_a_500_on_its_connection(before: Callable[[Upstream], Sidecar], path: str) -> None:
    """A server whose handler crashed may close without saying so: a request that meets its close may have been read."""
    upstream = Upstream(crashes=lambda number: number % 3 == 2)
    statuses = ask(before(upstream).port, "POST", path, range(12))
    assert [status for status in statuses if status == 200] == [200] * 8
    assert sorted(upstream.executed) == list(range(12))
    assert upstream.connections == 4


@pytest.mark.parametrize("path", ["/judged", "/raw"])
def test_a_server_that_closes_idle_connections_costs_no_answer(before: Callable[[Upstream], Sidecar], path: str) -> None:
    upstream = Upstream(idle=0.3)
    statuses = ask(before(upstream).port, "POST", path, range(12), pause=0.299)
    assert statuses == [200] * 12
    assert sorted(upstream.executed) == list(range(12))


@pytest.mark.parametrize(
    ("method", "path", "again"),
    [
        ("POST", "/judged", False), ("POST", "/raw", False), ("POST", "/twice", True), ("PUT", "/once", False),
        ("PUT", "/raw", True), ("GET", "/raw", True), ("HEAD", "/raw", True), ("DELETE", "/raw", True), ("OPTIONS", "/raw", True),
    ],
)  # fmt: skip
def test_what_a_server_read_and_died_over_is_executed_again_only_where_it_is_repeatable(
    before: Callable[[Upstream], Sidecar], method: str, path: str, again: bool
) -> None:
    died: list[int] = []

    def dies(number: int) -> bool:
        if number == 1 and not died:
            died.append(number)
            return True
        return False

    upstream = Upstream(dies=dies)
    body = b"" if method in ("GET", "HEAD", "OPTIONS", "DELETE") else b"{}"
    statuses = ask(before(upstream).port, method, path, range(3), body)
    assert statuses == [200, 200 if again else 502, 200]
    assert upstream.executed == ([0, 1, 1, 2] if again else [0, 1, 2])


def test_a_method_is_repeatable_by_its_definition() -> None:
    safe = {"GET", "HEAD", "OPTIONS"}
    assert {method.decode() for method in IDEMPOTENT} == safe | {
        "PUT",
        "DELETE",
    }  # RFC 9110 §9.2.2, but TRACE, which no route has


class Proven(NamedTuple):
    """What the client's kernel knows after the server did something."""

    quiet: bool
    fin: bool
    acknowledged: bool


def after(act: Callable[[socket.socket, socket.socket], None]) -> Proven:
    """The state of a connection on which 10 bytes were answered, after the server and the client did something."""

    async def look() -> Proven:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            server = listener.accept()[0]
            writer.write(b"x" * 10)
            await asyncio.sleep(0)
            server.recv(10)
            server.sendall(b"yy")
            await reader.readexactly(2)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            client = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
            poll, before = watched(writer.transport), acknowledged(writer.transport)
            assert before == 11
            assert quiet(poll)
            act(server, client)
            still, received = quiet(poll), acknowledged(writer.transport)
            try:
                fin = client.recv(1) == b""
            except OSError:
                fin = False
            client.close()
            server.close()
            writer.transport.abort()
            return Proven(still, fin, received != before)

    return asyncio.run(look())


def closed_before(server: socket.socket, client: socket.socket) -> None:
    server.close()
    client.send(b"z" * 10)


def read_and_closed(server: socket.socket, client: socket.socket) -> None:
    client.send(b"z" * 10)
    server.recv(10)
    server.close()


def half_read_and_closed(server: socket.socket, client: socket.socket) -> None:
    client.send(b"z" * 10)
    server.recv(1)
    server.close()


def read_and_reset(server: socket.socket, client: socket.socket) -> None:
    client.send(b"z" * 10)
    server.recv(10)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()


@pytest.mark.parametrize(
    ("act", "unread"),
    [
        (closed_before, True), (read_and_closed, False), (half_read_and_closed, False), (read_and_reset, False),
    ],
)  # fmt: skip
def test_a_fin_that_acknowledges_nothing_of_a_request_proves_that_nobody_read_it(act: Any, unread: bool) -> None:
    known = after(act)
    assert not known.quiet
    assert (known.fin and not known.acknowledged) is unread


@pytest.mark.parametrize("act", [lambda server, _: server.close(), lambda server, _: server.send(b"HTTP/1.1 408 \r\n\r\n")])
def test_a_connection_that_the_server_ended_or_wrote_on_is_not_quiet(act: Any) -> None:
    assert not after(act).quiet


KEEP_ALIVE = {
    b"timeout=5": 4.0, b"timeout=1, max=100": 0.8, b"max=100, timeout=2": 1.6, b"timeout=0": 0.0, b"Timeout = 5": 4.0,
    b'timeout="5"': 4.0, b"timeout=60": 10.0, b"max=5": 10.0, b"timeout": 10.0, b"timeout=x": 10.0, b"timeout=-1": 10.0,
    b"xtimeout=5": 10.0, b"": 10.0,
}  # fmt: skip


@pytest.mark.parametrize(("field", "keep"), KEEP_ALIVE.items())
def test_a_server_that_says_how_long_it_waits_is_believed(field: bytes, keep: float) -> None:
    pool = Pool(keep=10.0)
    pool.announced(field)
    assert pool.keep == pytest.approx(keep)


def test_an_idle_time_that_a_server_showed_holds_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    for module in (pool_module, back_module):
        monkeypatch.setattr(module, "monotonic", lambda: now)

    async def main() -> None:
        nonlocal now
        async with standing(answering()) as stand:
            assert b" 200 " in await stand.exchange(post())
            pool: Pool = stand.pool
            link = pool.take(now)
            assert link is not None
            pool.give(link)
            now += 0.05
            pool.ended(link)  # at once after an answer: no idle time
            assert pool.keep == 1.5
            now += 0.95
            pool.ended(link)
            assert pool.keep == pytest.approx(1.0 * SAFE)
            now += LEARNED + 1
            pool.give(link)
            assert pool.keep == 1.5

    asyncio.run(main())
