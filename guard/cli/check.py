"""`guard check`: everything that is wrong with a policy, or what it declares."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from guard.cli import environment
from guard.control.secrets import read_tokens, secret_files
from guard.control.tokens import Tokens
from guard.kit.promises import document, lines, promised
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.dump import dump
from guard.policy.errors import PolicyError, PolicyInvalid
from guard.policy.loading import Loaded, load


class Refused(click.ClickException):
    """A policy that guard does not serve. It shows every error, as lines or as `guard check --json`, and exits with 1."""

    def __init__(self, policy: Path, invalid: PolicyInvalid, *, as_json: bool) -> None:
        super().__init__(str(invalid))
        self._policy, self._invalid, self._as_json = policy, invalid, as_json

    def show(self, file: Any = None) -> None:
        """Print the errors: JSON on standard output, lines on standard error."""
        errors = self._invalid.errors
        if self._as_json:
            click.echo(json.dumps({"valid": False, "errors": [_error(error) for error in errors]}), file)
            return
        for error in errors:
            click.echo(str(error), file, err=True)
        click.echo(f"{self._policy}: {len(errors)} {'mistake' if len(errors) == 1 else 'mistakes'}", file, err=True)


def compiled(policy: Path, *, as_json: bool = False) -> tuple[Loaded, CompiledPlan]:
    """Read and compile a policy that is only looked at. Raises Refused."""
    try:
        loaded = load(policy, environ=environment())
        return loaded, compile_plan(loaded, CompileContext())
    except PolicyInvalid as invalid:
        raise Refused(policy, invalid, as_json=as_json) from None


def run(policy: Path, *, resolved: bool, as_json: bool) -> int:
    """Print what the policy declares; 0. Raises Refused."""
    loaded, plan = compiled(policy, as_json=as_json)
    if resolved:
        click.echo(dump(loaded), nl=False)
    elif as_json:
        click.echo(json.dumps(_summary(loaded, plan)))
    else:
        _print(policy, loaded, plan)
    return 0


def _print(policy: Path, loaded: Loaded, plan: CompiledPlan) -> None:
    click.echo(f"{policy}: fine. {loaded.policy.service}, {loaded.digest[:19]}, upstream {plan.upstream}")
    for route in plan.routes:
        ladder = " > ".join(rung.source for rung in route.ladder)
        contract = "passthrough" if not route.buffered else "enforce" if route.enforce else "observe"
        click.echo(f"  {route.method:5} {route.template:32} {contract:12} {ladder}")
    for promises in promised(loaded.policy, plan):
        for line in lines(promises):
            click.echo(line)
    for warning in (*loaded.warnings, *_secrets(loaded)):
        click.echo(f"warning: {warning}")


def _secrets(loaded: Loaded) -> Iterator[PolicyError]:
    """Problems of the secret files that exist on this machine, without their contents."""
    policy = loaded.policy
    for file in secret_files(policy):
        if (why := file.exposure()) is not None:
            yield loaded.error(file.where, f"{file.path}: {why}")
    tokens = policy.admin.tokens
    if tokens is not None and tokens.file is not None:
        try:
            content = read_tokens(tokens, {})
        except OSError:
            return
        for line in Tokens(content.decode("utf-8", "replace")).unreadable:
            why = f"{tokens.file.path}:{line}: guard rejects this line, and the name it begins with has no access"
            yield loaded.error(
                ("admin", "tokens"), why, "`name viewer|operator|labels sha256:HEX`, as `guard token` prints it"
            )


def _summary(loaded: Loaded, plan: CompiledPlan) -> dict[str, Any]:
    return {
        "valid": True,
        "service": loaded.policy.service,
        "digest": loaded.digest,
        "upstream": str(plan.upstream),
        "routes": [
            {
                "route": f"{route.method} {route.template}",
                "enforcement": "enforce" if route.enforce else "observe",
                "ladder": [rung.source for rung in route.ladder],
            }
            for route in plan.routes
        ],
        "monitoring": [document(promises) for promises in promised(loaded.policy, plan)],
        "warnings": [_error(warning) for warning in (*loaded.warnings, *_secrets(loaded))],
    }


def _error(error: PolicyError) -> dict[str, Any]:
    return {
        "file": error.file,
        "line": error.line,
        "column": error.column,
        "path": error.pointer,
        "message": error.message,
        "expected": error.expected,
        "nearest": error.nearest,
    }
