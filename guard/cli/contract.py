"""`guard contract`: what a policy's routes take and answer, for people and for machines."""

import time
from pathlib import Path

import click

from guard.cli import environment
from guard.cli.check import compiled
from guard.kit.contract.formats import render


def run(policy: Path, *, form: str) -> int:
    """Print the contract; 0. Raises Refused."""
    loaded, plan = compiled(policy, as_json=form != "markdown")
    click.echo(render(form, loaded, plan, _now()), nl=False)
    return 0


def _now() -> float:
    """Times stand in examples only; SOURCE_DATE_EPOCH (reproducible-builds.org) makes two pages comparable."""
    epoch = environment().get("SOURCE_DATE_EPOCH", "")
    return float(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 12 else time.time()  # noqa: TID251 — the edge of this command
