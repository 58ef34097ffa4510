"""A guard of the rehearsal's own: on free ports, with a state folder of its own, and without telemetry to anybody."""

import json
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from guard.cli.operate import Where
from guard.kit.processes import free_port, running
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.values import Request
from guard.policy.loading import Loaded

READY_WITHIN: Final = 15.0


class Own(NamedTuple):
    """The address of the started guard, and the access to it."""

    data: str
    ops: str
    where: Where
    verify: Any
    log: Path
    pid: int


@contextmanager
def started(policy: Path, loaded: Loaded, upstream: str | None, where: Where, folder: Path) -> Iterator[Own]:
    """Serving until the end of the block. Raises click.ClickException where it is not, or where no model server is."""
    port, ops = free_port(), free_port()
    command = [
        sys.executable, "-m", "guard", "serve", str(policy.resolve()), "--listen", f"127.0.0.1:{port}",
        "--ops", f"127.0.0.1:{ops}", "--admin", "127.0.0.1:0", "--state-dir", str(folder / "state"),
        *(["--upstream", upstream] if upstream is not None else []),
    ]  # fmt: skip
    environ = {name: value for name, value in where.environ.items() if not name.startswith(("OTEL_", "GUARD_LISTEN"))}
    environ["GUARD_WEBHOOKS"] = "off"  # a drill pages nobody
    tls, admin = loaded.policy.listen.tls, loaded.policy.admin.tls
    ca = where.ca or (admin.cert.path if admin is not None else None)
    with running(command, port, folder / "guard.log", environ=environ) as process:
        own = Own(
            data=f"{'https' if tls is not None else 'http'}://127.0.0.1:{port}",
            ops=f"http://127.0.0.1:{ops}",
            where=Where(None, folder / "state", ca, {name: environ[name] for name in environ if name != "GUARD_ADMIN"}),
            verify=True if tls is None else pinned(tls.cert.path),
            log=folder / "guard.log",
            pid=process.pid,
        )
        _ready(own, upstream or str(loaded.policy.upstream.url))
        yield own


def pinned(certificate: Path) -> ssl.SSLContext:
    """Trust in the very certificate that the policy names, whatever host it is for."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context


def _ready(own: Own, upstream: str) -> None:
    """Wait until guard is ready, which requires an answer of the model server. Raises click.ClickException."""
    deadline = time.monotonic() + READY_WITHIN
    waiting: Any = None
    with Client(own.ops, verify=True, within=5.0) as client:
        while time.monotonic() < deadline:
            got = client.ask(Request("GET", "/readyz", (), b""))
            if got.status == 200:
                return
            try:
                waiting = json.loads(got.body).get("waiting")
            except (ValueError, AttributeError):
                waiting = str(got)
            time.sleep(0.1)
    tail = own.log.read_text(encoding="utf-8", errors="replace")[-1000:]
    raise click.ClickException(
        f"guard did not become ready in {READY_WITHIN:g} s, waiting for {waiting}: start the model server at {upstream}, "
        f"or give --upstream URL\n{tail}"
    )
