"""`guard release history`: the steps, and whether their chain holds."""

import json
from pathlib import Path

import click

from guard.kit.candidate import history
from guard.kit.candidate.history import HistoryBroken


def run(policy: Path, limit: int, *, as_json: bool) -> int:
    """0: the chain holds. 1: it is broken, and where."""
    try:
        steps = history.read(policy)
    except HistoryBroken as error:
        click.echo(f"guard: {error}", err=True)
        return 1
    except OSError as error:
        click.echo(f"guard: {error.filename}: {error.strerror}", err=True)
        return 1
    for step in steps[-limit:]:
        if as_json:
            click.echo(json.dumps(step))
            continue
        named = f" {step['version']}" if step["version"] else ""
        evidence = "".join(f"  {kind} {digest[:19]}" for kind, digest in step["evidence"].items())
        click.echo(f"{step['at']}  {step['who']}: {step['step']}{named}: {step['outcome']}: {step['detail']}{evidence}")
    if not steps and not as_json:
        click.echo(
            f"no history: {history.place(policy)} does not exist; `guard release test` and the steps after it write it"
        )
    return 0
