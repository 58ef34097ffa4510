"""`guard contract`: what a policy's routes take and answer, for people and for machines."""

import time
from pathlib import Path

import click

from guard.cli import environment
from guard.cli.check import compiled
from guard.kit.contract.written import written


def run(policy: Path, *, form: str) -> int:
    """Print the contract; 0. Raises Refused."""
    loaded, plan = compiled(policy, as_json=form != "markdown")
    click.echo(written(form, loaded, plan, _now()), nl=False)
    return 0


def _now() -> float:
    """Times stand in examples only; SOURCE_DATE_EPOCH (reproducible-builds.org) makes two pages comparable."""
    said = environment().get("SOURCE_DATE_EPOCH", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 12 else time.time()  # noqa: TID251 — the edge of this command
