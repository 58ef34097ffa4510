"""`guard reference learn`: the reference that a running guard has learned from live traffic, as a file."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from guard.cli.answers import printable
from guard.cli.operate import AdminAnswer, Endpoint, Where, ask, failed, find_endpoint
from guard.kit.files import read_at_most, replace
from guard.kit.rehearse.progress import Progress
from guard.monitoring.reference import LARGEST, ReferenceInvalid, parse_reference
from guard.monitoring.stages import GROSS_REQUESTS

EVERY: Final = 1.0
"""Seconds between two looks at what is learned."""


def run(where: Where, *, route: str | None, out: Path, wait: bool, reason: str, as_json: bool) -> int:
    """Have guard write what it learned, and copy that to `out` where it is on this machine."""
    endpoint = find_endpoint(where)
    if route is None:
        reply = ask(endpoint, "GET", "/monitor", ca=where.ca)
        if reply.status != 200:
            return failed(reply)
        route = _only(reply.body)
    reply = _save(endpoint, where, route, reason)
    progress = Progress(sys.stderr if wait else None, "reference")
    progress.begin(route)
    try:
        while wait and reply.status == 409:
            progress.at(*_learned(endpoint, where, route))
            time.sleep(EVERY)
            reply = _save(endpoint, where, route, reason)
    finally:
        progress.clear()
    if reply.status != 200:
        return failed(reply)
    copied = _copied(reply.body, out)
    if as_json:
        click.echo(json.dumps({**reply.body, "copied_to": str(out) if copied else None}))
        return 0
    rows, digest, file = (printable(reply.body.get(name)) for name in ("rows", "digest", "file"))
    click.echo(f"{out if copied else file}: {rows} rows, {digest}")
    if not copied:
        click.echo(f"guard wrote it on its own machine: copy {file} from there to {out}")
    click.echo(f"next: `monitor: {{reference: {out}}}` in the policy, and `guard release --part reference={out}`")
    return 0


def _save(endpoint: Endpoint, where: Where, route: str, reason: str) -> AdminAnswer:
    return ask(endpoint, "PUT", "/monitor/order", {"route": route, "order": "save", "reason": reason}, ca=where.ca)


def _only(document: Mapping[str, Any]) -> str:
    """The route, where guard watches one."""
    routes = [item["route"] for item in document["routes"]] + document["waiting"]
    if len(routes) != 1:
        raise click.UsageError(f"name one with --route: guard watches {', '.join(map(printable, routes)) or 'none'}")
    return str(routes[0])


def _learned(endpoint: Endpoint, where: Where, route: str) -> tuple[float, str]:
    """The share of the requests that learning takes, and a text for it."""
    reply = ask(endpoint, "GET", "/monitor", ca=where.ca)
    routes = reply.body.get("routes", []) if reply.status == 200 else []
    seen = next((min(item["learned"].values()) for item in routes if item["route"] == route), 0)
    return seen / GROSS_REQUESTS, f"{seen:,} of {GROSS_REQUESTS:,} requests"


def _copied(answer: Mapping[str, Any], out: Path) -> bool:
    """Whether the file is on this machine, and is at `out` now."""
    try:
        content = read_at_most(Path(str(answer.get("file"))), LARGEST)
        if parse_reference(content).digest != answer.get("digest"):
            return False
    except (OSError, ReferenceInvalid):
        return False
    try:
        replace(out, content)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    return True
