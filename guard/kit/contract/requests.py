"""How a request looks in its dialect, in sentences; and one that works, with an answer to it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from guard.contract.output import OutputContract
from guard.contract.spoken import SpokenOutput
from guard.dialects import DIALECTS
from guard.kit.contract.values import Body, Example
from guard.kit.example import NoExample, example, value
from guard.kit.wire import Wire
from guard.policy import speaking
from guard.policy.fields import SchemaFile
from guard.policy.models import Passthrough
from guard.policy.route import Route
from guard.proxy.values import Deny, Head, Message
from guard.proxy.values import Route as Compiled

_JSON: Final = "application/json"


def body_of(route: Route | Passthrough) -> Body:
    """What guard knows of a request."""
    if isinstance(route, Passthrough):
        return "passthrough"
    if isinstance(route.input, SchemaFile):
        return "schema"
    if route.input is not None:
        return "fields"
    return "opaque" if route.content is not None else "unread"


def judged(route: Route) -> bool:
    """Whether guard reads the body as its dialect has it."""
    return route.content is None and (route.input is not None or not DIALECTS[route.dialect].plain)


def content(route: Route | Passthrough) -> tuple[str, ...]:
    """Media types that are taken; none where any is."""
    if isinstance(route, Passthrough):
        return ()
    if route.content is not None:
        return route.content
    return DIALECTS[route.dialect].looks.content if judged(route) else ()


def notes(laid: Wire | None) -> Iterator[str]:
    """How a request and its answer are laid out; None for a route that is passed through."""
    if laid is None:
        yield "Passed to the model server as it comes, and its answer back, errors included; guard reads neither."
        return
    route = laid.route
    if route.enforcement == "observe":
        yield "The contract is observed, not enforced: what breaks it is counted and passed on."
    if route.content is not None:
        yield "The body is passed on as it is; its type and its size are checked."
    elif not judged(route):
        yield "No input is declared: a body of any type is passed on unread."
    else:
        yield from _layout(laid)
    if route.stream:
        yield "The answer is a stream: it is passed on as it comes, and cut off where it cannot be ended well."


def _layout(laid: Wire) -> Iterator[str]:
    route = laid.route
    row = "a list of values in the order below" if route.columns is not None else "an object"
    if laid.tensors and route.columns is not None:
        yield "One tensor, named below, has a row for each instance, its columns in the order below."
    elif laid.tensors:
        yield "Each field is a tensor of its name, and its first dimension counts the instances."
    elif laid.member:
        yield f"Instances stand in the list `{laid.member}`, each {row}; there are as many answers."
    elif route.rows is not None:
        where = "The body is" if not route.rows else "At the place below the body has"
        yield f"{where} a list of one or more instances, each {row}; there are as many answers."
    elif isinstance(route.input, SchemaFile):
        yield "The body is JSON, as the schema file has it."
    else:
        yield f"The body is one instance: {row}."
    yield from laid.looks.notes
    if words := [f"`{name}`" for name in laid.looks.words if name in route.inputs]:
        yield f"No member of a request, but what guard finds in it: {', '.join(words)}."


# ── one that works ────────────────────────────────────────────────────────────────────────────────────────────────────


def working(route: Route, compiled: Compiled, path: str, wall: float, model: str) -> Example:
    """A request that the route's own judges allow, and an answer that its contract does. Raises NoExample.

    `model`: what requests that name one call it.
    """
    if not judged(route):
        raise NoExample("the body is not read")
    if route.input is None:
        raise NoExample("no fields are declared")
    body = example(compiled.key, route, wall).document
    if isinstance(body, dict) and "model" in body and "model" not in route.inputs:
        body = {**body, "model": model}
    target = path.replace("/*", "/x").encode()
    head, raw = Head(b"POST", target, [(b"content-type", b"application/json")]), json.dumps(body).encode()
    message: Message | None = None
    for judge in compiled.judges:
        verdict = judge.judge(head, raw, wall)
        if isinstance(verdict, Deny) or verdict.violations:
            raise NoExample("what the contract asks together cannot be guessed")
        message = verdict.message
    return Example((("content-type", _JSON),), body, _answer(route, compiled, message, wall))


def _answer(route: Route, compiled: Compiled, message: Message | None, wall: float) -> Any:
    """None where no outputs are declared, or the answer is a stream."""
    contract = compiled.output
    if not route.outputs or route.stream or not isinstance(contract, OutputContract | SpokenOutput):
        return None
    try:
        said = {name: value(output, wall) for name, output in route.outputs.items()}
    except NoExample:
        return None
    document = contract.build([said])
    write = speaking.writer(speaking.form_of(compiled.key, route, compiled.dialect, metered=False))
    kind, body = write(document, message)
    return json.loads(body) if kind == b"application/json" else None


def columns(route: Route | Passthrough) -> Sequence[str]:
    """The order of positional rows; none where there are none."""
    return (route.columns or ()) if isinstance(route, Route) else ()
