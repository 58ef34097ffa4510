"""Commands on the way to a launch as click sees them; what they do is in `guard.kit`."""

from pathlib import Path
from typing import Any, Literal

import click

from guard.cli.operators import where, with_endpoint

FILE = click.Path(dir_okay=False, path_type=Path)


def _pairs(expected: str) -> Any:
    """Options such as KEY=VALUE, each key once."""

    def read(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for item in value:
            key, equals, text = item.partition("=")
            if not (key and equals and text):
                raise click.BadParameter(f"expected {expected}")
            if key in pairs:
                raise click.BadParameter(f"{key} is given twice")
            pairs[key] = text
        return pairs

    return read


def _parts(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    from guard.kit.release.options import KINDS  # noqa: PLC0415

    parts: dict[str, str] = _pairs("KIND=PATH, KIND=in_code or KIND=none")(context, parameter, value)
    for kind in parts:
        if kind not in KINDS:
            raise click.BadParameter(f"{kind!r} is not a kind of part; expected one of {', '.join(KINDS)}")
    return parts


def _metrics(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, int | float]:
    from guard.policy.scalars import number  # noqa: PLC0415

    metrics = {}
    for name, text in _pairs("NAME=NUMBER such as auc=0.87")(context, parameter, value).items():
        if (read := number(text)) is None:
            raise click.BadParameter(f"{name} is not a number")
        metrics[name] = read
    return metrics


def _configuration(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str] | None:
    if value == ("none",):
        return {}
    return _pairs("KEY=VALUE, or none")(context, parameter, value) or None


@click.command()
@click.argument("record", type=FILE, required=False)
@click.option("--policy", type=FILE, help="Policy whose contract this release keeps. Evidence is saved beside it.")
@click.option("--model", metavar="NAME", help="Name of the model.")
@click.option("--version", metavar="VERSION", help="Version of the release. Required to write a record.")
@click.option(
    "--commit", metavar="HASH", help="Commit of the code. Default: git's HEAD, with -dirty if a tracked file has changed."
)
@click.option("--lockfile", type=FILE, help="File that pins the dependencies.")
@click.option(
    "--part", "parts", multiple=True, callback=_parts, metavar="KIND=PATH|in_code|none",
    help="Part of the release: weights, preprocessing, features, tokenizer, postprocessing, thresholds, rules, reference.",
)  # fmt: skip
@click.option("--evaluation", type=FILE, help="Evaluation report. Its numbers must agree with --metric.")
@click.option("--dataset", metavar="NAME", help="Data set of the evaluation.")
@click.option("--evaluated", metavar="DATE", help="Date of the evaluation.")
@click.option(
    "--metric", "metrics", multiple=True, callback=_metrics, metavar="NAME=NUMBER", help="Metric of the evaluation."
)
@click.option("--approved-by", metavar="WHO", help="Person who approves the release.")
@click.option("--approved-at", metavar="TIME", help="Time of the approval. Default with --approved-by: now.")
@click.option("--pipeline", metavar="URL", help="URL of the pipeline run that made this release.")
@click.option(
    "--previous", metavar="RECORD|none", help="Record of the previous release. Default: the record that this one replaces."
)
@click.option(
    "--config",
    "configuration",
    multiple=True,
    callback=_configuration,
    metavar="KEY=VALUE|none",
    help="Configuration that the model runs with.",
)
@click.option("--strict", is_flag=True, help="Close the rung if the model server reports another version.")
@click.option("--verify", is_flag=True, help="Write nothing. Compare RECORD with the disk, and its contract with --policy.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/release.schema.json).")
def release(record: Path | None, policy: Path | None, verify: bool, as_json: bool, **options: Any) -> int:  # noqa: FBT001
    """Write RECORD (release.yaml): what is deployed, with digests. The record before it moves to releases/.

    Guard guesses nothing: what you leave out is absent. Exit 1 if --verify finds a difference.
    """
    from guard.cli.operate import environment  # noqa: PLC0415
    from guard.kit.release import run  # noqa: PLC0415
    from guard.kit.release.options import ReleaseOptions  # noqa: PLC0415

    if verify:
        if written := [name for name, value in options.items() if value]:
            raise click.UsageError(f"--verify writes nothing, so it cannot be combined with {', '.join(written)}")
        return run.check(record, policy, environment(), as_json=as_json)
    if not options["version"]:
        raise click.UsageError("give --version to write a record, or --verify to check one")
    return run.make(ReleaseOptions(**options), record, policy, environment(), as_json=as_json)


@click.command()
@with_endpoint
@click.argument("policy", type=FILE)
@click.option("--live", metavar="URL", help="Ops listener of a guard that runs POLICY, such as http://127.0.0.1:8902.")
@click.option("--pipeline", "pipelines", multiple=True, type=FILE, help="CI file in a place that guard does not search.")
@click.option(
    "--fail-on",
    type=click.Choice(("fail", "warn")),
    default="fail",
    show_default=True,
    help="Lowest result that exits with 1.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown for a pull request or a job summary.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/checklist.schema.json).")
@click.option("--junit", type=FILE, help="Also write JUnit XML to this file.")
def checklist(
    admin: str | None, state_dir: Path | None, ca: Path | None, policy: Path, live: str | None, pipelines: tuple[Path, ...],
    fail_on: Literal["fail", "warn"], as_markdown: bool, as_json: bool, junit: Path | None,  # noqa: FBT001
) -> int:  # fmt: skip
    """Report in nine sections what is missing before POLICY is launched, with evidence and a fix for each.

    With --live and access to the admin API (--admin with GUARD_TOKEN, or --state-dir), guard's status is read too.
    """
    from guard.kit.checklist.run import Options, run  # noqa: PLC0415

    if live is not None and not live.startswith(("http://", "https://")):
        raise click.UsageError("--live expects a URL such as http://127.0.0.1:8902")
    if as_markdown and as_json:
        raise click.UsageError("give either --markdown or --json")
    place = where(admin, state_dir, ca)
    ask_status = admin is not None or state_dir is not None
    form: Literal["table", "markdown", "json"] = "json" if as_json else "markdown" if as_markdown else "table"
    address = live.rstrip("/") if live is not None else None
    return run(policy, Options(address, place, ask_status, pipelines, fail_on, form, junit))


COMMANDS = (checklist,)
