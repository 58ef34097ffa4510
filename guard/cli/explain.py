"""`guard explain`: what would happen to a request, without a network."""

import json
import time
from pathlib import Path
from typing import Any

import click

from guard.cli.check import compiled
from guard.policy.route import Route as RoutePolicy
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.pipeline import closed
from guard.proxy.rescue import STATUS
from guard.proxy.values import DISABLED, Answer, Call, Closed, Deny, Head, Permit, Refused, Route, Rung


def run(policy: Path, request: Path, *, route: str | None, as_json: bool) -> int:
    """Print what happens to the request: 0 if guard allows it, 1 if guard denies it. Raises Refused."""
    loaded, plan = compiled(policy)
    try:
        body = request.read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {request}: {error.strerror}") from None
    chosen = _choose(plan.routes, route)
    key = f"{chosen.method} {chosen.template}"
    declared = loaded.policy.routes[key]
    content = declared.content if isinstance(declared, RoutePolicy) else None
    kind = content[0].encode() if content else b"application/json"
    head = Head(chosen.method.encode(), chosen.template.encode(), [(b"content-type", kind)])
    explanation = _explained(chosen, head, body)
    click.echo(json.dumps(explanation) if as_json else _text(key, explanation))
    return 0 if explanation["verdict"] != "deny" else 1


def _choose(routes: tuple[Route, ...], wanted: str | None) -> Route:
    keys = {f"{route.method} {route.template}": route for route in routes}
    if wanted is not None:
        if wanted not in keys:
            raise click.UsageError(f"no route {wanted!r}; the policy has {', '.join(keys)}")
        return keys[wanted]
    judged = [route for route in routes if route.judges] or list(routes)
    if len(judged) != 1:
        raise click.UsageError(f"give --route; the policy has {', '.join(keys)}")
    return judged[0]


def _explained(route: Route, head: Head, body: bytes) -> dict[str, Any]:
    context = Context(head, "explain", 0.0)
    if len(body) > route.max_body:
        return {"verdict": "deny", "status": 413, "code": "body_too_large", "violations": [], "rungs": []}
    try:
        permit = judge(context, route, body, 0.0, time.time())  # noqa: TID251 — the edge of this command
    except Refused as refused:
        status = refused.status or STATUS[refused.code]
        violations = [{"pointer": pointer, "code": code} for pointer, code, _ in refused.violations]
        return {"verdict": "deny", "status": status, "code": refused.code, "violations": violations, "rungs": []}
    verdict = "lower" if permit.lowered else "allow" if _same(permit.body, body) else "amend"
    return {
        "verdict": verdict,
        "reason": permit.lowered,
        "violations": [{"pointer": pointer, "code": code} for pointer, code, _ in context.record.violations],
        "sent": _shown(permit.body),
        "rungs": [_rung(rung, permit) for rung in route.ladder],
    }


def _rung(rung: Rung, permit: Permit) -> dict[str, Any]:
    step = closed(rung, permit, False, 0.0) or rung.ask(permit, None, 0.0)
    match step:
        case Call():
            return {"source": rung.source, "would": "call", "url": step.target.url + permit.head.target.decode()}
        case Answer():
            output = permit.route.output
            if output is not None and rung.source != DISABLED:
                verdict = output.judge_own(step.document, permit.rows)
                if isinstance(verdict, Deny):
                    broken = [f"{pointer} {code}" for pointer, code, _ in verdict.violations]
                    return {"source": rung.source, "would": "close", "reason": "invalid", "violations": broken}
            return {"source": rung.source, "would": "answer", "status": step.status, "body": _shown(step.body)}
        case Closed():
            return {"source": rung.source, "would": "close", "reason": step.reason}


def _same(sent: Any, body: bytes) -> bool:
    """Whether the model gets what the client said; blanks, and 5 written as 5.0, are no amendment."""
    if sent == body:
        return True
    try:
        sent_document, other = (json.dumps(json.loads(text, parse_int=float)) for text in (sent, body))
    except (TypeError, ValueError):
        return False
    return sent_document == other


def _shown(body: object) -> object:
    if not isinstance(body, bytes):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return f"{len(body)} bytes"


def _text(key: str, explanation: dict[str, Any]) -> str:
    lines = [
        f"{key}: {explanation['verdict']}"
        + (f" ({explanation['code']}, {explanation['status']})" if "code" in explanation else "")
    ]
    lines += [
        f"  {violation['pointer'] or '(the whole body)'}: {violation['code']}" for violation in explanation["violations"]
    ]
    if explanation.get("sent") is not None:
        lines.append(f"  the model server would get {json.dumps(explanation['sent'], ensure_ascii=False)}")
    for rung in explanation["rungs"]:
        rest = {name: value for name, value in rung.items() if name not in ("source", "would")}
        details = ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in rest.items())
        lines.append(f"  {rung['source']:9} would {rung['would']}: {details}")
    return "\n".join(lines)
