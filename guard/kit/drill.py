"""`guard drill`: walks a running service down its ladder and back, and proves that each rung keeps its promise.

For every route and each of its rungs: the mode is lowered to it, requests are sent until an answer comes from there, and
it is held against the output contract. A route that is lowered already is not touched; the others are given back as they
were (`lowering.py`), also when the drill is interrupted.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from guard.cli.check import compiled
from guard.cli.operate import Endpoint, Where, ask, find_endpoint, trust
from guard.kit import evidence
from guard.kit.example import NoExample, example
from guard.kit.lowering import Lowering, Untouched, decided, interruptible
from guard.ladder.mode import NORMAL
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.route import Route as RoutePolicy
from guard.proxy.values import CACHED, DISABLED, MODEL, RULES, Allow, Route

WITHIN: Final = 2.0
"""Seconds in which an order must show on the data plane."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of one route."""

    route: str
    rung: str
    ok: bool
    seconds: float | None  # from the order to the first answer from there
    status: int
    source: str
    why: str


class Tried(NamedTuple):
    """The request that a route is drilled with."""

    target: str
    headers: Mapping[str, str]
    body: bytes


def run(where: Where, policy: Path, data: str, requests: dict[str, Path], *, as_json: bool) -> int:
    """Drill every route: 0 if every rung answered as it promises, else 1. Raises Refused."""
    loaded, plan = compiled(policy)
    endpoint = find_endpoint(where)
    before = ask(endpoint, "GET", "/status", ca=where.ca)
    if why := str(before.body.get("code")) if before.status != 200 else decided(before.body):
        click.echo(f"guard: no drill: {why}", err=True)
        return 1
    if before.body["policy"]["digest"] != loaded.digest:
        click.echo(f"guard: no drill: the service runs another policy than {policy}; reload the policy first", err=True)
        return 1
    if why := _silent(where, data):
        click.echo(f"guard: no drill: {why}", err=True)
        return 1
    steps: list[Step] = []
    for route in plan.routes:
        declared = loaded.policy.routes[route.key]
        if not isinstance(declared, RoutePolicy) or "{" in route.template or route.template.endswith("*"):
            continue
        try:
            tried = _tried(route, declared, requests.get(route.key))
        except NoExample as error:
            steps.append(
                Step(route.key, "", False, None, 0, "", f"guard cannot make a request: {error}; give one with --request")
            )
            continue
        steps += walk(endpoint, where, route, data, tried)
    return _report(policy, loaded, plan, steps, as_json=as_json)


def _silent(where: Where, data: str) -> str:
    """The reason why no client can reach the data listener, or an empty text. No order is sent then."""
    import httpx2  # noqa: PLC0415

    try:
        with httpx2.Client(
            trust_env=False, timeout=WITHIN, verify=trust(where.ca) if data.startswith("https:") else False
        ) as client:
            client.request("OPTIONS", data + "/")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return f"nothing answers at {data} ({type(error).__name__}); give guard's data listener with --data URL"
    return ""


def _tried(route: Route, declared: RoutePolicy, file: Path | None) -> Tried:
    """The body that somebody gave, or one made from the contract. Raises NoExample."""
    if file is not None:
        kind = declared.content[0] if declared.content else "application/json"
        return Tried(route.template, {"content-type": kind}, file.read_bytes())
    request = example(route.key, declared, time.time())  # noqa: TID251 — the edge of this command
    return Tried(route.template, {"content-type": request.content_type}, request.body)


def walk(endpoint: Endpoint, where: Where, route: Route, data: str, tried: Tried, *, verify: Any = None) -> list[Step]:
    """One route down its ladder and back up, whatever happens. `verify`: what `data` is believed by, in place of --ca.

    A route that is lowered is not touched, and what somebody else orders meanwhile ends its drill and stands.
    """
    steps: list[Step] = []
    if not data.startswith("https:"):
        verify = False
    elif verify is None:
        verify = trust(where.ca)
    source = ""
    try:
        with interruptible(), Lowering(endpoint, where, route.key) as lowering:
            for rung in route.ladder:
                source = rung.source
                lowering.order(NORMAL.mode if source == MODEL else source)
                steps.append(_rung(route, source, data, tried, verify))
    except Untouched as untouched:
        steps.append(Step(route.key, source, False, None, 0, "", str(untouched)))
    return steps


def _rung(route: Route, source: str, data: str, tried: Tried, verify: Any) -> Step:
    import httpx2  # noqa: PLC0415

    key = route.key
    begun, got, status = time.perf_counter(), "", 0
    answer = b""
    answered: Mapping[str, str] = {}
    headers = {"user-agent": "guard-drill", **tried.headers}
    with httpx2.Client(trust_env=False, timeout=15.0, verify=verify) as client:
        while time.perf_counter() - begun < WITHIN:
            try:
                reply = client.request(route.method, data + tried.target, content=tried.body, headers=headers)
            except httpx2.HTTPError as error:
                return Step(key, source, False, None, 0, "", f"{data}: {type(error).__name__}")
            answered = reply.headers
            got, status, answer = answered.get("x-guard-source", ""), reply.status_code, reply.content
            if got == source or not got:
                break
            if source == CACHED:
                return Step(key, source, True, None, status, got, "the cache holds no answer for this request")
    took = time.perf_counter() - begun
    why = (
        _broken(route, source, status, answer, answered) if got == source else f"the answer came from {got or 'no source'}"
    )
    return Step(key, source, not why, round(took, 4), status, got, why)


def _broken(route: Route, source: str, status: int, body: bytes, headers: Mapping[str, str]) -> str:
    """The violations of an answer in words; empty if there are none. Rules may leave null what only the model gives."""
    if source == DISABLED or route.output is None:
        return ""
    if not 200 <= status < 300:
        return f"status {status}"
    if source == RULES and route.dialect.plain:
        try:
            verdict = route.output.judge_own(json.loads(body), None)
        except ValueError:
            return "not JSON"
    else:
        verdict = route.output.judge(body, None, [(name.encode(), value.encode()) for name, value in headers.items()])
    if isinstance(verdict, Allow):
        return ""
    violations = [violation for violation in verdict.violations if source != RULES or violation.code != "null"]
    return (
        "the answer breaks the output contract: " + ", ".join(f"{item.pointer} {item.code}" for item in violations)
        if violations
        else ""
    )


def _report(policy: Path, loaded: Loaded, plan: CompiledPlan, steps: list[Step], *, as_json: bool) -> int:
    ok = bool(steps) and all(step.ok for step in steps)
    at = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    result = {"steps": [asdict(step) for step in steps]}
    document = evidence.document(loaded, "drill", result, passed=ok, at=at)
    if why := evidence.try_keep(policy, document):
        click.echo(f"guard: {why}", err=True)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return 0 if ok else 1
    for step in steps:
        took = f"{step.seconds * 1e3:6.0f} ms" if step.seconds is not None else "        -"
        click.echo(
            f"  {'ok  ' if step.ok else 'FAIL'} {step.route:28} {step.rung:9} {took}  {step.status or '-':>3}  {step.why}"
        )
    verdict = "every rung answers as promised" if ok else "FAILED: a rung does not answer as promised"
    click.echo(f"{verdict}: {len(plan.routes)} routes, {len(steps)} steps")
    return 0 if ok else 1
