"""Two ways for a server to be gone: it accepts and never answers, or nobody is there."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

WITHIN = 20.0


class BlackHole:
    """A listener of loopback that reads all and says nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.swallowed = 0
        self._more = threading.Condition()

    def note(self, connections: int = 0, swallowed: int = 0) -> None:
        """Count."""
        with self._more:
            self.connections += connections
            self.swallowed += swallowed
            self._more.notify_all()

    def wait_for(self, connections: int = 1, swallowed: int = 0, within: float = WITHIN) -> None:
        """Until so many connections were made and so many bytes read; AssertionError after the deadline."""
        with self._more:
            assert self._more.wait_for(lambda: self.connections >= connections and self.swallowed >= swallowed, within), (
                self.connections,
                self.swallowed,
            )


@contextmanager
def black_hole() -> Iterator[BlackHole]:
    """A server that takes every connection and every byte, and never answers."""
    stop, stopped = socket.socketpair()
    with stop, stopped, socket.create_server(("127.0.0.1", 0)) as listener, selectors.DefaultSelector() as selector:
        hole = BlackHole(listener.getsockname()[1])
        selector.register(stopped, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        thread = threading.Thread(target=_swallow, args=(hole, listener, stopped, selector), daemon=True)
        thread.start()
        try:
            yield hole
        finally:
            stop.send(b"x")
            thread.join(WITHIN)


def _swallow(hole: BlackHole, listener: socket.socket, stopped: socket.socket, selector: selectors.BaseSelector) -> None:
    clients: set[socket.socket] = set()
    while True:
        for key, _ in selector.select():
            if key.fileobj is stopped:
                for client in clients:
                    client.close()
                return
            if key.fileobj is listener:
                client, _address = listener.accept()
                clients.add(client)
                selector.register(client, selectors.EVENT_READ)
                hole.note(connections=1)
                continue
            client = key.fileobj  # type: ignore[assignment]
            try:
                read = len(client.recv(65536))
            except OSError:
                read = 0
            hole.note(swallowed=read)
            if not read:
                selector.unregister(client)
                clients.discard(client)
                client.close()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses: it is bound, so that nobody else can have it, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
