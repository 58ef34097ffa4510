"""Policy → Plan: everything that can be decided before the first request is decided here.

What only a compiler finds out (a pattern, an expression, a schema file) is reported like every other mistake of a policy:
all of them, each at its place.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from guard.contract.fields import ContractInvalid
from guard.contract.input import InputContract
from guard.contract.output import OutputContract, compile_output
from guard.contract.spoken import SpokenOutput
from guard.dialects import DIALECTS, RAW
from guard.ladder.cached import Cached, Store
from guard.ladder.disabled import Disabled
from guard.ladder.rules import RuleInvalid, Rules, compile_rules
from guard.policy import speaking, telling
from guard.policy.compiled import CompiledPlan, WallClock
from guard.policy.errors import Path, PolicyError, PolicyInvalid
from guard.policy.fields import SchemaFile
from guard.policy.judges import compile_judges
from guard.policy.ladder import Secret, TargetLimits, TargetTls
from guard.policy.loading import Loaded
from guard.policy.management import unlisted
from guard.policy.models import Cors as CorsPolicy
from guard.policy.models import Denied, Passthrough
from guard.policy.route import Route as RoutePolicy
from guard.policy.routes import RouteTable, template, ties
from guard.policy.runtime import ConnectionPool, Draft, NoPool, Runtime
from guard.policy.scalars import Origin
from guard.policy.targets import Targets
from guard.privacy.treatment import Hasher
from guard.proxy.cors import Cors
from guard.proxy.tracing import Untraced
from guard.proxy.values import PREVIOUS, RULES, AnswerJudge, Ceiling, Dialect, Form, Judge, Route, Rung, Sink, Tracer

PASSTHROUGH_COLLECT = 65536
"""Bytes of an unjudged answer that are buffered before it is relayed: small ones go out in one write."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the Plan needs of the process it will run in; `check` and `explain` have hardly any."""

    pool: Callable[[Origin, TargetTls | None, TargetLimits], ConnectionPool] = lambda _origin, _tls, _limits: NoPool()
    """Connections to an origin, with TLS as declared, each at most so many seconds old. May raise OSError."""
    defer: Callable[[Callable[[], None]], object] = lambda waiter: waiter()
    certificate: Callable[[FilePath], bytes] = lambda _path: b""
    """Reads a file of `tls`. Raises OSError."""
    upstream: Origin | None = None  # in place of the policy's
    clock: WallClock = field(default_factory=WallClock)
    observed: Callable[[], frozenset[str]] = frozenset
    """Keys of routes whose contract operators do not enforce for now."""
    changed: Callable[[str, str, object], None] = lambda _route, _target, _change: None
    """Hears of every change of a breaker."""
    sinks: Sequence[Sink] = ()
    tracer: Callable[[float, bool], Tracer] = lambda _share, _traces: Untraced()
    """Samples that share of exchanges; whether their traces may be told."""
    secret: Callable[[Secret], bytes | None] = lambda _secret: None
    """What the policy only says the place of; None where it is not there."""
    deployed: str = ""
    """The version that Vertex AI says a container was deployed as."""


def compile_plan(loaded: Loaded, means: Means, draft: Draft | None = None) -> CompiledPlan:
    """Compile every route. Raises PolicyInvalid with all that only compiling finds.

    What outlives a reload is taken from `draft`. Nothing outside of it changes, so a plan that is not used leaves no trace.
    """
    compiler = _Compiler(loaded, means, draft or Runtime().draft())
    entries: list[tuple[str, Route | Denied]] = []
    for key, route in loaded.policy.routes.items():
        made = route if isinstance(route, Denied) else compiler.route(key, route)
        if made is not None:
            entries.append((key, made))
    entries += compiler.management()
    if compiler.errors:
        raise PolicyInvalid(compiler.errors)
    return CompiledPlan(
        expose_reason=loaded.policy.expose_reason,
        routes=tuple(route for _, route in entries if isinstance(route, Route)),
        table=RouteTable(entries),
        upstream=compiler.targets.upstream,
        probe=compiler.targets.probe(),
        digest=loaded.digest,
        clock=means.clock,
        tracer=means.tracer(loaded.policy.telemetry.trace_sample, loaded.policy.privacy.traces != "off"),
        sinks=means.sinks,
        cors=_cors(loaded.policy.cors),
    )


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


class _Compiler:
    """Compiles the routes of one policy and collects what is wrong."""

    def __init__(self, loaded: Loaded, means: Means, draft: Draft) -> None:
        self.loaded = loaded
        self.policy = loaded.policy
        self.means = means
        self.draft = draft
        self.targets = Targets(loaded.policy, means, draft)
        self._observed = means.observed()
        self._baggage = frozenset(name.encode() for name in self.policy.privacy.baggage)
        cost = self.policy.targets.cost
        self._metered = self.policy.telemetry.gen_ai or (cost is not None and cost.by_token)
        self.errors: list[PolicyError] = []
        self._hasher = self._hash_key()

    @contextmanager
    def _reporting(self, *path: str | int) -> Iterator[None]:
        """Turn what a family's compiler refuses into an error of the policy, at its place."""
        try:
            yield
        except (ContractInvalid, RuleInvalid) as error:
            full: Path = (*path, *error.path)
            self.errors.append(self.loaded.error(full, str(error)))
        except OSError as error:  # certificates
            self.errors.append(self.loaded.error(path, str(error)))

    def route(self, key: str, route: RoutePolicy | Passthrough) -> Route | None:
        """One route; None where it is wrong."""
        method, _, template = key.partition(" ")
        before = len(self.errors)
        if isinstance(route, Passthrough):
            return self._passthrough(key, method, template)
        if key in self._observed:
            route = route.but(enforcement="observe")
        dialect = DIALECTS[route.dialect]
        try:
            form = speaking.form_of(key, route, dialect, metered=self._metered)
        except ValueError as error:
            self.errors.append(self.loaded.error(("routes", key, "dialect"), str(error)))
            return None
        contract: InputContract | None = None
        judges: tuple[Judge, ...] = ()
        with self._reporting("routes", key, "input"):
            contract, judges = compile_judges(route, form, self._schema)
        output = self._output(key, route, form)
        if len(self.errors) > before:
            return None
        collect = 0 if route.stream else route.max_answer
        ceiling = self._ceiling(key)
        enforce = route.enforcement == "enforce"
        ladder: list[Rung] = []
        with self._reporting("upstream", "tls"):
            ladder.append(self.targets.model(key, route, ceiling, collect=collect))
        if route.fallback.previous is not None:
            with self._reporting("routes", key, "fallback", PREVIOUS, "tls"):
                ladder.append(self.targets.previous(key, route, route.fallback.previous, ceiling, collect=collect))
        cached = self._cached(key, route, contract, form)
        if cached is not None:
            ladder.append(cached)
        if route.fallback.rules is not None:
            with self._reporting("routes", key, "fallback", RULES):
                ladder.append(self._rules(route, contract, output, form))
        ladder.append(self._disabled(route, dialect))
        return Route(
            template=template,
            method=method,
            buffered=True,
            max_body=route.max_body,
            collect=collect,
            request=route.timeout.request,
            enforce=enforce,
            dialect=dialect,
            judges=judges,
            output=output,
            ladder=tuple(ladder),
            ceiling=ceiling,
            deadline_header=(route.deadline_header or "").lower().encode(),
            remember=cached.remember if cached is not None and enforce and not route.stream else None,
            measures=telling.measures(route.outputs),
            shown=telling.shown(route.inputs, contract, self._hasher),
            field_of=telling.field_of(route),
            baggage=self._baggage,
            inspector=form.inspector if form is not None else lambda _message, _headers: None,
            accepts=", ".join(route.content or dialect.looks.content).encode(),
            version=release.version if (release := self.policy.release) is not None and release.strict else "",
        )

    def management(self) -> list[tuple[str, Denied]]:
        """What only operators of the model server use is not there, unless the policy lists it."""
        routes = self.policy.routes
        dialects = {route.dialect for route in routes.values() if isinstance(route, RoutePolicy)}
        added = list(unlisted(routes.keys(), sorted(dialects)))
        for _, key in ties({key: template(key) for key in (*routes, *added)}):
            if key in routes:
                self.errors.append(
                    self.loaded.error(("routes", key), "could match what only operators of the model server use")
                )
        return [(key, Denied()) for key in added]

    def _hash_key(self) -> Hasher:
        """Without a key no hash is told: `[redacted]` stands in its place."""
        declared = self.policy.privacy.hash_key
        key = self.means.secret(declared) if declared is not None else None
        try:
            return Hasher(key)
        except ValueError as error:
            self.errors.append(self.loaded.error(("privacy", "hash_key"), str(error)))
            return Hasher(None)

    def _ceiling(self, key: str) -> Ceiling:
        """What operators allow this route; theirs to change, so it outlives every reload."""
        return self.draft.ceilings.take(key, None, Ceiling)

    def _cached(self, key: str, route: RoutePolicy, contract: InputContract | None, form: Form | None) -> Cached | None:
        """The cached rung and its store."""
        declared = route.fallback.cached
        if declared is None:
            return None
        config = (declared.entries, declared.bytes, declared.max_age)
        make = partial(Store, entries=declared.entries, bytes_=declared.bytes, max_age=declared.max_age)
        release = self.policy.release
        meaning = json.dumps(route.model_dump(by_alias=True, include={"input", "output", "rows", "columns", "undeclared"}))
        return Cached(
            self.draft.caches.take(key, config, make),
            route=key,
            version=release.version if release else "",
            contract=hashlib.sha256(meaning.encode()).hexdigest(),
            key=None if declared.key is None else tuple(_field(contract, name) for name in declared.key),
            scope=frozenset(name.lower().encode() for name in declared.scope),
            read=speaking.reader(form, route.max_elements),
        )

    def _passthrough(self, key: str, method: str, template: str) -> Route:
        defaults = RoutePolicy()
        ceiling = self._ceiling(key)
        ladder: list[Rung] = [Disabled(RAW, None)]
        with self._reporting("upstream", "tls"):
            model = self.targets.model(key, defaults, ceiling, collect=PASSTHROUGH_COLLECT, eager=True)
            ladder.insert(0, model)
        return Route(
            template=template,
            method=method,
            buffered=False,
            max_body=defaults.max_body,
            collect=PASSTHROUGH_COLLECT,
            request=defaults.timeout.request,
            enforce=False,
            dialect=RAW,
            judges=(),
            output=None,
            ladder=tuple(ladder),
            ceiling=ceiling,
            baggage=self._baggage,
        )

    def _output(self, key: str, route: RoutePolicy, form: Form | None) -> AnswerJudge | None:
        with self._reporting("routes", key, "output"):
            if isinstance(route.output, SchemaFile):
                from guard.contract.schema_file import compile_schema_output  # noqa: PLC0415

                return compile_schema_output(self._schema(route.output), route.max_elements)
            contract = None
            if route.output:
                measured = [measure.name for measure in telling.measures(route.outputs)]
                contract = compile_output(route.outputs, measured, route.max_elements)
            return contract if form is None else speaking.spoken_output(form, contract, route)
        return None

    def _schema(self, file: SchemaFile) -> Any:
        return json.loads(self.loaded.schemas[file.schema_.path])

    def _rules(
        self, route: RoutePolicy, contract: InputContract | None, output: AnswerJudge | None, form: Form | None
    ) -> Rules:
        assert isinstance(output, OutputContract | SpokenOutput)  # a rule without outputs is an error of the policy
        integers = {name for name, field in route.outputs.items() if field.type == "integer"}
        compiled = compile_rules(route.fallback.rules or (), route.inputs, integers)
        instances = contract.instances if contract is not None else None
        return Rules(compiled, instances, output.build, speaking.writer(form))

    def _disabled(self, route: RoutePolicy, dialect: Dialect) -> Disabled:
        return Disabled(dialect, route.fallback.disabled)


def _field(contract: InputContract | None, name: str) -> Callable[[object], object]:
    """Reads one declared field of a single instance."""

    def read(document: object) -> object:
        found = contract.instances(document) if contract is not None else []
        return found[0].get(name) if len(found) == 1 else None

    return read
