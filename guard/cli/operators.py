"""Operators' commands as click sees them; what they do is in `operate`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from guard.cli.summaries import Summaries
from guard.proxy.values import RULES, SOURCES

LOWER = SOURCES[1:]


def with_endpoint(command: Callable[..., int]) -> Callable[..., int]:
    """The options by which every operators' command finds the API."""
    for option in (
        click.option("--ca", type=click.Path(dir_okay=False, path_type=Path), help="CA bundle for https."),
        click.option(
            "--state-dir",
            envvar="GUARD_STATE_DIR",
            type=click.Path(path_type=Path),
            help="State folder of the running guard, which names its admin API.",
        ),
        click.option("--admin", envvar="GUARD_ADMIN", metavar="HOST:PORT|URL", help="Address of the admin API."),
    ):
        command = option(command)
    return command


def where(admin: str | None, state_dir: Path | None, ca: Path | None) -> Any:
    """The values of these options, with the environment."""
    from guard.cli.operate import Where, environment  # noqa: PLC0415

    return Where(admin, state_dir, ca, environment())


def with_peers(what: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option by which a command reaches every replica."""
    return click.option("--peers", metavar="HOST:PORT,…|dns:NAME:PORT", help=f"{what} every replica; needs GUARD_TOKEN.")


def seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """Read a duration such as 15m, in seconds."""
    if value is None:
        return None
    from guard.policy.scalars import Misread, read_duration  # noqa: PLC0415 — where one is said

    try:
        return read_duration(value)
    except Misread as error:
        raise click.BadParameter(f"{error}; expected {(error.context or {})['expected']}") from None


@click.command()
@with_endpoint
@with_peers("Ask")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def status(admin: str | None, state_dir: Path | None, ca: Path | None, peers: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Show what answers now, since when, why, and how to go back."""
    from guard.cli import operate  # noqa: PLC0415
    from guard.cli import peers as replicas  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    return operate.status(at, as_json=as_json) if peers is None else replicas.status(at, peers, as_json=as_json)


@click.command()
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def slo(admin: str | None, state_dir: Path | None, ca: Path | None, as_json: bool) -> int:  # noqa: FBT001
    """Show how fast the targets burn their budgets, and what is left of each."""
    from guard.cli import slo as table  # noqa: PLC0415

    return table.run(where(admin, state_dir, ca), as_json=as_json)


@click.command()
@with_endpoint
@click.option(
    "--to", type=click.Choice(LOWER), default=RULES, help="The highest source that may answer.", show_default=True
)
@click.option("--route", metavar="'METHOD /path'", help="Change only this route.")
@click.option("--ttl", callback=seconds, metavar="30m", help="Restore by itself after this time.")
@click.option("--cut", is_flag=True, help="Also end running streams.")
@click.option("--reason", required=True, help="Reason for the audit log.")
@with_peers("Send the order to")
def kill(
    admin: str | None, state_dir: Path | None, ca: Path | None, to: str, route: str | None, ttl: float | None,
    cut: bool, reason: str, peers: str | None,  # noqa: FBT001
) -> int:  # fmt: skip
    """Stop answering from the model at once. A route without the source TO takes its next lower one."""
    from guard.cli import operate  # noqa: PLC0415
    from guard.cli import peers as replicas  # noqa: PLC0415

    order = {"mode": to, "reason": reason, "ttl": ttl, "route": route, "cut": cut}
    at = where(admin, state_dir, ca)
    return operate.kill(at, order) if peers is None else replicas.kill(at, order, peers)


@click.command()
@with_endpoint
@click.option("--route", metavar="'METHOD /path'", help="Change only this route.")
@click.option("--reason", required=True, help="Reason for the audit log.")
@with_peers("Send the order to")
def restore(
    admin: str | None, state_dir: Path | None, ca: Path | None, route: str | None, reason: str, peers: str | None
) -> int:
    """Let the model answer again."""
    from guard.cli import operate  # noqa: PLC0415
    from guard.cli import peers as replicas  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    return operate.restore(at, route, reason) if peers is None else replicas.restore(at, route, reason, peers)


@click.command()
@with_endpoint
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Number of entries, the newest first."
)
@with_peers("Ask")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def audit(
    admin: str | None, state_dir: Path | None, ca: Path | None, limit: int, peers: str | None, as_json: bool  # noqa: FBT001
) -> int:  # fmt: skip
    """Show who did what, when and why."""
    from guard.cli import operate  # noqa: PLC0415
    from guard.cli import peers as replicas  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    if peers is None:
        return operate.audit(at, limit, as_json=as_json)
    return replicas.audit(at, limit, peers, as_json=as_json)


@click.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(("viewer", "operator", "labels")),
    default="operator",
    show_default=True,
    help="A viewer reads; an operator may also change; `labels` only sends labels.",
)
def token(name: str, role: str) -> int:
    """Make a secret for NAME. Prints it once, with its line for the token file."""
    from guard.cli import operate  # noqa: PLC0415

    return operate.token(name, role)


@click.command()
@with_endpoint
@click.option("--route", required=True, metavar="'METHOD /path'", help="Route whose contract is no longer enforced.")
@click.option("--ttl", callback=seconds, metavar="15m", help="Enforce again after this time. Required without --end.")
@click.option("--end", is_flag=True, help="Enforce the contract again now.")
@click.option("--reason", required=True, help="Reason for the audit log.")
@with_peers("Send the order to")
def observe(
    admin: str | None, state_dir: Path | None, ca: Path | None, route: str, ttl: float | None, end: bool,  # noqa: FBT001
    reason: str, peers: str | None,
) -> int:  # fmt: skip
    """Stop enforcing the contract of a route for a time, when the contract itself is wrong."""
    from guard.cli import operate  # noqa: PLC0415
    from guard.cli import peers as replicas  # noqa: PLC0415

    if end == (ttl is not None):
        raise click.UsageError("give either --ttl TIME, to observe for a time, or --end, to enforce again now")
    order = {"route": route, "enforcement": "enforce" if end else "observe", "ttl": ttl, "reason": reason}
    at = where(admin, state_dir, ca)
    return operate.observe(at, order) if peers is None else replicas.observe(at, order, peers)


def _requests(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, Path]:
    named = {}
    for item in value:
        route, equals, file = item.partition("=")
        if not equals:
            raise click.BadParameter(f"{item!r} names no file; expected 'METHOD /path=FILE'")
        if not Path(file).is_file():
            raise click.BadParameter(f"no file {file!r}; expected 'METHOD /path=FILE'")
        named[route] = Path(file)
    return named


@click.command()
@with_endpoint
@click.argument("policy", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    default="http://127.0.0.1:8900",
    show_default=True,
    metavar="URL",
    help="URL of guard's data listener. With --peers one for each, or {host} in one for all.",
)
@click.option(
    "--request",
    "requests",
    multiple=True,
    callback=_requests,
    metavar="'METHOD /path=FILE'",
    help="Request body to send to a route. May be repeated.",
)
@with_peers("Drill, one after the other,")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def drill(
    admin: str | None, state_dir: Path | None, ca: Path | None, policy: Path, data: str, requests: dict[str, Path],
    peers: str | None, as_json: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Lower the running service of POLICY rung by rung, then restore it. Exit 1 if a rung breaks its promise."""
    from guard.cli import peers as replicas  # noqa: PLC0415
    from guard.kit import drill as kit  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    if peers is None:
        return kit.run(at, policy, data.rstrip("/"), requests, as_json=as_json)
    return replicas.drill(
        at, peers, data, lambda peer, listener: kit.run(peer, policy, listener, requests, as_json=as_json)
    )


@click.group(cls=Summaries)
def labels() -> None:
    """Send labels: what turned out to be true of predictions."""


@labels.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_endpoint
@click.option("--from", "begin", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Begin with the Nth label, to go on where a run ended. Sending one twice is safe.")  # fmt: skip
def send(file: Path, admin: str | None, state_dir: Path | None, ca: Path | None, begin: int) -> int:
    """Send the labels in FILE: CSV with the columns receipt, label, row, at; or JSON lines. Exit 1 if any was rejected."""
    from guard.cli import labels as run  # noqa: PLC0415

    return run.send(where(admin, state_dir, ca), file, begin)


@click.command()
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def quality(admin: str | None, state_dir: Path | None, ca: Path | None, as_json: bool) -> int:  # noqa: FBT001
    """Show what labels say of each model version: true quality with 95 % intervals."""
    from guard.cli import labels as run  # noqa: PLC0415

    return run.quality(where(admin, state_dir, ca), as_json=as_json)


@click.command()
@click.argument("policy", type=click.Path(dir_okay=False, path_type=Path), required=False)
@with_endpoint
@click.option("--ops", envvar="GUARD_OPS", metavar="HOST:PORT", help="Ops listener of the guard. Default: the policy's.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Log of the guard, of which the last events are taken.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default="guard-debug.tar.gz",
              metavar="FILE", help="Archive to write.", show_default=True)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def debug(
    policy: Path | None, admin: str | None, state_dir: Path | None, ca: Path | None, ops: str | None, log: Path | None,
    output: Path, as_json: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Write a redacted archive for a bug report. Without POLICY, the policy in force is asked of the running guard."""
    from guard.cli import debug as archive  # noqa: PLC0415

    return archive.run(where(admin, state_dir, ca), policy, ops=ops, log=log, output=output, as_json=as_json)


COMMANDS = (labels, quality, status, slo, kill, restore, observe, drill, audit, token, debug)
