"""`guard release smoke`: requests that the contract allows go straight to the candidate, and each answer is judged.

The contract's own example, drawn instances where the rehearsal's extra is installed, and golden rows. Nothing is retried:
one answer that fails or breaks the contract fails the step.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from guard.kit import evidence
from guard.kit.candidate import declared, history
from guard.kit.candidate.asking import RowAsker, RowRefused
from guard.kit.candidate.engines.values import Outcome
from guard.kit.candidate.evaluate import chosen
from guard.kit.candidate.rows import read
from guard.kit.candidate.staging import StepResult, finish
from guard.kit.example import NoExample, value
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.generate import NoGenerator, instances, prepare
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.route import Route as Declared

DRAWN: Final = 50
MOST_SHOWN: Final = 10


def run(
    policy: Path,
    loaded: Loaded,
    plan: CompiledPlan,
    rows: Path | None,
    route: str | None,
    truth: str | None,
    *,
    as_json: bool,
) -> int:
    """0: every answer is valid. 1: one is not, or none was asked."""
    key, contract, compiled = chosen(loaded, plan, route)
    url = declared.url(declared.candidate(loaded))
    asker = RowAsker(key, contract, compiled, None, None)
    result = StepResult("smoke", declared.subject(loaded))
    counts: dict[str, int] = {}
    with Client(url, verify=True, within=contract.timeout.attempt + 1.0) as client:
        for kind, instance in _requests(contract, rows, truth):
            try:
                answer = asker.ask(client, asker.request(instance))
            except RowRefused as refused:
                if kind == "golden":
                    result.outcomes.append(Outcome("a golden row", False, f"the contract denies it: {refused}"))
                continue
            counts[kind] = counts.get(kind, 0) + 1
            if not answer.usable:
                word = "failed" if answer.failed else "breaks the contract"
                result.outcomes.append(Outcome(f"a request ({kind})", False, f"{word}: {answer.code}"))
    asked = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    result.outcomes = [Outcome(f"requests to {url}: {asked}", bool(counts)), *result.outcomes[:MOST_SHOWN]]
    return finish(policy, result, as_json=as_json, evidence=_kept(policy, loaded, result, counts))


def _requests(contract: Declared, rows: Path | None, truth: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    wall = time.time()  # noqa: TID251 — the edge of this command
    try:
        yield "example", {name: value(field, wall) for name, field in contract.inputs.items() if field.required}
    except NoExample as error:
        click.echo(f"guard: no example: {error}", err=True)
    with tempfile.TemporaryDirectory(prefix="guard-smoke-") as folder:
        try:
            prepare(Path(folder))
            for instance in instances(contract.inputs, wall, DRAWN, 0):
                yield "drawn", instance
        except NoGenerator:
            click.echo("guard: no drawn requests; they need the extra: pip install 'guard-sidecar[rehearse]'", err=True)
    if rows is not None:
        for row in read(rows, contract.inputs, truth or next(iter(contract.outputs), "label")):
            yield "golden", row.instance


def _kept(policy: Path, loaded: Loaded, result: StepResult, counts: Mapping[str, int]) -> dict[str, str]:
    """The digest of the evidence; empty where it cannot be written, and then this is said."""
    now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    failed = [outcome.detail for outcome in result.outcomes if not outcome.ok]
    document = {"candidate": result.subject.digest, "asked": dict(counts), "failed": failed}
    try:
        place = evidence.keep(policy, evidence.document(loaded, "smoke", document, passed=result.ok, at=now))
        return {"smoke": history.digest(place.read_bytes())}
    except (OSError, ValueError) as error:
        click.echo(f"guard: the evidence is not saved: {error}", err=True)
        return {}
