"""`guard completion SHELL`: the script by which a shell completes guard's commands and options.

click makes the scripts; each asks `guard` itself what fits, so a script of an older version completes a newer one.
"""

from typing import Final

import click
from click.shell_completion import get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")
INSTALL: Final = {
    "bash": "guard completion bash > ~/.local/share/bash-completion/completions/guard",
    "zsh": "guard completion zsh > ~/.zfunc/_guard   (and in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit; compinit)",
    "fish": "guard completion fish > ~/.config/fish/completions/guard.fish",
}
"""The commands that put each script where its shell finds it."""


def script(shell: str, cli: click.Command) -> str:
    """The completion script of a shell, with a comment that says where it belongs."""
    maker = get_completion_class(shell)
    assert maker is not None, "click has a class for each of SHELLS"
    source = maker(cli, {}, "guard", "_GUARD_COMPLETE").source()
    first, newline, rest = source.lstrip("\n").partition("\n")
    # zsh reads the first line of the file; the comment stands behind it.
    head = f"{first}{newline}" if first.startswith("#compdef") else ""
    return f"{head}# {INSTALL[shell]}\n{rest if head else first + newline + rest}"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes guard's commands in SHELL. Its first comment says where to put it."""
    click.echo(script(shell, context.find_root().command))
    return 0
