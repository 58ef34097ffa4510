"""The admin listener of this machine: its names, the token made for it, and how its commands find it."""

import json
import socket
from pathlib import Path
from typing import Any, Final

from guard.control.state import StateFolder
from guard.control.tokens import generate
from guard.policy.scalars import Address

OWN_TOKEN: Final = "admin.token"
ANNOUNCEMENT: Final = "admin.json"
LOOPBACK: Final = frozenset(("127.0.0.1", "[::1]", "localhost"))


def own_token(state: StateFolder) -> str:
    """The secret of this machine, made once. Raises OSError."""
    token = state.read(OWN_TOKEN)
    if token:
        return token.decode().strip()
    secret = generate()
    state.save(OWN_TOKEN, secret.encode() + b"\n")
    return secret


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


def announce(state: StateFolder, address: str, token: Path | None, *, tls: bool) -> None:
    """Tell the commands of this machine where the API is. Raises OSError."""
    scheme = "https" if tls else "http"
    document = {"url": f"{scheme}://{address}", "token": str(token) if token is not None else None}
    state.save(ANNOUNCEMENT, json.dumps(document).encode())
