"""`guard privacy`: what a policy does with each field and output, for a privacy review."""

import json
from pathlib import Path

import click

from guard.cli.check import compiled
from guard.kit.privacy.document import document
from guard.kit.privacy.markdown import markdown
from guard.kit.privacy.report import make


def run(policy: Path, *, as_json: bool) -> int:
    """Print the report; 0. Raises Refused."""
    loaded, _ = compiled(policy, as_json=as_json)
    report = make(loaded)
    click.echo(json.dumps(document(report)) if as_json else markdown(report), nl=as_json)
    return 0
