"""Policy → contract. Pure; `wall` is in the examples of fields that hold a time, and nowhere else."""

from collections.abc import Iterator
from typing import Final

from guard.kit.contract import effects
from guard.kit.contract.fields import inputs, outputs
from guard.kit.contract.requests import notes, working
from guard.kit.contract.sources import sources
from guard.kit.contract.statuses import elsewhere, everywhere, statuses, violations
from guard.kit.contract.values import Contract, Document, Example, Header, Limit
from guard.kit.description import ContractDescription, RouteDescription, describe
from guard.kit.example import NoExample
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.models import Policy
from guard.policy.route import Route
from guard.policy.scalars import write_duration, write_size
from guard.proxy.values import Route as Compiled

COMMON: Final = (
    Header("x-guard-no-fallback", "`1`: the model's own answer or an error, and none of the sources below it"),
    Header("traceparent", "W3C Trace Context; forwarded to the model server"),
)


def make(loaded: Loaded, plan: CompiledPlan, wall: float) -> Document:
    """The contract that the plan in force applies to clients and model servers."""
    described = describe(loaded, {route.key for route in plan.routes if not route.enforce})
    policy, release = loaded.policy, loaded.policy.release
    compiled = {route.key: route for route in plan.routes}
    incidents = policy.owners.incidents
    return Document(
        service=policy.service,
        digest=loaded.digest,
        model=release.model if release is not None else None,
        version=release.version if release is not None else None,
        owners=tuple(policy.owners.named()),
        runbook=incidents.runbook if incidents is not None else None,
        routes=tuple(
            _route(route, compiled[route.key], loaded, plan, wall) for route in described.routes if route.body != "denied"
        ),
        denied=tuple(route.key for route in described.routes if route.body == "denied"),
        everywhere=everywhere(),
        elsewhere=elsewhere(),
        limits=tuple(_common_limits(policy)),
        request_headers=COMMON,
        answer_headers=tuple(_common_answers(policy)),
    )


def _route(route: RouteDescription, compiled: Compiled, loaded: Loaded, plan: CompiledPlan, wall: float) -> Contract:
    described = route if isinstance(route, ContractDescription) else None
    contract = described.contract if described is not None else None
    release = loaded.policy.release
    fields = tuple(inputs(described)) if described is not None else ()
    example, why = _example(described, compiled, wall, release.model if release is not None else None)
    return Contract(
        route=route.key,
        method=route.method,
        path=route.path,
        body=route.body,
        dialect=contract.dialect if contract is not None else "none",
        enforcement=contract.enforcement if contract is not None else None,
        content=route.content,
        notes=tuple(notes(route)),
        columns=(contract.columns or ()) if contract is not None else (),
        rows=contract.rows if contract is not None else None,
        undeclared=effects.undeclared(contract) if contract is not None and contract.inputs else None,
        example=example,
        no_example=why,
        fields=fields,
        outputs=tuple(outputs(described)) if described is not None else (),
        sources=tuple(sources(route, release)),
        statuses=tuple(statuses(route, loaded, plan.upstream)),
        violations=violations(described, fields) if described is not None else (),
        limits=tuple(_limits(contract, compiled, loaded.policy, judged=described is not None and described.judged)),
        request_headers=tuple(_request_headers(contract, route.content)),
        answer_headers=tuple(_answer_headers(contract)),
    )


def _example(
    route: ContractDescription | None, compiled: Compiled, wall: float, model: str | None
) -> tuple[Example | None, str]:
    if route is None or not route.judged:
        return None, ""
    try:
        return working(route, compiled, wall, model), ""
    except NoExample as error:
        return None, str(error)


def _limits(route: Route | None, compiled: Compiled, policy: Policy, *, judged: bool) -> Iterator[Limit]:
    upstream = policy.upstream.limits
    if route is not None:
        yield Limit("max_body", route.max_body, write_size(route.max_body), "a request's body")
        if judged:
            description = "objects, lists and names of a document; 10 numbers or texts are one more"
            yield Limit("max_elements", route.max_elements, f"{route.max_elements:,}", description)
        if route.max_rows is not None:
            yield Limit("max_rows", route.max_rows, f"{route.max_rows:,}", "instances in a request")
        if route.output is not None and not route.stream:
            yield Limit("max_answer", route.max_answer, write_size(route.max_answer), "an answer that is judged")
    times = route.timeout if route is not None else Route().timeout
    yield _time("timeout.request", compiled.request, "for an answer, whoever gives it, once the body is there")
    yield _time("timeout.attempt", times.attempt, "for the model itself, after which the next source is asked")
    if compiled.collect == 0 or route is None:
        yield _time("timeout.idle", times.idle, "between two pieces of a streamed answer")
    own = route.limits if route is not None else None
    at_once = (own.concurrency if own is not None else None) or upstream.concurrency
    queue = own.queue if own is not None and own.queue is not None else upstream.queue
    yield Limit("limits.concurrency", at_once, str(at_once), "requests at the model at once; more wait")
    yield Limit("limits.queue", queue, str(queue), "requests that wait; more are `overloaded`")


def _common_limits(policy: Policy) -> Iterator[Limit]:
    wide = policy.listen.limits
    yield Limit("listen.limits.header_bytes", wide.header_bytes, write_size(wide.header_bytes), "a request's headers")
    yield Limit("listen.limits.headers", wide.headers, str(wide.headers), "header fields of a request")
    yield Limit("listen.limits.target", wide.target, write_size(wide.target), "path and query")
    yield _time("listen.limits.head", wide.head, "for sending a request's headers")
    yield _time("listen.limits.body", wide.body, "for sending a request's body")


def _time(key: str, seconds: float, text: str) -> Limit:
    return Limit(key, seconds, write_duration(seconds), text)


def _request_headers(route: Route | None, types: tuple[str, ...]) -> Iterator[Header]:
    if types:
        yield Header("content-type", " or ".join(f"`{type_}`" for type_ in types), required=True)
    if route is not None and route.deadline_header:
        text = "how long the client waits, such as `1.5`, `1.5s` or `1500ms`; it can only shorten the time given below"
        yield Header(route.deadline_header, text)


def _answer_headers(route: Route | None) -> Iterator[Header]:
    if route is not None and route.fallback.cached is not None:
        yield Header("age", "of a cached answer, in seconds")


def _common_answers(policy: Policy) -> Iterator[Header]:
    yield Header("x-guard-source", "who answered; absent where the request was refused")
    if policy.expose_reason:
        yield Header("x-guard-reason", "why the model itself did not answer; absent where it did")
    yield Header("x-guard-model-version", "of the model that answered, where it is known")
    yield Header("x-guard-request-id", "of this exchange, always; what to quote to the owners")
    yield Header("server-timing", "milliseconds spent in guard, and at the model server")
    yield Header("retry-after", "with 503: seconds to wait")
