"""`guard reference`: the reference that monitoring compares live traffic with."""

import sys
from pathlib import Path

import click

from guard.cli.operators import where, with_endpoint
from guard.cli.summaries import Summaries

FILE = click.Path(dir_okay=False, path_type=Path)
SHOWN = 5
"""Reasons for which rows were left out that are listed."""


@click.group(cls=Summaries)
def reference() -> None:
    """Make, learn or show the reference that monitoring compares live traffic with."""


@reference.command()
@click.argument("file", type=FILE)
@click.option("--policy", type=FILE, required=True, help="Policy that declares the route.")
@click.option("--route", metavar="'METHOD /path'", help="Route of the rows. Required if several are watched.")
@click.option("--target", metavar="URL", help="Model server to ask. Default: the policy's upstream.")
@click.option("--path", metavar="PATH", help="Path to ask, where the route's has a placeholder.")
@click.option("--sent", metavar="COLUMN", help="Column with each request's time. Without it ages have no reference.")
@click.option("--model-version", metavar="VERSION", help="Version of the model. Default: that of the policy's release.")
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Requests that are under way at a time.",
)
@click.option("--out", type=FILE, default=Path("reference.json"), show_default=True, help="File to write.")
def make(
    file: Path, policy: Path, route: str | None, target: str | None, path: str | None, sent: str | None,
    model_version: str | None, connections: int, out: Path,
) -> int:  # fmt: skip
    """Send FILE, a validation set as CSV or JSON lines, through the model, and write the reference of what came.

    A column is a declared input; others are ignored. Rows that the contract denies, or that the model does not answer, are
    left out and reported. Exit 1 if no row was counted.
    """
    from guard.cli import _origin  # noqa: PLC0415
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.files import replace  # noqa: PLC0415
    from guard.kit.reference.make import make as make_reference  # noqa: PLC0415
    from guard.kit.reference.make import watched  # noqa: PLC0415
    from guard.kit.reference.rows import RowsInvalid, read_rows  # noqa: PLC0415
    from guard.kit.reference.subject import NoSubject, subject_of  # noqa: PLC0415
    from guard.kit.rehearse.client import Client  # noqa: PLC0415
    from guard.kit.rehearse.progress import Progress  # noqa: PLC0415
    from guard.kit.rehearse.run import upstream_trust  # noqa: PLC0415

    loaded, plan = compiled(policy)
    try:
        subject = subject_of(loaded.policy, plan.routes, route, path)
    except NoSubject as none:
        raise click.UsageError(str(none)) from None
    release = loaded.policy.release
    version = model_version or (release.version if release is not None else None)
    origin = str(plan.upstream) if target is None else str(_origin(target))
    progress = Progress(sys.stderr, "reference")
    progress.begin(subject.key)
    try:
        with Client(origin, True if target is not None else upstream_trust(loaded), within=60.0) as client:
            made, account = make_reference(
                subject, read_rows(file, subject.declared.inputs), client.ask, connections=connections, sent=sent,
                version=version, progress=progress.at,
            )  # fmt: skip
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None
    except RowsInvalid as invalid:
        raise click.ClickException(f"{file}: {invalid}") from None
    finally:
        progress.clear()
    for what, counter in (("denied by the contract", account.denied), ("not answered by the model", account.failed)):
        for reason, count in counter.most_common(SHOWN):
            click.echo(f"warning: {count} rows {what}: {reason}, first in line {account.first[reason]}", err=True)
    if made is None:
        raise click.ClickException(f"{file}: none of {account.rows} rows was counted, so nothing is written")
    for name in watched(subject.specs, made):
        click.echo(f"warning: {name} is not part of the reference, so it will not be watched", err=True)
    try:
        replace(out, made.to_json().encode())
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    click.echo(f"{out}: {account.counted} of {account.rows} rows, {made.digest}")
    click.echo(f"next: `monitor: {{reference: {out}}}` in {policy}, and `guard release --part reference={out}`")
    return 0


@reference.command()
@with_endpoint
@click.option("--route", metavar="'METHOD /path'", help="Route to take. Required if guard watches several.")
@click.option("--wait", is_flag=True, help="Wait until enough requests were looked at.")
@click.option("--out", type=FILE, default=Path("reference.json"), show_default=True, help="File to write.")
@click.option("--reason", default="reference learn", show_default=True, help="Reason for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def learn(
    admin: str | None, state_dir: Path | None, ca: Path | None, route: str | None, wait: bool,  # noqa: FBT001
    out: Path, reason: str, as_json: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Write the reference that a running guard has learned from live traffic.

    Guard writes it into its state folder, and it is copied from there where that is on this machine. Look at it with
    `guard reference show` before a policy names it: it says what was, not what is right.
    """
    from guard.cli import learned_reference  # noqa: PLC0415

    at = where(admin, state_dir, ca)
    return learned_reference.run(at, route=route, out=out, wait=wait, reason=reason, as_json=as_json)


@reference.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts; values of private fields are left out.")
def show(file: Path, as_json: bool) -> int:  # noqa: FBT001
    """Show a reference: for each field its cells and their shares as bars."""
    import json  # noqa: PLC0415

    from guard.kit.files import read_at_most  # noqa: PLC0415
    from guard.kit.reference.show import shown  # noqa: PLC0415
    from guard.monitoring.reference import LARGEST, ReferenceInvalid, parse_reference  # noqa: PLC0415

    try:
        read = parse_reference(read_at_most(file, LARGEST))
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from None
    except ReferenceInvalid as invalid:
        raise click.ClickException(f"{file}: {invalid}") from None
    click.echo(json.dumps(read.shown()) if as_json else shown(read), nl=as_json)
    return 0
