"""The rungs below the model as a route declares them, and the breaker (docs/decisions/one-ladder.md)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_serializer

from guard.dialects import DIALECTS
from guard.policy import typed
from guard.policy.document import Items, Text, Tree
from guard.policy.errors import listed, nearest, shown
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.scalars import (
    Count,
    Duration,
    File,
    Header,
    Kind,
    Misread,
    Positive,
    Server,
    Share,
    Size,
    Span,
    Status,
    String,
    Value,
    Variable,
    write_duration,
)
from guard.policy.targets import Prices
from guard.proxy.values import RULES, LowerSource

if TYPE_CHECKING:
    Dialect = str
else:
    Dialect = Literal[tuple(DIALECTS)]

RUNGS: Final[tuple[LowerSource, ...]] = get_args(LowerSource)
"""Rungs below the model, in their fixed order."""


@dataclass(frozen=True, slots=True)
class Cel:
    """An expression where a value could stand."""

    text: str


def _written(value: Any) -> Any:
    return {"cel": value.text} if isinstance(value, Cel) else value


AnswerValue = Annotated[Any, Kind(lambda value: value, _written, {"description": "A value, or {cel: EXPRESSION}."})]


class TargetTls(PolicyModel):
    """TLS settings for a model server: the CA bundle, and guard's client certificate."""

    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    server_name: String | None = None


class TargetLimits(PolicyModel):
    """Limits of one route at one target: concurrent calls, connections, and the heads of answers."""

    concurrency: Positive = 64
    queue: Count = 64
    queue_timeout: Duration = 0.2
    max_connection_age: Span = 300.0
    idle: Span = 1.5
    headers: Positive = 128
    header_bytes: Size = 65536


class RouteLimits(PolicyModel):
    """A route's own limits; unset keys are taken from `upstream.limits`."""

    concurrency: Positive | None = None
    queue: Count | None = None
    queue_timeout: Duration | None = None


class CallTimeout(PolicyModel):
    """Timeouts of one rung; unset keys are taken from the route's `timeout`."""

    connect: Span | None = None
    attempt: Span | None = None
    idle: Span | None = None


class Timeout(PolicyModel):
    """Timeouts of a route. The request's clock starts when the body is read."""

    connect: Span = 1.0
    attempt: Span = Field(
        default=3.0,
        description="Time limit of one call, from sending to the whole answer; for a stream of events, to the first.",
    )
    idle: Span = Field(default=30.0, description="Time limit between two pieces of a streamed answer.")
    request: Span = Field(default=10.0, description="Time limit of the whole request, all rungs together.")

    def finish(self, report: Report) -> Self:
        """A hung model must leave the next rung its time."""
        if self.connect + self.attempt > self.request:
            spent = f"connect {write_duration(self.connect)} + attempt {write_duration(self.attempt)}"
            key = next(key for key in ("attempt", "connect", "request") if self.is_set(key))
            report((key,), f"{spent} is more than request {write_duration(self.request)}", "connect + attempt <= request")
        return self


class Previous(PolicyModel):
    """The previous release, which is still running."""

    url: Server
    limits: RouteLimits | None = None
    timeout: CallTimeout = CallTimeout.model_construct()
    tls: TargetTls | None = None
    dialect: Dialect | None = None
    version: String | None = None
    cost: Prices | None = None

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """A bare URL is enough."""
        del report
        return Tree(data.place, [("url", data)]) if isinstance(data, Text) else data


class Cached(PolicyModel):
    """Cached answers of the model to the same request; `Vary` and `Cache-Control` are respected (docs/limits.md)."""

    max_age: Span = 3600.0
    entries: Positive = 10_000
    bytes: Size = 64 * 1024 * 1024
    key: tuple[String, ...] | None = Field(
        default=None, min_length=1, description="Fields that form the cache key; a subset of the sent fields."
    )
    scope: tuple[Header, ...] = Field(
        default=(), description="Headers whose values have separate caches, such as authorization."
    )


class Rule(PolicyModel):
    """An answer, and the condition under which it is given."""

    when: String | None = Field(
        default=None, description="Condition as a CEL expression; without it the rule always applies."
    )
    answer: dict[str, AnswerValue] = Field(min_length=1)


class Disabled(PolicyModel):
    """The answer when no other rung may answer."""

    status: Status = 503
    body: Value = None
    retry_after: Span | None = None

    def finish(self, report: Report) -> Self:
        """The body has no declared type."""
        del report
        return self.but(body=typed.plain(self.body))


class Fallback(PolicyModel):
    """The rungs below the model. In YAML a list of rungs, or a mapping of outputs, which is one unconditional rule."""

    previous: Previous | None = None
    cached: Cached | None = None
    rules: tuple[Rule, ...] | None = Field(default=None, min_length=1)
    disabled: Disabled | None = None

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """Lists of one-key mappings and the bare answer become one mapping of rungs."""
        if isinstance(data, Tree):
            rule = Tree(data.place, [("answer", data)])
            return Tree(data.place, [(RULES, Items.at([rule], data.place))])
        if not isinstance(data, Items):
            return data
        ladder = Tree(data.place, path=data.path)
        for index, item in enumerate(data):
            if not isinstance(item, Tree) or len(item) != 1:
                report((index,), "a rung is a mapping with exactly one key", f"- {listed(RUNGS)}: …")
                continue
            (name, value), last = next(iter(item.items())), next(reversed(ladder), "")
            if name not in RUNGS:
                report(
                    (index, name),
                    f"unknown rung {shown(name)}",
                    f"one of {listed(RUNGS)}",
                    nearest(name, RUNGS),
                    key=True,
                )
            elif name in ladder:
                report((index, name), f"{name} stands twice in this ladder", "each rung at most once", key=True)
            elif last and RUNGS.index(last) > RUNGS.index(name):
                report((index, name), f"{name} comes after {last}", f"the order {' > '.join(RUNGS)}", key=True)
            else:
                ladder[name], ladder.places[name] = value, item.places[name]
        return ladder

    @model_serializer
    def _ladder(self) -> list[dict[str, Any]]:
        """The ladder as a policy writes it."""
        return [{name: value} for name in RUNGS if (value := getattr(self, name)) is not None]


class Slow(PolicyModel):
    """Definition of slow calls for the breaker."""

    duration: Span = 0.3
    rate: Share = 0.8


class Breaker(PolicyModel):
    """The circuit breaker of a target, per route: while it is open, the target is not called."""

    window: Span = 30.0
    minimum_calls: Positive = 20
    failure_rate: Share = 0.5
    consecutive_failures: Positive = 5
    slow: Slow | None = Field(default=None, description="Definition of slow calls; slow calls are not counted without it.")
    open_for: Span = 10.0
    max_open_for: Span = 120.0
    half_open_calls: Positive = 1
    close_after: Positive = 3

    def finish(self, report: Report) -> Self:
        """The open time grows, so its bound is no smaller."""
        if self.open_for > self.max_open_for:
            key = "open_for" if self.is_set("open_for") else "max_open_for"
            report((key,), "open_for is longer than max_open_for", "open_for <= max_open_for")
        return self


class Secret(PolicyModel):
    """The place of a secret. The policy never holds the secret; it is read when it is used."""

    env: Variable | None = None
    file: File | None = None

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """Refused without repeating it: what stands here may be the secret itself."""
        del report
        if not isinstance(data, Tree):
            raise Misread("a secret never stands in the policy", "{env: NAME} or {file: PATH}")
        return data

    def finish(self, report: Report) -> Self:
        """One place."""
        if (self.env is None) == (self.file is None):
            report((), "a secret is found in exactly one place", "{env: NAME} or {file: PATH}")
        return self
