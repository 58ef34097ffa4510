"""`guard monitor`: the evidence of drift by route and signal, and the three orders that answer an alarm."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from guard.cli.answers import printable
from guard.cli.operate import Where, ask, failed, find_endpoint

MOST_SIGNALS: Final = 8
"""Signals of a route that the table shows: those with the most evidence."""


def run(where: Where, *, as_json: bool) -> int:
    """Print what monitoring knows."""
    reply = ask(find_endpoint(where), "GET", "/monitor", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    if as_json:
        click.echo(json.dumps(reply.body))
    else:
        for line in table(reply.body):
            click.echo(printable(line))
    return 0


def order(where: Where, wanted: dict[str, Any]) -> int:
    """Give an order about a route's alarm."""
    reply = ask(find_endpoint(where), "PUT", "/monitor/order", wanted, ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    done = {
        "accept": "accepted: what is now is the new reference, once it is learned",
        "reset": "reset: the alarm was false, the reference stays",
        "expect": f"expected until {reply.body.get('expected_until')}: nothing alarms, and nothing is learned",
    }
    click.echo(f"{wanted['route']}: {done[wanted['order']]}")
    return 0


def table(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines: for each route its stage, its alarm if there is one, and its strongest signals."""
    if not document["on"]:
        yield "monitoring is off (monitor: off)"
        return
    if not document["routes"]:
        yield "no route had a request that could be looked at yet"
    for route in document["routes"]:
        yield from _route(route)
    if document["waiting"]:
        yield f"without traffic yet: {', '.join(document['waiting'][:10])}"


def _route(route: Mapping[str, Any]) -> Iterator[str]:
    yield f"{route['route']}   {route['requests']} requests looked at"
    alarm = route["alarm"]
    if alarm:
        yield f"  ALARM ({alarm['severity']}, {alarm['topic']}): {alarm['signal']} since {alarm['onset']}"
        for moved in alarm["moved"][:3]:
            yield f"    {moved['signal']} {moved['cell']}: {moved['before']:.1%} before, {moved['after']:.1%} since"
        yield f"    answer it: guard monitor accept|reset --route '{route['route']}' --reason \"…\""
    if route["expected_until"]:
        yield f"  a change is expected until {route['expected_until']}"
    share = min(1.0, route["evidence"] / route["threshold"])
    yield f"  evidence {route['evidence']:.3g} of {route['threshold']:.3g} ({share:.0%})"
    signals = sorted(route["signals"], key=lambda item: item["evidence"], reverse=True)
    for item in signals[:MOST_SIGNALS]:
        yield (
            f"    {item['signal']:40} {item['stage']:9} evidence {item['evidence']:9.3g}  effect {item['effect']:+.2f}  "
            f"psi {item['psi']:.3f}  {item['window_rows']:.0f} rows, reference {item['reference_rows']:.0f}"
        )
    if len(signals) > MOST_SIGNALS:
        yield f"    and {len(signals) - MOST_SIGNALS} more (--json)"
