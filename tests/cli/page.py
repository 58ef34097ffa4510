"""docs/commands.md, made from the command line itself. `python -m tests.cli.page` writes it."""

from pathlib import Path

import click

from guard.cli import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
HEAD = """# Commands

Made from the command line; `guard COMMAND --help` prints the same. Exit codes: 0 fine, 1 the thing checked is wrong, 2 usage.
The command line is over the environment, the environment over the policy.

"""
ENVIRONMENT = {
    "GUARD_ENVIRONMENT": "The stage (`deployment.environment.name`): one policy for all stages.",
    "GUARD_TOKEN": "The token of operators' commands; sent only to loopback or https.",
    "GUARD_WEBHOOKS": "`off`: no alert leaves, whatever the policy says.",
    "AIP_DEPLOYED_MODEL_ID": "The version of a model that Vertex AI deployed (dialect `vertex`).",
    "SOURCE_DATE_EPOCH": "The time in examples and records, for output that is the same each time.",
}
"""What is read of the environment beside options; OTEL_* and what a policy names itself aside."""


def page() -> str:
    """The whole page."""
    sections = [_section(name, cli.commands[name]) for name in sorted(cli.commands)]
    rows = [
        "## Environment",
        "",
        "Besides the variables of options above, and `OTEL_*` ([telemetry.md](telemetry.md)):",
        "",
    ]
    rows += ["| variable | what |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in ENVIRONMENT.items())]
    return HEAD + "\n".join(sections) + "\n".join(rows) + "\n"


def _section(name: str, command: click.Command) -> str:
    if isinstance(command, click.Group):
        return "\n".join(_section(f"{name} {below}", command.commands[below]) for below in sorted(command.commands))
    context = click.Context(command, info_name=f"guard {name}")
    lines = [
        f"## guard {name}",
        "",
        "```",
        command.get_usage(context).removeprefix("Usage: "),
        "```",
        "",
        _prose(command.help or ""),
        "",
    ]
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if options:
        lines += ["| option | variable | what |", "|---|---|---|", *(_row(option, context) for option in options), ""]
    return "\n".join(lines)


def _row(option: click.Option, context: click.Context) -> str:
    written = ", ".join(option.opts)
    if not option.is_flag:
        written += f" {option.make_metavar(context)}"
    variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    written, named = written.replace("|", "\\|"), ", ".join(f"`{variable}`" for variable in variables)
    return f"| `{written}` | {named} | {_prose(option.help or '')} |"


def _prose(text: str) -> str:
    return " ".join(text.replace("\b", "").split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page())
