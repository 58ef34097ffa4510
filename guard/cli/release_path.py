"""The steps of a release that a running guard takes, as click sees them; what they do is in `release_orders`."""

from pathlib import Path
from typing import Any

import click

from guard.cli.launch import FILE
from guard.cli.operators import where, with_endpoint
from guard.cli.release import DURATION

REASON = click.option("--reason", required=True, help="Reason for the audit log.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
ENGINE = click.option("--policy", type=FILE, help="Policy whose engine does its part after the order.")
AGAIN = click.option("--again", metavar="REASON", help="Try a candidate that was aborted once more.")
WAIT = click.option(
    "--wait", callback=DURATION, metavar="1h", help="Wait so long for a verdict, or for all that the step has to see."
)


def _order(kind: str, options: dict[str, Any]) -> int:
    from guard.cli import release_orders  # noqa: PLC0415

    place = where(options.pop("admin"), options.pop("state_dir"), options.pop("ca"))
    policy: Path | None = options.pop("policy", None)
    as_json, wait = options.pop("as_json"), options.pop("wait", None)
    return release_orders.order(place, kind, options, policy, wait, as_json=as_json)


@click.command()
@with_endpoint
@REASON
@click.option("--aa", "noise", is_flag=True, help="Ask the model itself: how often it differs from itself.")
@AGAIN
@WAIT
@JSON
def shadow(**options: Any) -> int:
    """Copy requests to the candidate after their reply, and compare both answers. No client waits for a copy."""
    return _order("shadow", options)


@click.command()
@with_endpoint
@REASON
@click.option("--step", type=click.IntRange(1, 100), help="Step to take. Default: the next one.")
@AGAIN
@WAIT
@JSON
def canary(**options: Any) -> int:
    """Let the candidate answer the next share of clients. Exit 1 if the order is refused, with the numbers missing."""
    return _order("canary", options)


@click.command()
@with_endpoint
@REASON
@click.option("--override", metavar="REASON", help="Promote although gates do not hold. It is audited.")
@ENGINE
@JSON
def promote(**options: Any) -> int:
    """Make the candidate the model, and the model the previous one. Exit 1 if gates do not hold, which are named."""
    return _order("promote", options)


@click.command()
@with_endpoint
@REASON
@ENGINE
@JSON
def rollback(**options: Any) -> int:
    """Make the previous model the model again. It is never gated, and needs neither engine nor registry."""
    return _order("rollback", options)


@click.command()
@with_endpoint
@REASON
@ENGINE
@JSON
def abort(**options: Any) -> int:
    """Ask the candidate nothing more. Its record's digest is refused until --again."""
    return _order("abort", options)


@click.command()
@with_endpoint
@JSON
def verdict(admin: str | None, state_dir: Path | None, ca: Path | None, as_json: bool) -> int:  # noqa: FBT001
    """Print the verdict on the candidate. Exit 0 if it passes, 1 if it fails, 3 if nothing is proven."""
    from guard.cli import release_orders  # noqa: PLC0415

    return release_orders.verdict(where(admin, state_dir, ca), as_json=as_json)


@click.command()
@with_endpoint
@JSON
def status(admin: str | None, state_dir: Path | None, ca: Path | None, as_json: bool) -> int:  # noqa: FBT001
    """Show who is model, candidate and previous, the verdict, and what to commit to the policy."""
    from guard.cli import release_orders  # noqa: PLC0415

    return release_orders.status(where(admin, state_dir, ca), as_json=as_json)


COMMANDS: tuple[click.Command, ...] = (shadow, canary, promote, rollback, abort, verdict, status)
