"""Groups of commands whose help shows the first sentence of each command whole; click cuts it at the width of a line."""

import re
from typing import Final

import click

SENTENCE: Final = re.compile(r"(.+?[.!?])(?:\s|\Z)", re.DOTALL)


class Summaries(click.Group):
    """A group whose list of commands wraps its summaries."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's
        """Write each command with its summary."""
        commands = [(name, command) for name, command in sorted(self.commands.items()) if not command.hidden]
        if not commands:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(command)) for name, command in commands])


def summary(command: click.Command) -> str:
    """The first sentence of a command's help, on one line."""
    text = " ".join((command.help or "").split())
    found = SENTENCE.match(text)
    return found[1] if found else text
