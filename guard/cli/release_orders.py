"""Orders of the release path, its verdict and its status: commands that ask the admin API of a running guard."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from guard.cli.answers import printable
from guard.cli.operate import AdminAnswer, Where, ask, failed, find_endpoint

CODES: Final = {"pass": 0, "fail": 1}
HOLD: Final = 3
"""Exit code of a verdict that is none yet, and of a guard that does not answer: neither is a reason to go on or back."""
PAUSE: Final = 2.0


def order(
    where: Where, kind: str, body: Mapping[str, Any], policy: Path | None, wait: float | None, *, as_json: bool
) -> int:
    """Give an order; then the engine does its part, where a policy names one. 0: in force, 1: refused."""
    given = {name: value for name, value in body.items() if value is not None}
    reply = ask(find_endpoint(where), "POST", f"/release/{kind}", given, ca=where.ca)
    if reply.status != 200:
        return _refused(reply)
    code = _engine(policy, kind) if policy is not None else 0
    if wait is not None:
        return waited(where, wait, as_json=as_json)
    click.echo(json.dumps(reply.body, indent=2) if as_json else "\n".join(lines(reply.body)))
    return code


def verdict(where: Where, *, as_json: bool) -> int:
    """0: pass, 1: fail, 3: everything else."""
    reply = ask(find_endpoint(where), "GET", "/release/verdict", ca=where.ca)
    if reply.status != 200:
        failed(reply)
        return HOLD
    click.echo(json.dumps(reply.body, indent=2) if as_json else "\n".join(judged(reply.body)))
    return CODES.get(str(reply.body.get("verdict")), HOLD)


def status(where: Where, *, as_json: bool) -> int:
    """Print roles, stage, verdict, and what to write into the policy."""
    reply = ask(find_endpoint(where), "GET", "/release", ca=where.ca)
    if reply.status != 200:
        return failed(reply)
    click.echo(json.dumps(reply.body, indent=2) if as_json else "\n".join(lines(reply.body)))
    return 0


def waited(
    where: Where, within: float, *, as_json: bool, clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:  # fmt: skip
    """Ask until the candidate passes, fails, or its step has seen all that it has to see; 3 if none comes in time."""
    until = clock() + within
    while True:
        reply = ask(find_endpoint(where), "GET", "/release/verdict", ca=where.ca)
        found = reply.body if reply.status == 200 else {}
        done = CODES.get(str(found.get("verdict")))
        if done is None and _seen_all(found):
            done = 0
        if done is not None or clock() >= until:
            if not found:
                failed(reply)
            click.echo(json.dumps(found, indent=2) if as_json else "\n".join(judged(found)))
            return HOLD if done is None else done
        sleep(PAUSE)


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The release as a person reads it."""
    for role in ("model", "candidate", "previous"):
        served = document["roles"].get(role)
        yield f"{role + ':':11} " + (_served(served) if served else "-")
    step = document.get("step")
    share = f", step {step['index']}, {step['share']:.2%} of the keys" if step else ""
    yield f"stage:      {printable(document['stage'])}{share}"
    yield from judged(document["verdict"])
    if drift := document.get("drift"):
        yield from _diff(drift)
    newest = document.get("history") or []
    for entry in newest[:5]:
        broken = "" if entry.get("intact", True) else "   THE CHAIN IS BROKEN HERE"
        told = f"{entry.get('at')}  {entry.get('who')}: {entry.get('what')} {entry.get('candidate')}: {entry.get('why')}"
        yield printable(told) + broken


def judged(found: Mapping[str, Any]) -> Iterator[str]:
    """The verdict, and each gate with its number and the one that it needs."""
    yield f"verdict:    {printable(found.get('verdict'))}: {printable(found.get('why'))}"
    for gate in found.get("gates", ()):
        where = " ".join(str(gate[name]) for name in ("route", "segment") if gate.get(name))
        name = f"{gate['gate']} {gate['metric']}" + (f" {where}" if where else "")
        detail = f"   {gate['detail']}" if gate.get("detail") else ""
        yield printable(f"  {gate['state']:5} {name}: {gate['number']} of {gate['needed']}{detail}")


def _diff(drift: Mapping[str, Any]) -> Iterator[str]:
    """The change of the policy that makes it say what is in force."""
    file, force = drift["file"], drift["force"]
    yield "drift: the policy file does not say what is in force. Commit:"
    if file["url"] != force["url"]:
        yield printable(f"  - upstream: {{url: {file['url']}}}")
        yield printable(f"  + upstream: {{url: {force['url']}}}")
    yield printable(f"  - release: the record of {file['version'] or '(none)'} {str(file['digest'])[:19]}")
    yield printable(f"  + release: the record of {force['version']} {str(force['digest'])[:19]}")
    yield "  - candidate: remove it, or declare the next one"


def _served(served: Mapping[str, Any]) -> str:
    return printable(f"{served['version'] or '(no version)'} at {served['url']} {str(served['digest'])[:19]}")


def _seen_all(found: Mapping[str, Any]) -> bool:
    steps = [gate for gate in found.get("gates", ()) if gate["gate"] == "step"]
    return bool(steps) and all(gate["state"] == "pass" for gate in steps) and found.get("verdict") != "withheld"


def _refused(reply: AdminAnswer) -> int:
    """Print why, and the gates that do not hold with their numbers; 1."""
    failed(reply)
    for gate in reply.body.get("gates", ()):
        if isinstance(gate, dict) and gate.get("state") != "pass":
            words = f"  {gate.get('gate')} {gate.get('metric')}: {gate.get('number')} of {gate.get('needed')}"
            click.echo(printable(words), err=True)
    return 1


def _engine(policy: Path, kind: str) -> int:
    """Let the policy's engine follow an order; 1 if it fails. guard's order is in force all the same."""
    from guard.cli.check import compiled  # noqa: PLC0415
    from guard.kit.candidate import declared  # noqa: PLC0415
    from guard.kit.candidate.engines import engine  # noqa: PLC0415

    loaded, _ = compiled(policy)
    chosen = engine(declared.candidate(loaded).engine)
    if chosen is None or kind not in {"promote", "rollback", "abort"}:
        return 0
    code = 0
    for outcome in chosen.perform(kind, declared.subject(loaded)):  # type: ignore[arg-type]
        click.echo(f"  {'ok    ' if outcome.ok else 'failed'} {outcome.what}", err=True)
        if not outcome.ok:
            click.echo(f"         {outcome.detail}; guard's order is in force", err=True)
            code = 1
    return code
