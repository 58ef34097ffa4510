"""`guard rehearse` as click sees it; what it does is in `guard.kit.rehearse`."""

from pathlib import Path
from typing import Any

import click

from guard.cli.operators import where, with_endpoint

PARTS = ("examples", "messy", "direct", "load", "fallback", "drift", "leaks")
QUICK = 20.0
SECONDS = 60.0
CLIENTS = 16


def _url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    url = value if "://" in value else f"http://{value}"
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.path in {"", "/"} and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise click.BadParameter("expected a URL such as http://127.0.0.1:8900, without a path")
    return url.rstrip("/")


FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@with_endpoint
@click.argument("policy", type=FILE)
@click.option("--data", callback=_url, metavar="URL", help="URL of a running guard. Without it, rehearse starts one.")
@click.option("--ops", callback=_url, metavar="HOST:PORT|URL", help="Ops listener of the running guard, for /metrics.")
@click.option(
    "--upstream",
    envvar="GUARD_UPSTREAM",
    callback=_url,
    metavar="URL",
    help="URL of the model server. Overrides the policy's.",
)
@click.option("--seconds", type=click.FloatRange(5, 3600), help=f"Time limit. [{SECONDS:g}, quick {QUICK:g}]")
@click.option("--quick", is_flag=True, help="Take a third of the time and send fewer requests.")
@click.option(
    "--clients",
    type=click.IntRange(1, 512),
    default=CLIENTS,
    show_default=True,
    help="Highest number of clients under load.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the generated requests."
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Run only this part and save no evidence. May be repeated."
)
@click.option("--model-pid", type=click.IntRange(1), help="Process id of the model server, to watch its memory.")
@click.option("--direct", is_flag=True, help="Also send requests to the model server without guard.")
@click.option("--drill", is_flag=True, help="Lower the running guard rung by rung, then restore it.")
@click.option("--html", type=FILE, metavar="FILE", help="Also write the report as an HTML page.")
@click.option("--junit", type=FILE, metavar="FILE", help="Also write the report as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/rehearse.schema.json).")
def rehearse(
    admin: str | None, state_dir: Path | None, ca: Path | None, policy: Path, data: str | None, ops: str | None,
    upstream: str | None, seconds: float | None, quick: bool, clients: int, seed: int, only: tuple[str, ...],  # noqa: FBT001
    model_pid: int | None, direct: bool, drill: bool, html: Path | None, junit: Path | None, as_json: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Send what production will send to the service of POLICY, before its launch. Exit 1 if a check fails."""
    from guard.kit.rehearse.run import Against, Forms, run  # noqa: PLC0415
    from guard.kit.rehearse.stage import Options  # noqa: PLC0415

    if data is None and ops is not None:
        raise click.UsageError("--ops belongs to a running guard; give its --data too")
    options: Any = Options(
        seconds=seconds or (QUICK if quick else SECONDS), clients=clients, seed=seed, quick=quick, direct=direct,
        drill=drill, parts=frozenset(only), model_pid=model_pid,
    )  # fmt: skip
    return run(where(admin, state_dir, ca), policy, Against(data, ops, upstream), options, Forms(as_json, html, junit))
