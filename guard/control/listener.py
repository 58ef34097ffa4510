"""The admin listener: who may reach it, with which tokens, and how the commands of this machine find it."""

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from guard.control.state import StateFolder
from guard.control.tokens import Identity, Tokens, generate, line
from guard.policy.scalars import Address

OWN_TOKEN: Final = "admin.token"
ANNOUNCEMENT: Final = "admin.json"
LOOPBACK: Final = frozenset(("127.0.0.1", "[::1]", "localhost"))


class Keys:
    """The configured token file, read again when its content changes, or a token made at start for this machine."""

    def __init__(self, file: Callable[[], str] | None, own: str | None) -> None:
        """`file` reads the configured tokens and may raise OSError; `own` is the secret that was made at start."""
        self._file = file
        self._text: str | None = None
        self._tokens = Tokens(line("local", "operator", own) if own is not None else "")

    def identify(self, secret: str) -> Identity | None:
        """Whose secret this is. A file that cannot be read any more leaves its last content in force."""
        if self._file is not None:
            try:
                text = self._file()
                if text != self._text:
                    self._tokens, self._text = Tokens(text), text
            except (OSError, ValueError):
                pass
        return self._tokens.identify(secret)


def own_token(state: StateFolder) -> str:
    """The secret of this machine, made once. Raises OSError."""
    kept = state.read(OWN_TOKEN)
    if kept:
        return kept.decode().strip()
    secret = generate()
    state.save(OWN_TOKEN, secret.encode() + b"\n")
    return secret


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts(where: Address) -> frozenset[str]:
    """The names under which the API may be asked for: its address, every address of this machine where it has none."""
    names = {f"[{where.host}]" if ":" in where.host else where.host, *LOOPBACK}
    if where.host in {"0.0.0.0", "::"}:  # noqa: S104 — listened on, not bound here
        names.add(socket.gethostname().lower())
        names |= {str(info[4][0]) for info in _addresses()}
    return frozenset(names)


def _addresses() -> list[Any]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []


def bind(where: Address) -> socket.socket:
    """Listen. Raises OSError."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((where.host, where.port))
        listener.listen(64)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def server(application: Any, tls: ssl.SSLContext | None) -> Any:
    """A uvicorn that is ready to run. Signals are the sidecar's, so it gets none."""
    import uvicorn  # noqa: PLC0415 — after the data listener is bound

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        application, log_config=None, access_log=False, lifespan="off", server_header=False, date_header=True,
        ws="none", proxy_headers=False, timeout_keep_alive=5, limit_concurrency=64, timeout_graceful_shutdown=1,
        loop="none", http="httptools",
    )  # fmt: skip
    config.load()
    config.ssl = tls
    return Server(config)


async def run(server: Any, listener: socket.socket) -> None:
    """Serve the API until cancelled."""
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        server.should_exit = True
        raise


def announce(state: StateFolder, address: str, token: Path | None, *, tls: bool) -> None:
    """Tell the commands of this machine where the API is. Raises OSError."""
    scheme = "https" if tls else "http"
    document = {"url": f"{scheme}://{address}", "token": str(token) if token is not None else None}
    state.save(ANNOUNCEMENT, json.dumps(document).encode())
