"""Bodies without end, through a real process: what passes, and how little of it is held."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar import Sidecar, head_lines, sidecar

SIZE = 1 << 30
CHUNK = b"\xa5" * 65536
GROWTH = 16 << 20

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
drain: 0s
routes:
  POST /sink: passthrough
  GET /source: passthrough
  GET /events: passthrough
"""


class Raw:
    """A model server of bare sockets: swallows, pours, or tells events when the test says so."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.add_sink = threading.Semaphore(0)
        self.left = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with client:
            file = client.makefile("rb")
            lines = head_lines(file)
            if not lines:
                return
            what = lines[0].split(b" ")[1]
            headers = b"".join(lines).lower()
            try:
                if what == b"/sink":
                    left = int(headers.split(b"content-length: ")[1].split(b"\r\n")[0])
                    while left:
                        left -= len(file.read(min(left, 65536)))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                elif what == b"/source":
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                    for _ in range(SIZE // len(CHUNK)):
                        client.sendall(CHUNK)
                else:
                    self.events(client)
            except OSError:
                self.left.set()

    def events(self, client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.settimeout(0.005)
        number = 0
        while True:
            if self.add_sink.acquire(timeout=0.005):
                event = b"data: %d\n\n" % number
                client.sendall(b"%x\r\n%b\r\n" % (len(event), event))
                number += 1
            try:
                if client.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue


@pytest.fixture
def raw() -> Iterator[Raw]:
    server = Raw()
    yield server
    server.listener.close()


@pytest.fixture
def guard(raw: Raw, tmp_path: Path) -> Iterator[Sidecar]:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(raw.port)))
    with sidecar("policy.yaml", folder=tmp_path) as running:
        yield running


def resident(guard: Sidecar, name: str = "VmRSS") -> int:
    status = Path(f"/proc/{guard.process.pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def peak_reset(guard: Sidecar) -> int:
    Path(f"/proc/{guard.process.pid}/clear_refs").write_text("5")
    return resident(guard)


def test_a_gigabyte_to_a_slow_reader(guard: Sidecar) -> None:
    before = peak_reset(guard)
    with socket.create_connection(("127.0.0.1", guard.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(b"GET /source HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        file = client.makefile("rb", buffering=65536)
        while file.readline() != b"\r\n":
            pass
        received, pauses = 0, 0
        buffer = bytearray(1 << 20)
        while size := file.readinto(buffer):
            received += size
            if received >> 28 > pauses:  # the reader stops for a while: all that waits must wait upstream
                pauses += 1
                threading.Event().wait(0.3)
    assert received == SIZE
    assert resident(guard, "VmHWM") - before < GROWTH


def test_a_gigabyte_from_a_client(guard: Sidecar) -> None:
    before = peak_reset(guard)
    with socket.create_connection(("127.0.0.1", guard.port)) as client:
        client.sendall(b"POST /sink HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(CHUNK)):
            client.sendall(CHUNK)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert resident(guard, "VmHWM") - before < GROWTH


def test_events_arrive_one_by_one_and_a_client_gone_is_gone_upstream(guard: Sidecar, raw: Raw) -> None:
    with socket.create_connection(("127.0.0.1", guard.port)) as client:
        client.settimeout(20)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: g\r\n\r\n")
        file = client.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        for number in range(20):
            raw.add_sink.release()
            size = int(file.readline(), 16)
            assert file.read(size) == b"data: %d\n\n" % number
            file.readline()
        file.close()
    assert raw.left.wait(20)
