"""Step 4: the rungs of a route's ladder, highest first: model, previous, cached, rules, disabled."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial

from guard.contract.codec_contract import CodecOutput
from guard.contract.input import InputContract
from guard.contract.output import OutputContract
from guard.dialects import DIALECTS, RAW
from guard.ladder.cached import Cached, Store
from guard.ladder.disabled import Disabled
from guard.ladder.rules import Rules, compile_rules
from guard.ladder.trial import Trial
from guard.policy.compiling.budgets import compile_purse
from guard.policy.compiling.codec import reader, writer
from guard.policy.compiling.comparison import compile_comparison
from guard.policy.compiling.context import Compilation, declared_candidate
from guard.policy.ladder import Cached as CachedPolicy
from guard.policy.ladder import Rule
from guard.policy.route import Route
from guard.proxy.values import MODEL, PREVIOUS, RULES, AnswerJudge, RouteCodec, Rung, RungLimit


def compile_rungs(
    key: str, route: Route, codec: RouteCodec | None, contract: InputContract | None, output: AnswerJudge | None,
    rung_limit: RungLimit, context: Compilation, *, collect: int,
) -> tuple[Rung, ...]:  # fmt: skip
    """The ladder of a route, without the rungs that are wrong, which are reported.

    `contract` reads the instances of a request. `output` holds the answers of rules against the declared outputs. `collect`
    is how many bytes of a model's answer are buffered.
    """
    ladder: list[Rung] = []
    with context.reporting("upstream", "tls"):
        purse = compile_purse(key, route, MODEL, context)
        ladder.append(context.targets.model(key, route, rung_limit, collect=collect, purse=purse))
    if route.fallback.previous is not None:
        with context.reporting("routes", key, "fallback", PREVIOUS, "tls"):
            purse = compile_purse(key, route, PREVIOUS, context)
            previous = route.fallback.previous
            ladder.append(context.targets.previous(key, route, previous, rung_limit, collect=collect, purse=purse))
    if route.fallback.cached is not None:
        ladder.append(_cached(key, route, route.fallback.cached, contract, codec, context))
    if route.fallback.rules is not None:
        with context.reporting("routes", key, "fallback", RULES):
            ladder.append(_rules(route, route.fallback.rules, contract, output, codec))
    return (*ladder, Disabled(DIALECTS[route.dialect], route.fallback.disabled))


def compile_trial(
    key: str, route: Route, contract: InputContract | None, ladder: Sequence[Rung], rung_limit: RungLimit,
    context: Compilation, *, collect: int,
) -> Trial | None:  # fmt: skip
    """The candidate beside the ladder; None where there is none, or it is the model already."""
    candidate, served = context.policy.candidate, declared_candidate(context.policy)
    model = context.roles.model if context.roles is not None else context.declared
    asked = candidate is not None and (candidate.canary is not None or candidate.shadow is not None)
    if candidate is None or served is None or not asked or (served.digest, served.url) == (model.digest, model.url):
        return None
    where, _, name = (candidate.key or "").partition(":")
    with context.reporting("candidate", "tls"):
        purse = compile_purse(key, route, MODEL, context)
        rung = context.targets.candidate(key, route, candidate, rung_limit, collect=collect, purse=purse)
        header = name.lower().encode() if where == "header" else b""
        field = _field(contract, name) if where == "field" else None
        comparison = compile_comparison(key, route, candidate, ladder[0], rung, context)
        return Trial(rung, ladder, context.releases.share, header, field, comparison)
    return None


def compile_passthrough_rungs(
    key: str, route: Route, rung_limit: RungLimit, context: Compilation, *, collect: int
) -> tuple[Rung, ...]:
    """The ladder of a route that is forwarded as it is."""
    ladder: list[Rung] = []
    with context.reporting("upstream", "tls"):
        purse = compile_purse(key, route, MODEL, context, forwarded=True)
        ladder.append(context.targets.model(key, route, rung_limit, collect=collect, eager=True, purse=purse))
    return (*ladder, Disabled(RAW, None))


def _cached(
    key: str,
    route: Route,
    declared: CachedPolicy,
    contract: InputContract | None,
    codec: RouteCodec | None,
    context: Compilation,
) -> Cached:
    """The cached rung, with the store that the route had before a reload if it still fits."""
    config = (declared.entries, declared.bytes, declared.max_age)
    make = partial(Store, entries=declared.entries, bytes_=declared.bytes, max_age=declared.max_age)
    meaning = json.dumps(route.model_dump(by_alias=True, include={"input", "output", "rows", "columns", "undeclared"}))
    return Cached(
        context.draft.caches.take(key, config, make),
        route=key,
        version=context.version,
        contract=hashlib.sha256(meaning.encode()).hexdigest(),
        key=None if declared.key is None else tuple(_field(contract, name) for name in declared.key),
        scope=frozenset(name.lower().encode() for name in declared.scope),
        read=reader(codec, route.max_elements),
    )


def _field(contract: InputContract | None, name: str) -> Callable[[object], object]:
    """Reads one declared field of a single instance."""

    def read(document: object) -> object:
        instances = contract.instances(document) if contract is not None else []
        return instances[0].get(name) if len(instances) == 1 else None

    return read


def _rules(
    route: Route,
    declared: Sequence[Rule],
    contract: InputContract | None,
    output: AnswerJudge | None,
    codec: RouteCodec | None,
) -> Rules:
    """The rung of rules. Raises RuleInvalid."""
    assert isinstance(output, OutputContract | CodecOutput)  # a rule without outputs is an error of the policy
    integers = {name for name, field in route.outputs.items() if field.type == "integer"}
    compiled = compile_rules(declared, route.inputs, integers)
    instances = contract.instances if contract is not None else None
    return Rules(compiled, instances, output.build, writer(codec))
