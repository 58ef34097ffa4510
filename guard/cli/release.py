"""`guard release` and its steps as click sees them; what they do is in `guard.kit.release` and `guard.kit.candidate`.

`guard release …` without a step writes or verifies a record, as it always did: a first argument that names no step is taken
for one of `guard release record`.
"""

from pathlib import Path
from typing import Any

import click

from guard.cli.launch import FILE, release
from guard.cli.summaries import Summaries

NAMED = "record"
HELP = ("-h", "--help")


class _Steps(Summaries):
    """A group whose step `record` needs no name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the name of the step where none is given."""
        if not args or (args[0] not in self.commands and args[0] not in HELP):
            args = [NAMED, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Steps)
def steps() -> None:
    """Write what is deployed, and bring the next version in: one step each, with evidence and history.

    Without a step, `guard release record`.
    """


def _typed(kind: str, expected: str) -> Any:
    """A callback that reads an option as the policy would."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
        return None if value is None else _read(kind, value, expected)

    return read


def _read(kind: str, value: str, expected: str) -> Any:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from guard.policy import scalars  # noqa: PLC0415

    try:
        return TypeAdapter(getattr(scalars, kind)).validate_python(value)
    except ValidationError:
        raise click.BadParameter(f"{value!r} is none; expected {expected}") from None


def _shares(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for item in value:
        name, equals, text = item.partition("=")
        if not (name and equals and text):
            raise click.BadParameter("expected METRIC=SHARE such as invalid=0.5%")
        found[name] = _read("Share", text, "a share such as 0.5%")
    return found


SHARE = _typed("Share", "a share such as 5%")
RATE = _typed("Rate", "a rate such as 10/s")
DURATION = _typed("Duration", "a time such as 250ms")


def _origin(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from guard.cli.rehearse import _url  # noqa: PLC0415

    return _url(_context, _parameter, value)


@steps.command()
@click.argument("policy", type=FILE)
@click.argument("rows", type=FILE)
@click.option(
    "--candidate", callback=_origin, metavar="URL", help="URL of the candidate's model server. Default: candidate.url."
)
@click.option(
    "--baseline", callback=_origin, metavar="URL", help="URL of the model server to compare with. Default: the policy's."
)
@click.option("--route", metavar="'METHOD /path'", help="Route of the rows. Required if several declare fields.")
@click.option("--truth", metavar="COLUMN", help="Column with the true label. Default: named as the output.")
@click.option("--label", metavar="OUTPUT", help="Output with the label. Default: the only one with an enum.")
@click.option("--score", metavar="OUTPUT", help="Output with the score. Default: the only number from 0 to 1.")
@click.option("--positive", metavar="LABEL", help="Label that the score is the probability of. Default: true or 1.")
@click.option("--segment", "segments", multiple=True, metavar="FIELD", help="Also compare by this field. May be repeated.")
@click.option(
    "--tolerate", "tolerances", multiple=True, callback=_shares, metavar="METRIC=SHARE",
    help="Tolerated share for failed, invalid, slow or wrong, which then has to be proven.",
)  # fmt: skip
@click.option("--slow-over", callback=DURATION, metavar="250ms", help="Latency from which on an answer is slow.")
@click.option("--dataset", metavar="NAME", help="Name of the data set, for the record.")
@click.option("--record", type=FILE, help="Record of the candidate, which gets the metrics. Default: candidate.release.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def evaluate(policy: Path, rows: Path, **options: Any) -> int:
    """Send the labelled ROWS to both model servers and compare the answers, row by row.

    ROWS is a file of CSV, JSON lines or Parquet. Exit 0 if the candidate passes, 1 if it fails, 3 if nothing is proven.
    """
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.compare import PAIRED  # noqa: PLC0415
    from guard.kit.candidate.evaluate import EvaluateOptions, run, with_defaults  # noqa: PLC0415

    if unknown := [name for name in options["tolerances"] if name not in PAIRED]:
        raise click.UsageError(f"--tolerate {unknown[0]}: no such metric; expected one of {', '.join(PAIRED)}")
    loaded, plan = compiled(policy, as_json=options["as_json"])
    return run(policy, loaded, plan, rows, with_defaults(loaded, EvaluateOptions(**options)))


@steps.command()
@click.argument("policy", type=FILE)
@click.option(
    "--share", callback=SHARE, metavar="SHARE", help="Share of requests compared. Default: candidate.shadow.share, or 5%."
)
@click.option("--rate", callback=RATE, metavar="10/s", help="Expected rate of requests. Default: targets.expected_rate.")
@click.option(
    "--tolerate", "tolerances", multiple=True, callback=_shares, metavar="METRIC=SHARE",
    help="Tolerated share of a gate. Default: candidate.compare, or invalid=0.5% and failed=0.5%.",
)  # fmt: skip
@click.option(
    "--noise", callback=SHARE, default="0%", show_default=True, metavar="SHARE",
    help="Share of pairs that differ each way although both models are as good.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def plan(
    policy: Path, share: float | None, rate: float | None, tolerances: dict[str, float], noise: float,
    as_json: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Show how many pairs and hours each gate takes, before anything starts. Exit 1 if a gate can never pass."""
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.plan import of_policy, run  # noqa: PLC0415

    loaded, _ = compiled(policy, as_json=as_json)
    return run(of_policy(loaded, tolerances, rate, share, noise), as_json=as_json)


@steps.command(context_settings={"ignore_unknown_options": True})
@click.argument("policy", type=FILE)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--record", type=FILE, help="Record of the candidate. Default: the policy's release.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def test(policy: Path, command: tuple[str, ...], record: Path | None, as_json: bool) -> int:  # noqa: FBT001
    """Run COMMAND, the tests of the candidate, and keep its exit code and the digest of its output as evidence.

    Example: guard release test policy.yaml -- pytest -q
    """
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.tested import run  # noqa: PLC0415

    loaded, _ = compiled(policy, as_json=as_json)
    return run(policy, loaded, command, record, as_json=as_json)


@steps.command()
@click.argument("policy", type=FILE)
@click.option(
    "--source",
    default="",
    metavar="URI",
    help="Artifact for an MLflow registry, such as s3://… or runs:/…; MLflow refuses local paths.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def register(policy: Path, source: str, as_json: bool) -> int:  # noqa: FBT001
    """Verify the candidate's record and register it with the policy's engine. Exit 1 if a digest differs."""
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.staging import register as run  # noqa: PLC0415

    loaded, _ = compiled(policy, as_json=as_json)
    return run(policy, loaded, source, as_json=as_json)


@steps.command()
@click.argument("policy", type=FILE)
@click.option(
    "--within", callback=DURATION, default="2m", show_default=True, metavar="2m", help="Time to wait for its server."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def stage(policy: Path, within: float, as_json: bool) -> int:  # noqa: FBT001
    """Start the candidate beside the model with the policy's engine, and wait until it answers.

    Where the engine is not installed, exit 1 and print exactly what to run.
    """
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.staging import stage as run  # noqa: PLC0415

    loaded, _ = compiled(policy, as_json=as_json)
    return run(policy, loaded, within, as_json=as_json)


@steps.command()
@click.argument("policy", type=FILE)
@click.option("--rows", type=FILE, help="Golden rows: CSV, JSON lines or Parquet.")
@click.option("--route", metavar="'METHOD /path'", help="Route to ask. Required if several declare fields.")
@click.option("--truth", metavar="COLUMN", help="Column with the label of golden rows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def smoke(policy: Path, rows: Path | None, route: str | None, truth: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Send requests that the contract allows straight to the candidate. Exit 1 if one answer is not valid."""
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate.smoke import run  # noqa: PLC0415

    loaded, plan = compiled(policy, as_json=as_json)
    return run(policy, loaded, plan, rows, route, truth, as_json=as_json)


@steps.command()
@click.argument("policy", type=FILE)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Number of steps, the newest last."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def history(policy: Path, limit: int, as_json: bool) -> int:  # noqa: FBT001
    """Show each step that was taken: who, what, when, and with which evidence. Exit 1 if the chain is broken."""
    from guard.kit.candidate.shown_history import run  # noqa: PLC0415

    return run(policy, limit, as_json=as_json)


release.name = NAMED
steps.add_command(release)
steps.name = "release"
COMMANDS = (steps,)
