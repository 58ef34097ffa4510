"""`--peers`: one order or one question to every replica at once, and a table of what each answered.

The replicas share a token file, so GUARD_TOKEN holds one secret for all of them. A replica that cannot be reached, or that
refuses, has its line in the table; the others are done all the same, and the command ends with 1.
"""

import json
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import click

from guard.cli.answers import printable
from guard.cli.operate import AdminAnswer, Endpoint, Where, ask, entry_line, trusted

AT_ONCE: Final = 64
"""Replicas that are asked at the same time."""


def kill(where: Where, order: dict[str, Any], peers: str) -> int:
    """Send every replica down its ladder. Returns 0 if all have done it, else 1."""
    return _order(where, peers, lambda peer: ask(peer, "PUT", "/mode", order, ca=where.ca))


def restore(where: Where, route: str | None, reason: str, peers: str) -> int:
    """Let the model answer at every replica: each with the epoch of its own status, read just before."""

    def restore_one(peer: Endpoint) -> AdminAnswer:
        before = ask(peer, "GET", "/status", ca=where.ca)
        if before.status != 200:
            return before
        return ask(
            peer, "PUT", "/mode", {"mode": "normal", "reason": reason, "route": route}, ca=where.ca, epoch=before.etag
        )

    return _order(where, peers, restore_one)


def observe(where: Where, order: dict[str, Any], peers: str) -> int:
    """Observe a contract, or enforce it again, at every replica."""
    return _order(where, peers, lambda peer: ask(peer, "PUT", "/enforcement", order, ca=where.ca))


def status(where: Where, peers: str, *, as_json: bool) -> int:
    """Show what answers at every replica, and in what they differ."""
    endpoints = _endpoints(where, peers)
    answers = _ask_all(endpoints, lambda peer: ask(peer, "GET", "/status", ca=where.ca))
    failures = sum(reply.status != 200 for reply in answers)
    if as_json:
        rows = zip(endpoints, answers, strict=True)
        click.echo(json.dumps([{"peer": peer.url, "status": reply.status, **reply.body} for peer, reply in rows], indent=2))
        return 1 if failures else 0
    for peer, reply in zip(endpoints, answers, strict=True):
        click.echo(f"  {peer.url:40} {_summary(reply.body) if reply.status == 200 else _failure(reply)}")
    reached = [reply.body for reply in answers if reply.status == 200]
    policies = sorted({body["policy"]["digest"][:19] for body in reached})
    if len(policies) > 1:
        click.echo(f"they run different policies: {', '.join(policies)}")
    lowered = sum(bool(body["back"]) for body in reached)
    click.echo(f"{len(reached)} of {len(endpoints)} answered; {lowered} lowered by an order")
    return 1 if failures else 0


def audit(where: Where, limit: int, peers: str, *, as_json: bool) -> int:
    """Show the audit entries of every replica in one list, the newest first."""
    endpoints = _endpoints(where, peers)
    answers = _ask_all(endpoints, lambda peer: ask(peer, "GET", f"/audit?limit={limit}", ca=where.ca))
    entries = [
        {**entry, "peer": peer.url}
        for peer, reply in zip(endpoints, answers, strict=True)
        if reply.status == 200
        for entry in reply.body["entries"]
    ]
    for entry in sorted(entries, key=lambda entry: entry["at"], reverse=True)[:limit]:
        click.echo(json.dumps(entry) if as_json else f"{entry['peer']:32} {entry_line(entry)}")
    failures = [(peer, reply) for peer, reply in zip(endpoints, answers, strict=True) if reply.status != 200]
    for peer, reply in failures:
        click.echo(f"  {peer.url:40} {_failure(reply)}", err=True)
    return 1 if failures else 0


def drill(where: Where, peers: str, data: str, drill_one: Callable[[Where, str], int]) -> int:
    """Drill one replica after the other, so that the others serve meanwhile. Returns 0 if all kept their promises, else 1.

    `data`: the URL of each replica's data listener, separated by commas, or one URL for all with `{host}` in it.
    """
    endpoints, listeners = _endpoints(where, peers), data.split(",")
    if len(listeners) == 1:
        listeners *= len(endpoints)
    if len(listeners) != len(endpoints):
        raise click.UsageError(f"--data names {len(listeners)} listeners for {len(endpoints)} peers; name one for each")
    if len(endpoints) > 1 and len({*listeners}) == 1 and "{host}" not in listeners[0]:
        raise click.UsageError("--data is the same listener for every peer; write {host} in it, or one URL for each peer")
    codes = []
    for peer, listener in zip(endpoints, listeners, strict=True):
        click.echo(f"{peer.url}:")
        host = urlsplit(peer.url).hostname or ""
        at = replace(where, admin=peer.url, name=peer.name)
        codes.append(drill_one(at, listener.strip().rstrip("/").replace("{host}", f"[{host}]" if ":" in host else host)))
    click.echo(f"drilled {codes.count(0)}/{len(codes)} replicas without a fault")
    return max(codes)


def _order(where: Where, peers: str, order: Callable[[Endpoint], AdminAnswer]) -> int:
    endpoints = _endpoints(where, peers)
    begun = time.perf_counter()
    answers = _ask_all(endpoints, order)
    applied = sum(reply.status == 200 for reply in answers)
    for peer, reply in zip(endpoints, answers, strict=True):
        result = f"epoch {reply.body['epoch']}" if reply.status == 200 else _failure(reply)
        durable = "" if reply.status != 200 or reply.body["durable"] else "  NOT DURABLE"
        later = "" if reply.status != 200 or reply.body.get("in_force", True) else "  once its policy is compiled"
        click.echo(f"  {peer.url:40} {result}{later}{durable}")
    click.echo(f"applied {applied}/{len(endpoints)} in {time.perf_counter() - begun:.2f} s")
    return 0 if applied == len(endpoints) else 1


def _ask_all(endpoints: list[Endpoint], ask_one: Callable[[Endpoint], AdminAnswer]) -> list[AdminAnswer]:
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(endpoints))) as pool:
        return list(pool.map(ask_one, endpoints))


def _failure(reply: AdminAnswer) -> str:
    return f"FAILED {printable(reply.body.get('code'))}"


def _summary(body: dict[str, Any]) -> str:
    mode = str(body["mode"])
    if mode != "normal":
        mode += f" by {printable(body['who'])}: {printable(body['reason'])}"
    routes = [f"{printable(route['route'])} {route['mode']}" for route in body["routes"] if route["mode"] != "normal"]
    observed = [f"{printable(route['route'])} NOT ENFORCED" for route in body["routes"] if route.get("observed")]
    refused = [] if body["policy"]["ok"] else ["POLICY FILE REFUSED"]
    answers = f"answers: {printable(body['answers_now'] or 'no requests')}"
    return "  ".join((answers, f"mode: {mode}", *(routes if body["mode"] == "normal" else ()), *observed, *refused))


def _endpoints(where: Where, peers: str) -> list[Endpoint]:
    token = where.environ.get("GUARD_TOKEN")
    if token is None:
        raise click.UsageError("peers share a token file; set GUARD_TOKEN to its secret")
    return [Endpoint(trusted(url), token, name) for url, name in addresses(peers, socket.getaddrinfo)]


def addresses(peers: str, resolve: Callable[..., Sequence[Any]]) -> list[tuple[str, str]]:
    """`host:port,…`, or `dns:NAME:PORT` for every address of a name. Raises click.UsageError.

    Each with the name that its certificate must be for: nobody has certificates for the addresses of pods.
    """
    endpoints: list[tuple[str, str]] = []
    for peer in peers.split(","):
        if not peer.startswith("dns:"):
            endpoints.append((peer.strip(), ""))
            continue
        _, name, port = ([*peer.split(":"), "", ""])[:3]
        try:
            known = {info[4][0] for info in resolve(name, int(port), type=socket.SOCK_STREAM)}
        except (OSError, ValueError) as error:
            raise click.UsageError(f"cannot resolve {peer}: {error}") from None
        endpoints += [(f"https://[{ip}]:{port}" if ":" in ip else f"https://{ip}:{port}", name) for ip in sorted(known)]
    if not all(url for url, _ in endpoints):
        raise click.UsageError("--peers contains an empty address")
    return endpoints
