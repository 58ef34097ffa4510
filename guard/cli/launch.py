"""Commands on the way to a launch as click sees them; what they do is in `guard.kit`."""

from pathlib import Path
from typing import Any, Literal

import click

from guard.cli.operators import found, where

FILE = click.Path(dir_okay=False, path_type=Path)


def _pairs(what: str) -> Any:
    """Options such as KEY=VALUE, each key once."""

    def read(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
        made: dict[str, str] = {}
        for one in value:
            key, equals, said = one.partition("=")
            if not (key and equals and said):
                raise click.BadParameter(f"expected {what}")
            if key in made:
                raise click.BadParameter(f"{key} is given twice")
            made[key] = said
        return made

    return read


def _parts(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    from guard.kit.release.asked import KINDS  # noqa: PLC0415

    made: dict[str, str] = _pairs("KIND=PATH, KIND=in_code or KIND=none")(context, parameter, value)
    for kind in made:
        if kind not in KINDS:
            raise click.BadParameter(f"no kind of part is {kind!r}; there are {', '.join(KINDS)}")
    return made


def _metrics(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, int | float]:
    from guard.policy.scalars import number  # noqa: PLC0415

    made = {}
    for name, said in _pairs("NAME=NUMBER such as auc=0.87")(context, parameter, value).items():
        if (read := number(said)) is None:
            raise click.BadParameter(f"{name} is not a number")
        made[name] = read
    return made


def _configuration(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str] | None:
    if value == ("none",):
        return {}
    return _pairs("KEY=VALUE, or none")(context, parameter, value) or None


@click.command()
@click.argument("record", type=FILE, required=False)
@click.option("--policy", type=FILE, help="Whose contract this release keeps; evidence is kept beside it.")
@click.option("--model", metavar="NAME")
@click.option("--version", metavar="VERSION", help="Needed to write a record.")
@click.option("--commit", metavar="HASH", help="Default: git's HEAD, with -dirty where a tracked file was changed.")
@click.option("--lockfile", type=FILE, help="What pins the dependencies.")
@click.option(
    "--part", "parts", multiple=True, callback=_parts, metavar="KIND=PATH|in_code|none",
    help="weights, preprocessing, features, tokenizer, postprocessing, thresholds or rules: a file, folder or answer.",
)  # fmt: skip
@click.option("--evaluation", type=FILE, help="The report; numbers in it must be those of --metric.")
@click.option("--dataset", metavar="NAME", help="What it was evaluated on.")
@click.option("--evaluated", metavar="DATE", help="When.")
@click.option("--metric", "metrics", multiple=True, callback=_metrics, metavar="NAME=NUMBER")
@click.option("--approved-by", metavar="WHO")
@click.option("--approved-at", metavar="TIME", help="Default: now, where --approved-by is given.")
@click.option("--pipeline", metavar="URL", help="The run that made this release.")
@click.option("--previous", metavar="RECORD|none", help="The release before. Default: the record that this one replaces.")
@click.option("--config", "configuration", multiple=True, callback=_configuration, metavar="KEY=VALUE|none")
@click.option("--strict", is_flag=True, help="A model server of another version closes the rung.")
@click.option(
    "--verify", is_flag=True, help="Write nothing: hold RECORD against the disk, and its contract against --policy."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts: docs/release.schema.json.")
def release(record: Path | None, policy: Path | None, verify: bool, as_json: bool, **given: Any) -> int:  # noqa: FBT001
    """Write RECORD (release.yaml): what is deployed, with digests. The record that stood there is kept in releases/.

    What is not given is absent, and nothing is guessed. Exit 1 where --verify finds a difference.
    """
    from guard.cli.operate import environment  # noqa: PLC0415
    from guard.kit.release import run  # noqa: PLC0415
    from guard.kit.release.asked import Asked  # noqa: PLC0415

    if verify:
        if written := [name for name, value in given.items() if value]:
            raise click.UsageError(f"--verify writes nothing; {', '.join(written)} have no place beside it")
        return run.check(record, policy, environment(), as_json=as_json)
    if not given["version"]:
        raise click.UsageError("--version is needed to write a record, or --verify to check one")
    return run.make(Asked(**given), record, policy, environment(), as_json=as_json)


@click.command()
@found
@click.argument("policy", type=FILE)
@click.option("--live", metavar="URL", help="The ops listener of a guard that runs POLICY, such as http://127.0.0.1:8902.")
@click.option("--pipeline", "pipelines", multiple=True, type=FILE, help="A file of the CI that is in no known place.")
@click.option(
    "--fail-on", type=click.Choice(("fail", "warn")), default="fail", show_default=True, help="What exits with 1."
)
@click.option("--markdown", "as_markdown", is_flag=True, help="For a pull request, or a job's summary.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: docs/checklist.schema.json.")
@click.option("--junit", type=FILE, help="Write JUnit XML there too.")
def checklist(
    admin: str | None, state_dir: Path | None, ca: Path | None, policy: Path, live: str | None, pipelines: tuple[Path, ...],
    fail_on: Literal["fail", "warn"], as_markdown: bool, as_json: bool, junit: Path | None,  # noqa: FBT001
) -> int:  # fmt: skip
    """Say in nine sections what is missing before POLICY is launched, each with its evidence and how to fix it.

    With --live and a way to the admin API (--admin with GUARD_TOKEN, or --state-dir) its status is read, too.
    """
    from guard.kit.checklist.run import Options, run  # noqa: PLC0415

    if live is not None and not live.startswith(("http://", "https://")):
        raise click.UsageError("--live is a URL such as http://127.0.0.1:8902")
    if as_markdown and as_json:
        raise click.UsageError("--markdown or --json")
    place = where(admin, state_dir, ca)
    asked = admin is not None or state_dir is not None
    form: Literal["table", "markdown", "json"] = "json" if as_json else "markdown" if as_markdown else "table"
    address = live.rstrip("/") if live is not None else None
    return run(policy, Options(address, place, asked, pipelines, fail_on, form, junit))


COMMANDS = (release, checklist)
