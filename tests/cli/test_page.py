"""docs/commands.md is what the command line says, and every option and variable says what it means."""

import re
from pathlib import Path

import click

from guard.cli import cli
from guard.cli.summaries import summary
from tests.cli.page import PAGE, page

GUARD = Path(__file__).resolve().parents[2] / "guard"


def commands(group: click.Group) -> list[click.Command]:
    results = []
    for command in group.commands.values():
        results += commands(command) if isinstance(command, click.Group) else [command]
    return results


def test_the_page_is_what_the_command_line_says() -> None:
    assert PAGE.read_text() == page(), "python -m tests.cli.page"


def test_every_command_and_option_says_what_it_means() -> None:
    silent = [
        f"{command.name} {option.opts[-1]}"
        for command in commands(cli)
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and not (option.help or "").strip()
    ]
    assert silent == []
    assert all(command.help for command in commands(cli))


def test_every_variable_is_there() -> None:
    read = {
        name for path in GUARD.rglob("*.py") for name in re.findall(r"\"(GUARD_[A-Z_]+|AIP_[A-Z_]+)\"", path.read_text())
    }
    assert {name for name in read if f"`{name}`" not in PAGE.read_text()} == set()


def test_help_shows_the_first_sentence_of_each_command_whole() -> None:
    groups: list[click.Command] = [cli]
    for group in groups:
        assert isinstance(group, click.Group)
        shown = " ".join(group.get_help(click.Context(group, terminal_width=60)).split())
        assert [name for name, command in group.commands.items() if summary(command) not in shown] == []
        groups += [command for command in group.commands.values() if isinstance(command, click.Group)]
    assert len(groups) > 1
