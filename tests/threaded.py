"""Servers of the standard library in a thread of the test's own process."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Server = TypeVar("Server", bound=socketserver.BaseServer)
WITHIN = 20.0


@contextmanager
def threaded(server: Server) -> Iterator[Server]:
    """A server that serves, and is closed at the end.

    `shutdown` waits for the next look at its flag: every 20 ms here, half a second unless it is said.
    """
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(WITHIN)
