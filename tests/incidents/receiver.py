"""A webhook of the standard library that does what the next test wants, and keeps what it got."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.threaded import threaded

WITHIN = 20.0


class Receiver(ThreadingHTTPServer):
    """`answers` are statuses, with headers, for the next requests; then 200."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.more = threading.Condition()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def bodies(self) -> list[Any]:
        """What was sent, as JSON."""
        with self.more:
            return [json.loads(body) for _, _, body in self.got]

    def wait(self, count: int, wanted: Callable[[Any], bool] = lambda _body: True) -> list[Any]:
        """The bodies that are wanted, once there are so many."""

        def enough() -> bool:
            return sum(wanted(json.loads(body)) for _, _, body in self.got) >= count

        with self.more:
            assert self.more.wait_for(enough, WITHIN), [body for _, _, body in self.got]
        return [body for body in self.bodies() if wanted(body)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        with self.server.more:
            self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.server.more.notify_all()
        self.send_response(status)
        for name, value in {"Content-Length": "2", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    with threaded(Receiver(tls)) as server:
        yield server


@contextmanager
def saying(script: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """A listener that speaks no HTTP but what the script writes; the URL, and how many came."""
    listener = socket.create_server(("127.0.0.1", 0))
    came: list[int] = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            came.append(1)
            threading.Thread(target=one, args=(client,), daemon=True).start()

    def one(client: socket.socket) -> None:
        with client:
            try:
                script(client)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/s3cr3t", came
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
