"""`guard release register` and `guard release stage`: the record is verified, and the engine does its part.

Both may be repeated: what is already so stays so, and what failed is tried again.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from guard.kit.candidate import declared, history
from guard.kit.candidate.engines import engine
from guard.kit.candidate.engines.values import EngineStep, Outcome, Subject
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.values import Request
from guard.kit.release import verify
from guard.policy.loading import Loaded

PAUSE: Final = 0.25
CONNECT: Final = 2.0


@dataclass(slots=True)
class StepResult:
    """A step as it is printed and kept in the history."""

    step: str
    subject: Subject
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all of it was done."""
        return all(outcome.ok for outcome in self.outcomes)


def register(policy: Path, loaded: Loaded, source: str, *, as_json: bool) -> int:
    """0: the record agrees with the disk and the registry knows it. 1: it does not, and nothing was registered."""
    release, place = declared.candidate(loaded).release, declared.record(loaded)
    result = StepResult("register", declared.subject(loaded, source))
    differences = list(verify.differences(release, place.parent, loaded))
    result.outcomes += [Outcome(f"verify {place.name}", False, str(item)) for item in differences]
    if not differences:
        result.outcomes.append(Outcome(f"verify {place.name}", True))
        result.outcomes += _engine(loaded, "register", result.subject)
    return finish(policy, result, as_json=as_json)


def stage(policy: Path, loaded: Loaded, within: float, *, as_json: bool) -> int:
    """0: the candidate's server answers. 1: it does not, and what to do is said."""
    result = StepResult("stage", declared.subject(loaded))
    result.outcomes += _engine(loaded, "stage", result.subject)
    missing = [outcome for outcome in result.outcomes if not outcome.ok]
    # Where the engine is not installed here, people may have started the server: it is asked once.
    answered = _answers(loaded, 0.0 if missing else within)
    result.outcomes = [answered] if missing and answered.ok else [*result.outcomes, *([] if missing else [answered])]
    return finish(policy, result, as_json=as_json)


def _engine(loaded: Loaded, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
    chosen = engine(declared.candidate(loaded).engine)
    if chosen is not None:
        yield from chosen.perform(step, subject)


def _answers(loaded: Loaded, within: float, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """The candidate's server answers the probe of the policy, or accepts a connection where there is none."""
    url = declared.url(declared.candidate(loaded))
    probe = loaded.policy.upstream.probe
    what = f"the candidate answers at {url}{probe or ''}"
    until = clock() + within
    while True:
        why = _probe(url, probe) if probe is not None else _connection(url)
        if not why:
            return Outcome(what, True)
        if clock() >= until:
            todo = "start its server, or correct candidate.url; then run the step again"
            return Outcome(what, False, f"{why} after {within:g} s; {todo}")
        time.sleep(PAUSE)


def _probe(url: str, path: str) -> str:
    with Client(url, verify=True, within=CONNECT) as client:
        got = client.ask(Request("GET", path, (), b""))
    return "" if 200 <= got.status < 300 else str(got)


def _connection(url: str) -> str:
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(CONNECT)
                local.connect(parts.path)
        else:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), CONNECT).close()
    except OSError as error:
        return f"no connection ({error.strerror or type(error).__name__})"
    return ""


def finish(policy: Path, result: StepResult, *, as_json: bool, evidence: dict[str, str] | None = None) -> int:
    """Write the history, print the result; the exit code."""
    failed = [outcome for outcome in result.outcomes if not outcome.ok]
    detail = failed[0].what if failed else result.outcomes[-1].what if result.outcomes else ""
    outcome = "pass" if result.ok else "fail"
    step = history.Step(result.step, result.subject.version, result.subject.digest, outcome, detail, evidence or {})
    notes = []
    try:
        history.append(policy, step, datetime.now(UTC))  # noqa: TID251 — the edge of this command
    except (OSError, history.HistoryBroken) as error:
        notes.append(f"the history is not written: {error}")
    click.echo(json.dumps(_document(result, notes), indent=2) if as_json else _text(result, notes))
    return 0 if result.ok else 1


def _document(result: StepResult, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "step": result.step, "version": result.subject.version, "digest": result.subject.digest, "ok": result.ok,
        "outcomes": [outcome._asdict() for outcome in result.outcomes], "notes": list(notes),
    }  # fmt: skip


def _text(result: StepResult, notes: Sequence[str]) -> str:
    lines = [f"{result.step} {result.subject.version} {result.subject.digest[:19]}: {'done' if result.ok else 'NOT DONE'}"]
    for outcome in result.outcomes:
        lines.append(f"  {'ok    ' if outcome.ok else 'failed'} {outcome.what}")
        if outcome.detail:
            lines.append(f"         {outcome.detail}")
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])
