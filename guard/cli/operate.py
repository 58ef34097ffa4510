"""Operators' commands: what answers now, down the ladder, and back up."""

import ipaddress
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from guard.cli.answers import MOST_BYTES, is_answer, printable

REACH = "is guard running, and is this its admin listener (port 8901 unless listen.admin says another)?"
WITHIN = 5.0
"""Seconds for one answer of the API."""


@dataclass(frozen=True, slots=True)
class Where:
    """The place of the API, as the command line and the environment give it."""

    admin: str | None
    state_dir: Path | None
    ca: Path | None
    environ: dict[str, str]
    name: str = ""
    """The name that the certificate of `admin` is for, where `admin` is an address of it."""


class Endpoint(NamedTuple):
    """One API, and the secret that it knows us by. `name`: whom its certificate names, where the URL has an address."""

    url: str
    token: str
    name: str = ""


class AdminAnswer(NamedTuple):
    """An answer of the API. `status` is 0 if there is none; `body` then says why."""

    status: int
    body: dict[str, Any]
    etag: str


def find_endpoint(where: Where) -> Endpoint:
    """Find the API and its token. Raises click's usage errors, one line each."""
    url, token = where.admin, where.environ.get("GUARD_TOKEN")
    announced = None if url and token else _announced(where.state_dir)
    if announced is not None:
        url = url or announced["url"]
        if token is None and announced.get("token"):
            try:
                token = Path(announced["token"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise click.UsageError(f"cannot read the token {announced['token']}: {error.strerror}") from None
    if url is None:
        raise click.UsageError("no running guard found on this machine; give --admin HOST:PORT or --state-dir DIR")
    if token is None:
        raise click.UsageError("no token found; set GUARD_TOKEN")
    return Endpoint(trusted(url), token, where.name)


def trusted(address: str) -> str:
    """The URL of an address; a token goes to this machine or over https, nowhere else. Raises click.UsageError."""
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise click.UsageError(
            f"{address} is neither this machine nor https; guard does not send a token unencrypted over a network"
        )
    return url.rstrip("/")


def _announced(state_dir: Path | None) -> dict[str, Any] | None:
    folders = [state_dir] if state_dir is not None else [Path("/var/lib/guard"), Path.home() / ".local/state/guard"]
    for folder in folders:
        try:
            document: Any = json.loads((folder / "private" / "admin.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if (
            isinstance(document, dict)
            and isinstance(document.get("url"), str)
            and isinstance(document.get("token"), str | None)
        ):
            return document
    return None


def ask(
    endpoint: Endpoint, method: str, path: str, body: Any = None, *, ca: Path | None = None, epoch: str = ""
) -> AdminAnswer:
    """One request to the API."""
    import httpx2  # noqa: PLC0415 — 70 ms that other commands need not pay

    headers = {"authorization": f"Bearer {endpoint.token}"} | ({"if-match": epoch} if epoch else {})
    try:
        verify = (
            trust(ca) if endpoint.url.startswith("https:") else False
        )  # 20 ms of reading certificates that http has not
        with httpx2.Client(trust_env=False, timeout=WITHIN, verify=verify) as client:
            named = {"sni_hostname": endpoint.name} if endpoint.name else None
            url = f"{endpoint.url}/admin/v1{path}"
            with client.stream(method, url, json=body, headers=headers, extensions=named) as answer:
                document = json.loads(_content(answer, time.monotonic() + WITHIN))
                reply = AdminAnswer(answer.status_code, document, answer.headers.get("etag", ""))
        if is_answer(path, reply.status, document):
            return reply
    except (httpx2.HTTPError, OSError) as error:
        return AdminAnswer(0, {"code": "unreachable", "detail": f"{endpoint.url}: {type(error).__name__}; {REACH}"}, "")
    except (ValueError, RecursionError):
        pass
    return AdminAnswer(0, {"code": "unreadable", "detail": f"{endpoint.url} does not answer as guard's admin API"}, "")


def _content(answer: Any, until: float) -> bytes:
    """The body of an answer, within bounds. Raises ValueError, or OSError where it comes too slowly."""
    content = b""
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MOST_BYTES:
            raise ValueError
        if time.monotonic() > until:
            raise TimeoutError
    return content


def trust(ca: Path | None) -> Any:
    """The TLS verification for httpx2: the system's certificates or a CA file. Raises OSError."""
    if ca is None:
        return True
    import ssl  # noqa: PLC0415

    return ssl.create_default_context(cafile=str(ca))


def failed(reply: AdminAnswer) -> int:
    """Say why; 1."""
    sys.stderr.write(f"guard: {printable(reply.body.get('code'))}: {printable(reply.body.get('detail', ''))}\n")
    return 1


def status(where: Where, *, as_json: bool) -> int:
    """Print what answers now, since when, why, who set it, and how to go back."""
    reply = ask(find_endpoint(where), "GET", "/status", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    click.echo(json.dumps(reply.body, indent=2) if as_json else shown(reply.body))
    return 0


def shown(status: dict[str, Any]) -> str:
    """The status as a person at night reads it."""
    named = {"refused" if source == "none" else source: share for source, share in status["shares"].items()}
    shares = ", ".join(f"{source} {share:.1%}" for source, share in named.items()) or "no requests"
    lines = [f"answers now: {status['answers_now'] or 'no requests'}   (5 minutes: {shares}; {status['answers']} answers)"]
    mode = f"mode:        {status['mode']}"
    if status["mode"] != "normal":
        until = f", until {status['until']}" if status["until"] else ""
        mode += f" since {status['since']}{until}, by {status['who']}: {status['reason']}"
    lines.append(mode)
    for route in status["routes"]:
        breakers = ", ".join(
            f"{target} {breaker['state']}" + (" (forced)" if breaker["forced"] != "auto" else "")
            for target, breaker in route["breakers"].items()
        )
        own = f"mode {route['mode']}" + (f" ({route['why']})" if route["why"] else "")
        lines.append(f"  {route['route']:32} {own:24} breaker: {breakers or '-'}")
        if observed := route.get("observed"):
            lines.append(f"    contract NOT ENFORCED until {observed['until']}, by {observed['who']}: {observed['reason']}")
    lines += _targets(status.get("slo") or {})
    lines += [f"budget:      {budget_line(budget)}" for budget in status.get("budgets", ())]
    lines += _drift(status.get("monitor") or {})
    owner = status["owner"] or {}
    if owner:
        known = [f"{name}: {owner[name]}" for name in ("page", "runbook") if owner.get(name)]
        lines.append("   ".join((f"owner:       {owner.get('team') or '-'}", *known)))
    every = [breaker for route in status["routes"] for breaker in route["breakers"].values()]
    waits = any(item["state"] != "closed" and item["forced"] == "auto" for item in every)
    observed = [route["route"] for route in status["routes"] if route.get("observed")]
    alone = "nothing is lowered"
    if waits:
        alone = "an open breaker closes by itself when its target answers again"
    elif observed:
        alone = f"guard observe --end --route '{observed[0]}' --reason \"…\""
    lines.append(f"go back:     {status['back'] or alone}")
    policy, release = status["policy"], status["release"]
    state = "" if policy["ok"] else f"   THE FILE IS REFUSED: {'; '.join(policy['errors'][:3])}"
    lines.append(f"policy:      {policy['service']} {policy['digest'][:19]}{state}")
    if release:
        lines.append(f"release:     {_release(release)}")
    lines.append(
        f"guard:       {status['guard']}   epoch {status['epoch']}" + ("" if status["durable"] else "   NOT DURABLE")
    )
    return "\n".join(lines)


def _drift(monitor: dict[str, Any]) -> list[str]:
    """The line on monitoring; none where nothing is watched. `guard monitor` has the figures."""
    if not monitor.get("on") or not monitor.get("watched"):
        return []
    alarms = [
        f"  DRIFT ({item['severity']}): {item['route']} {item['signal']} since {item['onset']}"
        for item in monitor["alarms"]
    ]
    count = f"{len(alarms)} alarm" + ("s" if len(alarms) > 1 else "") if alarms else "no alarm"
    watched = f"{monitor['watched']} route" + ("s" if monitor["watched"] > 1 else "")
    return [f"monitoring:  {count}, {watched} watched   (guard monitor)", *alarms]


def _targets(slo: dict[str, Any]) -> list[str]:
    """The line on targets; none where nothing is measured. `guard slo` has the figures."""
    if not slo.get("measured"):
        return []
    burning = ", ".join(
        f"{item['objective']} of {item['route'] or 'the service'} {item['state']}, {item['left']:.0%} left"
        for item in slo["burning"][:3]
    )
    lowered = [
        f"  LOWERED to {item['to']}: {item['route']} burns {item['objective']}; {item['back']}" for item in slo["lowered"]
    ]
    return [f"targets:     {burning or 'kept'}   (guard slo)", *lowered]


def budget_line(budget: dict[str, Any]) -> str:
    """A budget of the day in one line: whose it is, what is spent and held, and what happens."""
    acts = {"alert": "only alerts", "next": "then the next rung", "deny": "then 429"}[budget["on_spent"]]
    held = f", {budget['held']:.6g} held" if budget["held"] else ""
    spent = f"   SPENT until {budget['ends']}" if budget["closed"] else ""
    lost = "" if budget["durable"] else "   NOT DURABLE"
    return (
        f"{budget['route'] or 'the service'}: {budget['spent']:.6g} of {budget['limit']:.6g} {budget['currency']} spent "
        f"({budget['share']:.1%}){held}, {acts}{', strict' if budget['strict'] else ''}{spent}{lost}"
    )


def _release(status: dict[str, Any]) -> str:
    commit = f", commit {status['commit'][:12]}" if status["commit"] else ""
    approved = f", approved by {status['approved_by']}" if status["approved_by"] else ""
    differs = "   THE CONTRACT IS NOT THIS RELEASE'S" if status["contract"] == "differs" else ""
    return f"{status['model'] or '-'} {status['version']}{commit}{approved}{differs}"


def kill(where: Where, order: dict[str, Any]) -> int:
    """Send a service or a route down its ladder."""
    reply = ask(find_endpoint(where), "PUT", "/mode", order, ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    body = reply.body
    scope = body["route"] or "every route"
    click.echo(f"in force: {scope} answers from {body['mode']} or below, epoch {body['epoch']}")
    if order.get("cut"):
        click.echo(f"streams cut: {body['cut']}")
    _warn_of_a_restart(body, "forgets this")
    return 0


def _warn_of_a_restart(body: dict[str, Any], does: str) -> None:
    """Warn of what a restart does while the order is not on disk."""
    if not body["durable"]:
        why = "the disk is slow or guard cannot write its state folder"
        click.echo(f"NOT DURABLE yet: {why}; until it is, a restart {does} (`guard status`)", err=True)


def restore(where: Where, route: str | None, reason: str) -> int:
    """Back up: with the epoch of the status that was just read."""
    endpoint = find_endpoint(where)
    before = ask(endpoint, "GET", "/status", ca=where.ca)
    if before.status != 200:
        return failed(before)
    order = {"mode": "normal", "reason": reason, "route": route}
    reply = ask(endpoint, "PUT", "/mode", order, ca=where.ca, epoch=before.etag)
    if reply.status != 200:
        return failed(reply)
    click.echo(f"in force: {route or 'every route'} answers from the top of its ladder, epoch {reply.body['epoch']}")
    _warn_of_a_restart(reply.body, "lowers it again")
    after = ask(endpoint, "GET", "/status", ca=where.ca)
    if after.status == 200 and after.body["back"]:
        click.echo(f"still lowered; to go back: {after.body['back']}")
    return 0


def observe(where: Where, order: dict[str, Any]) -> int:
    """Count violations of a route and deny nothing, for a time; or enforce its contract again."""
    route, ends = order["route"], order["enforcement"] == "enforce"
    reply = ask(find_endpoint(where), "PUT", "/enforcement", order, ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    if not reply.body.get("in_force", True):
        will = "enforced" if ends else "observed"
        click.echo(f"ordered: the contract of {route} will be {will} once the policy is compiled (`guard status`)")
        return 0
    holds = "enforced again" if ends else "observed, not enforced"
    click.echo(f"in force: the contract of {route} is {holds}, epoch {reply.body['epoch']}")
    _warn_of_a_restart(reply.body, "observes it again" if ends else "enforces it again")
    return 0


def audit(where: Where, limit: int, *, as_json: bool) -> int:
    """Print the audit log, the newest entry first."""
    reply = ask(find_endpoint(where), "GET", f"/audit?limit={limit}", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    for entry in reply.body["entries"]:
        click.echo(json.dumps(entry) if as_json else entry_line(entry))
    return 0


def entry_line(entry: dict[str, Any]) -> str:
    """An entry of the audit log as one line."""
    subject = " ".join(str(entry[key]) for key in ("what", "route", "target") if entry.get(key))
    return f"{entry['at']}  {entry['who']}: {subject} {entry['from']} -> {entry['to']}: {entry['why']}"


def token(name: str, role: str) -> int:
    """A new secret, shown once, and the line for the token file."""
    from guard.control.tokens import generate, is_name, line  # noqa: PLC0415

    if not is_name(name):
        raise click.BadParameter(
            f"{name!r} is no name that a token file can hold; expected 1 to 64 letters, digits and the signs . _ @ -"
        )
    secret = generate()
    click.echo(f"secret (shown once):       {secret}", err=True)
    click.echo(line(name, role, secret))  # type: ignore[arg-type]
    return 0


def environment() -> dict[str, str]:
    """The environment, read here and handed down."""
    return dict(os.environ)  # noqa: TID251 — operators' commands read GUARD_TOKEN
