"""`guard rehearse`, from the command line to its report: policy → stage → parts → report, in the order of the functions."""

import json
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from guard.cli.check import compiled
from guard.cli.operate import Where, trust
from guard.kit import evidence
from guard.kit.files import replace
from guard.kit.rehearse import base, generate
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.files import examples
from guard.kit.rehearse.forms.html import html
from guard.kit.rehearse.forms.junit import junit
from guard.kit.rehearse.forms.terminal import terminal
from guard.kit.rehearse.own import pinned, started
from guard.kit.rehearse.parts import PARTS
from guard.kit.rehearse.progress import Progress
from guard.kit.rehearse.report import passed, result
from guard.kit.rehearse.stage import Options, Stage
from guard.kit.rehearse.subject import subject
from guard.kit.rehearse.values import Check, Part
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.route import Route

INTERRUPTED: Final = 130
"""Exit code of a program that SIGINT ended, as in shells."""


@dataclass(frozen=True, slots=True)
class Against:
    """The guard to rehearse. `data` None: rehearse starts one."""

    data: str | None
    ops: str | None
    upstream: str | None


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of the report to write, besides the evidence."""

    as_json: bool
    html: Path | None
    junit: Path | None


def run(where: Where, policy: Path, against: Against, options: Options, forms: Forms) -> int:
    """Rehearse and report: 0 if every check passes, 1 if one fails, 130 after an interrupt. Raises Refused."""
    loaded, plan = compiled(policy)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-rehearse-")))
        try:
            generate.prepare(folder / "generator")
        except generate.NoGenerator as error:
            raise click.UsageError(str(error)) from None
        stack.enter_context(_ended_by(signal.SIGTERM))
        stage = _stage(stack, folder, where, policy, loaded, plan, against, options)
        stage.began = stage.clock()
        parts, interrupted = _play(stage)
        return _report(stage, parts, forms, interrupted=interrupted)


def _stage(
    stack: ExitStack, folder: Path, where: Where, policy: Path, loaded: Loaded, plan: CompiledPlan,
    against: Against, options: Options,
) -> Stage:  # fmt: skip
    progress = Progress(sys.stderr)
    data, ops, verify = against.data, against.ops, _trusted(where)
    log, pid, own = None, None, against.data is None
    if own:
        progress.begin("starting guard")
        mine = stack.enter_context(started(policy, loaded, against.upstream, where, folder))
        data, ops, verify, where, log, pid = mine.data, mine.ops, mine.verify, mine.where, mine.log, mine.pid
    within = max(
        (route.timeout.request for route in loaded.policy.routes.values() if isinstance(route, Route)), default=10.0
    )
    client = stack.enter_context(Client(data or "", verify, within + 2.0))
    return Stage(
        loaded=loaded, plan=plan, policy=policy, options=options, where=where, data=data or "", ops=ops,
        upstream=against.upstream or str(loaded.policy.upstream.url), own=own, client=client, progress=progress,
        subjects=[
            subject(route.key, declared, route)
            for route in plan.routes
            if isinstance(declared := loaded.policy.routes[route.key], Route)
        ],
        wall=time.time(),  # noqa: TID251 — the edge of this command
        examples=list(examples(policy)), log=log, pid=pid, verify=verify, upstream_verify=upstream_trust(loaded),
    )  # fmt: skip


def _trusted(where: Where) -> Any:
    try:
        return trust(where.ca)
    except (OSError, ssl.SSLError) as error:
        raise click.UsageError(f"cannot use {where.ca}: {error}") from None


def upstream_trust(loaded: Loaded) -> Any:
    """The TLS verification of the model server, for requests without guard."""
    tls = loaded.policy.upstream.tls
    if tls is None or tls.ca is None:
        return True
    context = pinned(tls.ca.path)
    if tls.cert is not None and tls.key is not None:
        context.load_cert_chain(tls.cert.path, tls.key.path)
    return context


def _play(stage: Stage) -> tuple[list[Part], bool]:
    """All parts; what they saw, also of one that was interrupted."""
    first = Part("requests", "A request that works")
    parts = [first]
    try:
        stage.progress.begin(first.title)
        why = _mismatch(stage, first) or base.find(stage, first)
        first.complete = True
        if why:
            todo = "`guard status` says who lowered the service and how to restore it; then rehearse again"
            first.checks.append(Check("no route is lowered", "fail", got=why, todo=todo))
            return parts, False
        for name, play in PARTS.items():
            if stage.options.parts and name not in stage.options.parts:
                continue
            parts.append(part := Part(name, play.title))
            stage.progress.begin(part.title)
            begun = stage.clock()
            try:
                play.run(stage, part)
                part.complete = True
            finally:
                part.seconds = stage.clock() - begun
    except KeyboardInterrupt:
        return parts, True
    finally:
        stage.progress.clear()
    return parts, False


def _mismatch(stage: Stage, part: Part) -> str:
    """Note where the running guard serves another policy than the one at hand."""
    served = "" if stage.own else stage.served()
    if served and not stage.loaded.digest.startswith(served):
        todo = "the running guard serves another policy; reload it, or rehearse with that policy"
        part.checks.append(
            Check("the running guard serves this policy", "fail", expected=stage.loaded.digest[:19], got=served, todo=todo)
        )
    return ""


def _report(stage: Stage, parts: list[Part], forms: Forms, *, interrupted: bool) -> int:
    ok = passed(parts, interrupted=interrupted)
    at = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    document = evidence.document(stage.loaded, "rehearse", result(stage, parts, interrupted=interrupted), passed=ok, at=at)
    # Half a rehearsal is no evidence, and replaces none.
    if not interrupted and not stage.options.parts and (why := evidence.try_keep(stage.policy, document)):
        click.echo(f"guard: {why}", err=True)
    lost = _written(forms, document)
    if forms.as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(terminal(document, [line for part in parts for line in part.private]))
    return INTERRUPTED if interrupted else 0 if ok and not lost else 1


def _written(forms: Forms, document: Mapping[str, Any]) -> bool:
    """Write the files that were asked for; whether one could not be."""
    lost = False
    files: dict[Path, bytes] = {}
    if forms.html is not None:
        files[forms.html] = html(document).encode()
    if forms.junit is not None:
        files[forms.junit] = junit(document)
    for path, content in files.items():
        try:
            replace(path, content)
        except OSError as error:
            lost = True
            click.echo(f"guard: cannot write {path}: {error.strerror}", err=True)
    return lost


@contextmanager
def _ended_by(number: int) -> Iterator[None]:
    """A CI that is out of time sends SIGTERM: the same as an interrupt from the keyboard."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)
