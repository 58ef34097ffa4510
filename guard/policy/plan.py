"""Policy → Plan: everything that can be decided before the first request is decided here.

What only a compiler finds out (a pattern, an expression, a schema file) is reported like every other mistake of a policy:
all of them, each at its place.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from guard.contract.fields import ContractInvalid
from guard.contract.input import InputContract, compile_input
from guard.contract.media import compile_opaque
from guard.contract.output import OutputContract, compile_output
from guard.contract.strict import dumps
from guard.dialects import DIALECTS, RAW
from guard.ladder.disabled import Disabled
from guard.ladder.limits import Slots
from guard.ladder.model import Model
from guard.ladder.rules import RuleInvalid, Rules, compile_rules
from guard.policy.errors import Path, PolicyError, PolicyInvalid
from guard.policy.fields import SchemaFile
from guard.policy.ladder import TargetTls
from guard.policy.load import Loaded
from guard.policy.models import Denied, Passthrough
from guard.policy.route import Route as RoutePolicy
from guard.policy.routes import RouteTable
from guard.policy.runtime import Draft, Runtime
from guard.policy.scalars import Origin
from guard.proxy.values import AnswerJudge, Dialect, Head, Judge, Refused, Route, Rung, Sink, Target

PASSTHROUGH_COLLECT = 65536
"""Bytes of an unjudged answer that are buffered before it is relayed: small ones go out in one write."""


@dataclass(slots=True, eq=False)
class WallClock:
    """What to add to the monotonic clock. Whoever makes it keeps it current, for every plan that has it."""

    offset: float = 0.0


@dataclass(slots=True, eq=False)
class CompiledPlan:
    """A Plan."""

    expose_reason: bool
    routes: tuple[Route, ...]
    table: RouteTable[Route | Denied]
    upstream: Origin
    probe: Target
    """The model server, for whoever asks whether it is there."""
    digest: str
    clock: WallClock
    sinks: Sequence[Sink] = ()
    crashes: dict[str, int] = field(default_factory=dict)

    def match(self, head: Head) -> Route:
        """The route of a raw target. Raises Refused (bad_request, not_found, method_not_allowed)."""
        route = self.table.match(head.method, head.target)
        if type(route) is not Route:
            raise Refused("not_found")
        return route

    def wall(self, now: float) -> float:
        """Seconds since the epoch at monotonic `now`."""
        return now + self.clock.offset

    def sink_crashed(self, sink: Sink) -> None:
        """Count a sink that raised, by its kind."""
        name = type(sink).__name__
        self.crashes[name] = self.crashes.get(name, 0) + 1


def retire(loaded: Loaded, plan: CompiledPlan) -> Iterator[None]:
    """Let go of a plan that nobody is given any more, route by route: freeing hundreds at once takes tens of milliseconds.

    Exchanges under way have found their route, and keep it.
    """
    routes = list(plan.routes)
    plan.routes, plan.table = (), RouteTable(())
    declared, written = loaded.policy.routes, loaded.tree["routes"]
    while routes or declared or written:
        for some in (routes, declared, written):
            if isinstance(some, list):
                del some[-1:]
            elif some:
                some.popitem()
        yield


@dataclass(frozen=True, slots=True)
class Means:
    """What the Plan needs of the process it will run in; `check` and `explain` have hardly any."""

    pool: Callable[[Origin, TargetTls | None, float], object] = lambda _origin, _tls, _age: None
    """Connections to an origin, with TLS as declared, each at most so many seconds old. May raise OSError."""
    defer: Callable[[Callable[[], None]], object] = lambda waiter: waiter()
    certificate: Callable[[FilePath], bytes] = lambda _path: b""
    """Reads a file of `tls`. Raises OSError."""
    upstream: Origin | None = None  # in place of the policy's
    clock: WallClock = field(default_factory=WallClock)
    sinks: Sequence[Sink] = ()


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
    if compiler.errors:
        raise PolicyInvalid(compiler.errors)
    return CompiledPlan(
        expose_reason=loaded.policy.expose_reason,
        routes=tuple(route for _, route in entries if isinstance(route, Route)),
        table=RouteTable(entries),
        upstream=compiler.upstream,
        probe=compiler.target(RoutePolicy(), Slots(1, 0, means.defer)),
        digest=loaded.digest,
        clock=means.clock,
        sinks=means.sinks,
    )


class _Compiler:
    """Compiles the routes of one policy and collects what is wrong."""

    def __init__(self, loaded: Loaded, means: Means, draft: Draft) -> None:
        self.loaded = loaded
        self.policy = loaded.policy
        self.means = means
        self.draft = draft
        self.upstream = means.upstream or loaded.policy.upstream.url
        self.errors: list[PolicyError] = []
        self._pool: object = None
        upstream = loaded.policy.upstream
        with self._reporting("upstream", "tls"):
            self._pool = self._connections(self.upstream, upstream.tls, upstream.limits.max_connection_age)

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

    def _connections(self, origin: Origin, tls: TargetTls | None, age: float) -> object:
        """The pool of an origin: shared by all routes, and kept while what it is made of stays the same."""
        files = [file.path for file in (tls.ca, tls.cert, tls.key) if file is not None] if tls is not None else []
        config = (str(tls), age, tuple(hashlib.sha256(self.means.certificate(path)).digest() for path in files))
        return self.draft.take(("pool", str(origin)), config, lambda: self.means.pool(origin, tls, age))

    def route(self, key: str, route: RoutePolicy | Passthrough) -> Route | None:
        """One route; None where it is wrong."""
        method, _, template = key.partition(" ")
        before = len(self.errors)
        if isinstance(route, Passthrough):
            return self._passthrough(key, method, template)
        dialect: Dialect = DIALECTS["json"]
        contract, judges = self._input(key, route)
        output = self._output(key, route)
        if len(self.errors) > before:
            return None
        collect = 0 if route.stream else route.max_answer
        ladder: list[Rung] = [self._model(key, route, collect, replay=route.input is not None)]
        if route.fallback.rules is not None:
            with self._reporting("routes", key, "fallback", "rules"):
                ladder.append(self._rules(route, contract, output))
        ladder.append(self._disabled(route, dialect))
        return Route(
            template=template,
            method=method,
            buffered=True,
            max_body=route.max_body,
            collect=collect,
            request=route.timeout.request,
            enforce=route.enforcement == "enforce",
            dialect=dialect,
            judges=judges,
            output=output,
            ladder=tuple(ladder),
        )

    def _passthrough(self, key: str, method: str, template: str) -> Route:
        defaults = RoutePolicy()
        model = self._model(key, defaults, PASSTHROUGH_COLLECT, replay=False, eager=True)
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
            ladder=(model, Disabled(RAW, None)),
        )

    def _input(self, key: str, route: RoutePolicy) -> tuple[InputContract | None, tuple[Judge, ...]]:
        enforce = route.enforcement == "enforce"
        with self._reporting("routes", key, "input"):
            if isinstance(route.input, SchemaFile):
                from guard.contract.schema_file import compile_schema_input  # noqa: PLC0415 — 8 MiB that few policies need

                return None, (compile_schema_input(self._schema(route.input), enforce=enforce),)
            if route.input is not None:
                contract = compile_input(
                    route.inputs,
                    rows=route.rows,
                    columns=route.columns,
                    undeclared=route.undeclared,
                    enforce=enforce,
                )
                return contract, (contract,)
        if route.content is not None:
            return None, (compile_opaque(route.content),)
        return None, ()

    def _output(self, key: str, route: RoutePolicy) -> AnswerJudge | None:
        with self._reporting("routes", key, "output"):
            if isinstance(route.output, SchemaFile):
                from guard.contract.schema_file import compile_schema_output  # noqa: PLC0415

                return compile_schema_output(self._schema(route.output))
            if route.output:
                return compile_output(route.outputs)
        return None

    def _schema(self, file: SchemaFile) -> Any:
        return json.loads(self.loaded.schemas[file.schema_.path])

    def _model(self, key: str, route: RoutePolicy, collect: int, *, replay: bool, eager: bool = False) -> Model:
        limits = (self._limit(route, "concurrency"), self._limit(route, "queue"))
        slots = self.draft.take(("slots", key, "model"), limits, lambda: Slots(*limits, self.means.defer))
        release = self.policy.release
        version = release.version if release else ""
        return Model(self.target(route, slots), collect=collect, replay=replay, eager=eager, version=version)

    def target(self, route: RoutePolicy, slots: Slots) -> Target:
        """The model server as a route sees it."""
        timeout = route.timeout
        return Target(
            source="model",
            url=str(self.upstream),
            host=authority(self.upstream),
            pool=self._pool,
            slots=slots,
            connect=timeout.connect,
            attempt=timeout.attempt,
            idle=timeout.idle,
            queue_timeout=self._limit(route, "queue_timeout"),
        )

    def _limit(self, route: RoutePolicy, name: str) -> Any:
        """A limit of the route's own, or of the upstream."""
        value = getattr(route.limits, name) if route.limits is not None else None
        return getattr(self.policy.upstream.limits, name) if value is None else value

    def _rules(self, route: RoutePolicy, contract: InputContract | None, output: AnswerJudge | None) -> Rules:
        assert isinstance(output, OutputContract)  # a rule without declared outputs is an error of the policy
        compiled = compile_rules(route.fallback.rules or (), route.inputs)
        instances = contract.instances if contract is not None else None
        return Rules(compiled, instances, output.build, dumps, b"application/json")

    def _disabled(self, route: RoutePolicy, dialect: Dialect) -> Disabled:
        return Disabled(dialect, route.fallback.disabled)


def authority(origin: Origin) -> bytes:
    """The Host header for an origin (RFC 9112 §3.2); for a unix socket there is no better word than localhost."""
    if origin.socket:
        return b"localhost"
    default = 443 if origin.scheme == "https" else 80
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return (host if origin.port == default else f"{host}:{origin.port}").encode()
