"""`guard slo`: burn rates, budgets left and lowered routes, as a table with bars."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from guard.cli.answers import printable
from guard.cli.operate import Where, ask, budget_line, failed, find_endpoint

BAR: Final = 10
WINDOWS: Final = ("5m", "1h", "6h", "3d")
WIDTH: Final = 12


def run(where: Where, *, as_json: bool) -> int:
    """Print the objectives."""
    reply = ask(find_endpoint(where), "GET", "/slo", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    if as_json:
        click.echo(json.dumps(reply.body))
        return 0
    for line in table(reply.body):
        click.echo(printable(line))
    for budget in reply.body.get("budgets", ()):
        click.echo(printable(f"budget: {budget_line(budget)}"))
    return 0


def table(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines: for each scope its objectives, each with the budget left as a bar and its burn rates."""
    if not document["objectives"]:
        yield "no objectives: the policy declares none of targets.latency_p95, error_rate, availability, model_share"
        return
    shares = ", ".join(f"{name} {share:.4%}".replace("00%", "%") for name, share in document["objectives"].items())
    yield f"objectives:  {shares}"
    yield f"acts:        {', '.join(document['act']) or 'none (targets.burn.act)'}"
    if document["volume"]["expected"] is not None:
        volume = document["volume"]
        yield f"volume:      {volume['state']}: {volume['recent']:.3g}/s, expected {volume['expected']:.3g}/s"
    if not document["scopes"]:
        yield "no traffic yet"
        return
    heads = "".join(f"{window:>{WIDTH}}" for window in WINDOWS)
    yield f"{'':30}{'state':8}{'budget left':22}{heads}"
    for scope in document["scopes"]:
        yield scope["route"] or "the whole service"
        yield from map(_objective, scope["objectives"])
        if scope["frozen"]:
            yield f"  FROZEN: {scope['frozen']}"
        if scope["descent"]:
            yield f"  {descent(scope['descent'])}"
    yield "burn rate 1 spends the budget in exactly its window; ~ the window is not full yet"


def descent(found: Mapping[str, Any]) -> str:
    """A lowered route in one line."""
    until = f"until {found['until']}" if not found["held"] else f"until a person raises it ({found['back']})"
    probes = found["probes"]
    return (
        f"LOWERED to {found['to']} since {found['since']}, {until}, as it burns {found['objective']}; "
        f"probes: {probes['bad']} of {probes['total']} bad"
    )


def _objective(found: Mapping[str, Any]) -> str:
    left = found["left"]
    full = round(max(0.0, min(1.0, left)) * BAR)
    bar = "█" * full + "░" * (BAR - full)
    rates = ""
    for window in WINDOWS:
        each = found["windows"][window]
        rates += f"{'~' if each['partial'] else ''}{each['burn']:.2f}".rjust(WIDTH)
    return f"  {found['objective']:28}{found['state']:8}{bar} {left:>9.1%}  {rates}"
