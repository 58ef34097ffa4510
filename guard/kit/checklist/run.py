"""`guard checklist`."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from guard.cli.check import compiled
from guard.cli.operate import Where
from guard.kit import evidence
from guard.kit.checklist import gather
from guard.kit.checklist.document import document
from guard.kit.checklist.junit import junit
from guard.kit.checklist.markdown import markdown
from guard.kit.checklist.registry import sections
from guard.kit.checklist.table import table
from guard.kit.checklist.values import ORDER, Section, Status
from guard.kit.files import replace


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the command line besides the policy."""

    live: str | None
    where: Where
    ask_status: bool
    pipelines: tuple[Path, ...]
    fail_on: Status
    form: Literal["table", "markdown", "json"]
    junit: Path | None


def run(policy: Path, options: Options) -> int:
    """Print the checklist: 0 if no section fails, else 1. Raises Refused."""
    loaded, _ = compiled(policy, as_json=options.form == "json")
    now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    seen = gather.look(options.live, options.where, ask_status=options.ask_status) if options.live is not None else None
    made = sections(gather.facts(policy, loaded, options.pipelines, seen, now))
    failed = any(ORDER.index(one.status) >= ORDER.index(options.fail_on) for one in made)
    found = document(made)
    if why := evidence.try_keep(policy, evidence.document(loaded, "checklist", found, passed=not failed, at=now)):
        click.echo(f"guard: {why}", err=True)
    if options.junit is not None:
        try:
            replace(options.junit, junit(made, options.fail_on))
        except OSError as error:
            raise click.UsageError(f"cannot write {options.junit}: {error.strerror}") from None
    click.echo(_shown(made, options.form))
    return 1 if failed else 0


def _shown(made: Sequence[Section], form: Literal["table", "markdown", "json"]) -> str:
    match form:
        case "json":
            return json.dumps(document(made), indent=2)
        case "markdown":
            return markdown(made).rstrip("\n")
        case "table":
            return table(made, shutil.get_terminal_size((120, 40)).columns)
