"""HTTP/1.1 of the admin listener: uvicorn's protocol behind an acceptor's seat and the gate.

A connection carries one request. Its head is bounded in bytes and judged by the gate as soon as it is complete; what the
gate refuses is answered here, without a task or the application. What follows a refusal or the first request is dropped.
The connection closes only after the client has, within the acceptor's bounds, so that no reset destroys an answer.
"""

import asyncio
import json
import logging
import ssl
from email.utils import formatdate
from http import HTTPStatus
from socket import socket
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from guard.control.acceptor import Acceptor, Bounds, Rank, Seat
from guard.control.console.access import Asked
from guard.control.gate import Gate, Problem

MOST_HEAD: Final = 16384
"""Bytes of a request's line and headers."""


class AdminListener:
    """Serves an ASGI application on a listening socket, until it is closed."""

    def __init__(self, application: Any, gate: Gate) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # or any client could fill the log with its warnings
        self._config = Config(
            application, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False, http="httptools"
        )
        self._config.load()
        self._gate = gate
        self._state = ServerState()
        self.acceptor: Acceptor

    def start(self, listener: socket, bounds: Bounds, tls: ssl.SSLContext | None) -> None:
        """Begin to accept."""
        self.acceptor = Acceptor(listener, self._protocol, bounds, tls)

    def close(self) -> None:
        """Close the listener and every connection, and cancel what is being answered."""
        self.acceptor.close()
        for task in tuple(self._state.tasks):
            task.cancel()

    def _protocol(self, seat: Seat) -> "AdminProtocol":
        return AdminProtocol(seat, self._gate, self._config, self._state)


class AdminProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, seat: Seat, gate: Gate, config: Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._seat, self._gate = seat, gate
        self._received = 0
        self._judged = self._over = self._closing = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client's first bytes are there."""
        super().connection_made(transport)
        self._seat.arrive(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was closed."""
        super().connection_lost(exc)
        self._seat.leave()

    def data_received(self, data: bytes) -> None:
        """The head, its bytes counted, and then the body, which the application bounds."""
        if self._over or self.parser is None:
            return
        self._received += len(data)
        super().data_received(data)
        if not self._judged and not self._over and self._received > MOST_HEAD:
            self._refuse(Problem(431, "headers_too_large"))

    def on_message_begin(self) -> None:
        """A second request is not read."""
        if self._judged:
            self._over = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The gate decides whether anything is done for this request."""
        if self._over:
            return
        self._judged = True
        path = self.url.partition(b"?")[0].decode("latin-1")
        verdict = self._gate.judge(self.headers, Asked(self.parser.get_method().decode(), path, self._seat.peer))
        if isinstance(verdict, Problem):
            self._refuse(verdict)
            return
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        super().on_headers_complete()
        self.cycle.keep_alive = False
        self.cycle.transport = _LastAnswer(self)  # type: ignore[assignment]
        self._seat.move(Rank.TRUSTED if verdict.role == "operator" else Rank.SERVED)

    def on_body(self, body: bytes) -> None:
        """A part of the body of the first request."""
        if not self._over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The first request is complete."""
        if not self._over:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject anything that is not HTTP with one error of guard's own; do nothing once an answer has begun."""
        del msg
        if self.cycle is None or not self.cycle.response_started:
            if self.cycle is not None:  # its body is no HTTP: the application reads a client that has gone
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._refuse(Problem(400, "bad_request"))
        elif not self.cycle.response_complete:
            self._seat.close()

    def resume_writing(self) -> None:
        """The client took what was written."""
        super().resume_writing()
        if self._closing:
            self._seat.move(Rank.ANSWERED)

    def finish(self) -> None:
        """The answer is handed to the transport: end our side, and wait for the client's end."""
        self._over = True
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._closing = True  # the served rank's deadline holds until the client has taken it
        else:
            self._seat.move(Rank.ANSWERED)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:  # TLS has an end of its own
            self.transport.close()
        self.flow.resume_reading()

    def _refuse(self, problem: Problem) -> None:
        body = json.dumps(problem.document()).encode()
        head = {
            "date": formatdate(usegmt=True), "content-type": "application/problem+json", "content-length": str(len(body)),
            "connection": "close", **problem.headers(),
        }  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
        bodiless = self._judged and self.parser.get_method() == b"HEAD"
        self.transport.write(f"{status}{lines}\r\n".encode() + (b"" if bodiless else body))
        self.finish()


class _LastAnswer:
    """The transport as uvicorn writes an answer to it: its end is ours to decide."""

    def __init__(self, protocol: AdminProtocol) -> None:
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """The answer is written."""
        self._protocol.finish()
