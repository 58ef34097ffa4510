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
    seen = (
        gather.read_live(options.live, options.where, ask_status=options.ask_status) if options.live is not None else None
    )
    results = sections(gather.facts(policy, loaded, options.pipelines, seen, now))
    failed = any(ORDER.index(section.status) >= ORDER.index(options.fail_on) for section in results)
    report = document(results)
    if why := evidence.try_keep(policy, evidence.document(loaded, "checklist", report, passed=not failed, at=now)):
        click.echo(f"guard: {why}", err=True)
    if options.junit is not None:
        try:
            replace(options.junit, junit(results, options.fail_on))
        except OSError as error:
            raise click.UsageError(f"cannot write {options.junit}: {error.strerror}") from None
    click.echo(_shown(results, options.form))
    return 1 if failed else 0


def _shown(results: Sequence[Section], form: Literal["table", "markdown", "json"]) -> str:
    match form:
        case "json":
            return json.dumps(document(results), indent=2)
        case "markdown":
            return markdown(results).rstrip("\n")
        case "table":
            return table(results, shutil.get_terminal_size((120, 40)).columns)
