"""The layout of a request in its dialect, in sentences, and a valid example with its answer."""

import json
from collections.abc import Iterator
from typing import Any, Final

from guard.contract.codec_contract import CodecOutput
from guard.contract.output import OutputContract
from guard.contract.strict import SAFE
from guard.kit.contract.values import Example
from guard.kit.description import ContractDescription, RouteDescription
from guard.kit.example import NoExample, example, value
from guard.policy.compiling import codec
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.proxy.values import Deny, Head, Message
from guard.proxy.values import Route as Compiled

_JSON: Final = "application/json"


def notes(described: RouteDescription) -> Iterator[str]:
    """The layout of a request and its answer."""
    if not isinstance(described, ContractDescription):
        yield "Passed to the model server as it comes, and its answer back, errors included; guard reads neither."
        return
    route = described.contract
    if route.enforcement == "observe":
        yield "The contract is observed, not enforced: what breaks it is counted and passed on."
    if route.content is not None:
        yield "The body is passed on as it is; its type and its size are checked."
    elif not described.judged:
        yield "No input is declared: a body of any type is passed on unread."
    else:
        yield from _layout(described)
    if route.stream:
        yield "The answer is a stream: it is passed on as it comes, and cut off where it cannot be ended well."


def _layout(laid: ContractDescription) -> Iterator[str]:
    route = laid.contract
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
    yield from laid.request_layout.notes
    if (lines := codec.line_reader(route, laid.dialect)) is not None:
        yield f"JSON Lines too, one instance a line (`{lines.types[0]}`); violations name the line, counted from 0."
    if not route.exact and any(value.shape.type == "integer" and value.shape.enum is None for value in laid.inputs):
        yield f"Integers lie within ±{SAFE}, which no reader rounds."
    if words := [f"`{name}`" for name in laid.request_layout.words if name in route.inputs]:
        yield f"No member of a request, but what guard finds in it: {', '.join(words)}."


# ── one that works ────────────────────────────────────────────────────────────────────────────────────────────────────


def working(described: ContractDescription, compiled: Compiled, wall: float, model: str | None) -> Example:
    """A request that the route's own judges allow, and an answer that its contract does. Raises NoExample.

    `model`: what requests that name one call it, where the policy says so.
    """
    route = described.contract
    if not described.judged:
        raise NoExample("the body is not read")
    if route.input is None:
        raise NoExample("no fields are declared")
    body = example(compiled.key, route, wall).document
    if model is not None and isinstance(body, dict) and "model" in body and "model" not in route.inputs:
        body = {**body, "model": model}
    target = described.path.replace("/*", "/x").encode()
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
    if not route.outputs or route.stream or not isinstance(contract, OutputContract | CodecOutput):
        return None
    try:
        values = {name: value(output, wall) for name, output in route.outputs.items()}
    except NoExample:
        return None
    document = contract.build([values])
    write = codec.writer(codec.codec_of(compiled.key, route, compiled.dialect, metered=False))
    kind, body = write(document, message)
    return json.loads(body) if kind == b"application/json" else None
