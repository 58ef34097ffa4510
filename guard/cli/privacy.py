"""`guard privacy`: what a policy does with each field and output, for a privacy review."""

import json
from pathlib import Path

import click

from guard.cli.check import compiled, refused
from guard.kit.privacy.document import document
from guard.kit.privacy.markdown import markdown
from guard.kit.privacy.report import make
from guard.policy.errors import PolicyInvalid


def run(policy: Path, *, as_json: bool) -> int:
    """0: the report is printed. 1: the policy may not be served, and every reason was said."""
    try:
        loaded, _ = compiled(policy)
    except PolicyInvalid as invalid:
        return refused(policy, invalid, as_json=as_json)
    report = make(loaded)
    click.echo(json.dumps(document(report)) if as_json else markdown(report), nl=as_json)
    return 0
