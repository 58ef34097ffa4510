"""`guard monitor` as click sees it; what it does is in `drift`."""

from pathlib import Path

import click

from guard.cli.operators import seconds, where, with_endpoint
from guard.cli.summaries import Summaries


@click.group(cls=Summaries, invoke_without_command=True)
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.pass_context
def monitor(
    context: click.Context, admin: str | None, state_dir: Path | None, ca: Path | None, as_json: bool  # noqa: FBT001
) -> int:  # fmt: skip
    """Show whether inputs and answers are as they were, and answer an alarm."""
    from guard.cli import drift as table  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    context.obj = at
    return 0 if context.invoked_subcommand is not None else table.run(at, as_json=as_json)


def _order(name: str, text: str) -> None:
    @monitor.command(name, help=text)
    @with_endpoint
    @click.option("--route", required=True, metavar="'METHOD /path'", help="Route of the alarm.")
    @click.option("--signal", metavar="SIGNAL", help="Signal of the alarm, for the audit log.")
    @click.option(
        "--ttl", callback=seconds, metavar="2h", help="Time in which a change is expected.", hidden=name != "expect"
    )
    @click.option("--reason", required=True, help="Reason for the audit log.")
    def give(
        admin: str | None, state_dir: Path | None, ca: Path | None, route: str, signal: str | None, ttl: float | None,
        reason: str,
    ) -> int:  # fmt: skip
        from guard.cli import drift as table  # noqa: PLC0415

        why = f"{signal}: {reason}" if signal else reason
        return table.order(where(admin, state_dir, ca), {"route": route, "order": name, "ttl": ttl, "reason": why})

    del give


_order("accept", "Accept what is now as the new normal: the reference is learned anew.")
_order("reset", "Say that the alarm was false: evidence begins at 0, the reference stays.")
_order("expect", "Expect a change for a time: nothing alarms, and nothing is learned.")
