"""The command line: what each command of `guard` is called, takes and prints.

Here: click's commands, their options and exit codes: 0 fine, 1 the thing checked is wrong, 2 usage.
Not here: what a command does that takes more than a file: that is `guard.kit`; or what runs on: that is `guard.serve`.

Every command imports what it needs when it runs: `guard --version` pays for none of them.
"""

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from guard import __version__, form
from guard.cli.completion import completion
from guard.cli.launch import COMMANDS as LAUNCH
from guard.cli.monitoring import monitor
from guard.cli.operators import COMMANDS
from guard.cli.reference import reference
from guard.cli.rehearse import rehearse
from guard.cli.release import COMMANDS as RELEASE
from guard.cli.release import steps
from guard.cli.release_path import COMMANDS as RELEASE_PATH
from guard.cli.summaries import Summaries

POLICY = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=Summaries, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{__version__} ({form()})", prog_name="guard")
def cli() -> None:
    """guard: the sidecar that makes any model server safe to operate."""


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise click.BadParameter("expected HOST:PORT such as 127.0.0.1:8900")
    from guard.policy.scalars import Address  # noqa: PLC0415

    return Address(host.strip("[]"), int(port))


def _listener(flag: str, variable: str, what: str) -> Callable[[Any], Any]:
    return click.option(flag, envvar=variable, callback=_address, metavar="HOST:PORT", help=what)


@cli.command()
@click.argument("policy", type=POLICY, required=False)
@_listener("--listen", "GUARD_LISTEN", "Address for clients. Overrides listen.data of the policy.")
@_listener("--admin", "GUARD_ADMIN", "Address for operators. Overrides listen.admin.")
@_listener("--ops", "GUARD_OPS", "Address for probes and scrapers. Overrides listen.ops.")
@click.option(
    "--state-dir", envvar="GUARD_STATE_DIR", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder for everything that survives a restart. Overrides state_dir.",
)  # fmt: skip
@click.option("--upstream", envvar="GUARD_UPSTREAM", metavar="URL", help="URL of the model server. Overrides the policy's.")
def serve(policy: Path | None, listen: Any, admin: Any, ops: Any, state_dir: Path | None, upstream: str | None) -> None:
    """Guard a model server as POLICY declares. Without POLICY, only observe the server at --upstream."""
    gc.disable()  # what a start makes lasts: collections begin where it is at service
    from guard.serve import Settings  # noqa: PLC0415
    from guard.serve import serve as run  # noqa: PLC0415

    if policy is None and upstream is None:
        raise click.UsageError("give a POLICY, or --upstream URL to observe a server without one")
    run(policy, Settings(listen=listen, admin=admin, ops=ops, state_dir=state_dir, upstream=_origin(upstream)))


def _origin(url: str | None) -> Any:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from guard.policy.scalars import Server  # noqa: PLC0415

    if url is None:
        return None
    try:
        return TypeAdapter(Server).validate_python(url)
    except ValidationError:
        raise click.BadParameter(
            "expected a URL such as http://127.0.0.1:8080, without a path", param_hint="--upstream"
        ) from None


@cli.command()
@click.argument("policy", type=POLICY)
@click.option("--resolved", is_flag=True, help="Print the whole policy and where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/check.schema.json).")
def check(policy: Path, resolved: bool, as_json: bool) -> int:  # noqa: FBT001
    """Report every error in POLICY, or print what it declares."""
    from guard.cli.check import run  # noqa: PLC0415

    return run(policy, resolved=resolved, as_json=as_json)


@cli.command()
@click.argument("policy", type=POLICY)
@click.argument("request", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--route", metavar="'METHOD /path'", help="Route of the request. Required if the policy has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/explain.schema.json).")
def explain(policy: Path, request: Path, route: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Show what guard does with a request whose body is the file REQUEST. Exit 1 if guard denies it."""
    from guard.cli.explain import run  # noqa: PLC0415

    return run(policy, request, route=route, as_json=as_json)


@cli.command()
@click.argument("policy", type=POLICY)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts (docs/privacy.schema.json).")
def privacy(policy: Path, as_json: bool) -> int:  # noqa: FBT001
    """Report in what form each field of POLICY reaches the model, log, trace, metric and cache (Markdown)."""
    from guard.cli.privacy import run  # noqa: PLC0415

    return run(policy, as_json=as_json)


@cli.command()
@click.argument("policy", type=POLICY)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "openapi", "openapi-yaml", "json"]),
    default="markdown",
    help="Output format.",
)
@click.option("--json", "form", flag_value="json", help="Print JSON for scripts (docs/contract.schema.json).")
def contract(policy: Path, form: str) -> int:
    """Describe each route of POLICY: what to send, what comes back, and what each answer means."""
    from guard.cli.contract import run  # noqa: PLC0415

    return run(policy, form=form)


@cli.command()
@click.argument("what", type=click.Choice(("grafana", "prometheus-rules", "alertmanager", "openslo", "sloth", "pyrra")))
@click.argument("policy", type=POLICY)
@click.option("--selector", metavar="MATCHERS", help='Label matchers of the service\'s series. Default: job="<service>".')
def export(what: str, policy: Path, selector: str | None) -> int:
    """Make a dashboard, alert rules, alert routes or objectives from POLICY. Warnings name what is left out, and why."""
    from guard.cli.export import run  # noqa: PLC0415

    return run(what, policy, selector)


@cli.command()
def schema() -> int:
    """Print the JSON Schema of policies, for editors."""
    from guard.policy.schema import text  # noqa: PLC0415

    click.echo(text(), nl=False)
    return 0


@cli.command()
@click.option("--upstream", envvar="GUARD_UPSTREAM", metavar="URL", required=True, help="URL of the running model server.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Name of a model to describe. May be repeated.")
@click.option("--mlmodel", type=click.Path(exists=True, path_type=Path), metavar="PATH",
              help="An MLmodel file or its folder. MLflow does not serve its signature over HTTP.")  # fmt: skip
@click.option("--dialect", metavar="NAME", default="", help="Dialect of the server, if guard guesses wrong.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to FILE instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="CA bundle for the server's certificate.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=20.0, show_default=True, metavar="SECONDS",
              help="Time limit for all requests together.")  # fmt: skip
def init(upstream: str, dialect: str, **arguments: Any) -> int:
    """Ask a running model server what it serves, and print a first policy that only observes."""
    from guard.dialects import DIALECTS  # noqa: PLC0415
    from guard.kit.init.run import InitArguments, run  # noqa: PLC0415

    if dialect and dialect not in DIALECTS:
        raise click.BadParameter(f"expected one of {', '.join(DIALECTS)}", param_hint="--dialect")
    return run(InitArguments(upstream=_origin(upstream), dialect=dialect, **arguments))


@cli.command()
@click.option("--stay", is_flag=True, help="Keep the model and guard running, and print requests to try.")
@click.option("--release", is_flag=True, help="Show a release instead: a bad version aborted, a good one promoted.")
def demo(stay: bool, release: bool) -> int:  # noqa: FBT001
    """Train a model, guard it, kill it and start it again."""
    from guard.kit import demo, demo_release  # noqa: PLC0415

    return demo_release.run() if release else demo.run(stay=stay)


for _command in (*COMMANDS, *LAUNCH, *RELEASE, reference, rehearse, monitor, completion):
    cli.add_command(_command)
for _command in RELEASE_PATH:
    steps.add_command(_command)


def environment() -> dict[str, str]:
    """The environment, handed down to whoever reads a policy."""
    return dict(os.environ)  # noqa: TID251 — the one place besides `serve`


def main() -> int:
    """Run; the commands return their exit codes.

    A plugin of pydantic, which any package that is installed may bring, would be shown every value that is validated, and
    to look for them costs 18 ms: there are none.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # noqa: TID251 — a setting for a library, which reads no other
    try:
        result = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return result if isinstance(result, int) else 0
