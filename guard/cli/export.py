"""`guard export`: dashboards, rules, routes and objectives made from a policy."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from guard.cli.check import compiled
from guard.kit.export.alertmanager import alertmanager
from guard.kit.export.grafana import dashboard
from guard.kit.export.objectives import openslo, pyrra, sloth
from guard.kit.export.rules import rules
from guard.kit.export.scope import Scope, SelectorInvalid, scope
from guard.kit.export.values import Gap
from guard.kit.export.yaml import written

KINDS: Final[Mapping[str, Callable[[Scope], tuple[Any, list[Gap]]]]] = {
    "grafana": dashboard,
    "prometheus-rules": rules,
    "alertmanager": alertmanager,
    "openslo": openslo,
    "sloth": sloth,
    "pyrra": pyrra,
}


def run(kind: str, policy: Path, selector: str | None) -> int:
    """Print the export, and a warning for everything that is left out; 0. Raises Refused."""
    loaded, _ = compiled(policy)
    try:
        chosen = scope(loaded.policy, loaded.digest, selector)
    except SelectorInvalid as invalid:
        raise click.BadParameter(str(invalid), param_hint="--selector") from None
    document, gaps = KINDS[kind](chosen)
    for gap in gaps:
        click.echo(f"warning: {gap.text}", err=True)
    click.echo(
        json.dumps(document, indent=2) + "\n" if kind == "grafana" else written(kind, chosen, gaps, document), nl=False
    )
    return 0
