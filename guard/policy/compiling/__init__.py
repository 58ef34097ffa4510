"""Compiling: a loaded policy → the Plan. All that can be decided before the first request is decided here.

Here: the steps from declared routes to the judges and rungs that the data plane asks.
Not here: reading a policy (`guard.policy.loading`), and state that outlives a reload (`guard.policy.runtime`).

`compile_plan` compiles one route after the other. `_compile_route` takes these steps, each of them one file:

1. `codec`    how the route's dialect carries instances
2. `judges`   the judges of a request, in their order
3. `answers`  the judge of an answer
4. `rungs`    the ladder, highest rung first; `targets` are the model servers that it calls, `budgets` what calls may cost,
   `comparison` how a candidate's answers are compared
5. `watch`    what monitoring watches
6. `labels`   what hands out receipts for the model's answers

All steps share one `context`. What only a compiler finds out (a pattern, an expression, a schema file) is collected there
and reported like every other mistake of a policy: all of them, each at its place.
"""

from guard.dialects import DIALECTS, RAW
from guard.ladder.cached import Cached
from guard.policy import disclosure
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling.answers import compile_answers
from guard.policy.compiling.codec import codec_of, line_reader, media_types
from guard.policy.compiling.context import Compilation, CompileContext
from guard.policy.compiling.judges import compile_judges
from guard.policy.compiling.labels import compile_receipts, hold_labels
from guard.policy.compiling.rungs import compile_passthrough_rungs, compile_rungs, compile_trial
from guard.policy.compiling.watch import compile_watch
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded
from guard.policy.management import unlisted
from guard.policy.models import Cors as CorsPolicy
from guard.policy.models import Denied, Passthrough
from guard.policy.route import Route as RoutePolicy
from guard.policy.routes import RouteTable, template, ties
from guard.policy.runtime import Draft, Runtime
from guard.proxy.cors import Cors
from guard.proxy.values import Route

__all__ = ["CompileContext", "compile_plan"]

PASSTHROUGH_COLLECT = 65536
"""Bytes of an unjudged answer that are buffered before it is relayed: small ones go out in one write."""


def compile_plan(loaded: Loaded, compile_context: CompileContext, draft: Draft | None = None) -> CompiledPlan:
    """Compile every route. Raises PolicyInvalid with all that only compiling finds.

    What outlives a reload is taken from `draft`. Nothing outside of it changes, so a plan that is not used leaves no trace.
    """
    policy = loaded.policy
    context = Compilation(loaded, compile_context, draft or Runtime().draft())
    entries: list[tuple[str, Route | Denied]] = []
    for key, declared in policy.routes.items():
        route = _compile(key, declared, context)
        if route is not None:
            entries.append((key, route))
    entries += _management(context)
    hold_labels(context)
    if context.errors:
        raise PolicyInvalid(context.errors)
    return CompiledPlan(
        expose_reason=policy.expose_reason,
        routes=tuple(route for _, route in entries if isinstance(route, Route)),
        table=RouteTable(entries),
        upstream=context.targets.upstream,
        probe=context.targets.probe(),
        digest=loaded.digest,
        clock=compile_context.clock,
        tracer=compile_context.tracer(policy.telemetry.trace_sample, policy.privacy.traces != "off"),
        sinks=compile_context.sinks,
        cors=_cors(policy.cors),
        budgets=tuple(context.budgets.values()),
        keyring=context.keyring,
    )


def _compile(key: str, declared: RoutePolicy | Passthrough | Denied, context: Compilation) -> Route | Denied | None:
    """One route of any kind; None where it is wrong."""
    if isinstance(declared, Denied):
        return declared
    if isinstance(declared, Passthrough):
        return _compile_passthrough(key, context)
    return _compile_route(key, declared, context)


def _compile_passthrough(key: str, context: Compilation) -> Route:
    defaults = RoutePolicy()
    method, _, path = key.partition(" ")
    rung_limit = context.rung_limit(key)
    return Route(
        template=path,
        method=method,
        buffered=False,
        max_body=defaults.max_body,
        collect=PASSTHROUGH_COLLECT,
        request=defaults.timeout.request,
        enforce=False,
        dialect=RAW,
        judges=(),
        output=None,
        ladder=compile_passthrough_rungs(key, defaults, rung_limit, context, collect=PASSTHROUGH_COLLECT),
        rung_limit=rung_limit,
        baggage=context.baggage,
    )


def _compile_route(key: str, declared: RoutePolicy, context: Compilation) -> Route | None:
    """A route with a contract; None where it is wrong."""
    before = len(context.errors)
    route = declared.but(enforcement="observe") if key in context.observed else declared
    dialect = DIALECTS[route.dialect]
    try:
        codec = codec_of(key, route, dialect, metered=context.metered)
    except ValueError as error:
        context.report(("routes", key, "dialect"), str(error))
        return None
    lines, accepts = line_reader(route, dialect), ", ".join(media_types(route, dialect)).encode()
    contract, judges = compile_judges(key, route, codec, context)
    output = compile_answers(key, route, codec, context)
    if len(context.errors) > before:
        return None
    collect = 0 if route.stream else route.max_answer
    rung_limit = context.rung_limit(key)
    ladder = compile_rungs(key, route, codec, contract, output, rung_limit, context, collect=collect)
    enforce, measures = route.enforcement == "enforce", disclosure.measures(route.outputs)
    cached = next((rung for rung in ladder if isinstance(rung, Cached)), None)
    method, _, path = key.partition(" ")
    return Route(
        template=path,
        method=method,
        buffered=True,
        max_body=route.max_body,
        collect=collect,
        request=route.timeout.request,
        enforce=enforce,
        dialect=dialect,
        judges=judges,
        output=output,
        ladder=ladder,
        rung_limit=rung_limit,
        deadline_header=(route.deadline_header or "").lower().encode(),
        remember=cached.remember if cached is not None and enforce and not route.stream else None,
        measures=measures,
        shown=disclosure.shown(route.inputs, contract, context.hasher),
        field_of=disclosure.field_of(route),
        baggage=context.baggage,
        inspector=codec.inspector if codec is not None else lambda _message, _headers: None,
        accepts=accepts,
        lines=lines,
        heartbeat=route.heartbeat or 0.0,
        version=context.version if context.strict_version else "",
        trial=compile_trial(key, route, contract, ladder, rung_limit, context, collect=collect),
        watch=compile_watch(key, route, contract, measures, context),
        receipts=compile_receipts(key, route, contract, context),
    )


def _management(context: Compilation) -> list[tuple[str, Denied]]:
    """Deny what only operators of the model server use, unless the policy lists it."""
    routes = context.policy.routes
    dialects = {route.dialect for route in routes.values() if isinstance(route, RoutePolicy)}
    added = list(unlisted(routes.keys(), sorted(dialects)))
    for _, key in ties({key: template(key) for key in (*routes, *added)}):
        if key in routes:
            context.report(
                ("routes", key), "could match what only operators of the model server use; write a narrower template"
            )
    return [(key, Denied()) for key in added]


def _cors(declared: CorsPolicy | None) -> Cors | None:
    if declared is None:
        return None
    return Cors(
        origins=frozenset(origin.encode() for origin in declared.origins),
        headers=tuple(name.encode() for name in declared.headers),
        expose=tuple(name.encode() for name in declared.expose),
        credentials=declared.credentials,
        max_age=int(declared.max_age),
    )
