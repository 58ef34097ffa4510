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
from guard.proxy.values import RULES, LowerSource

if TYPE_CHECKING:
    Dialect = str
else:
    Dialect = Literal[tuple(DIALECTS)]

RUNGS: Final[tuple[LowerSource, ...]] = get_args(LowerSource)
"""Below the model, in the one order there is."""


@dataclass(frozen=True, slots=True)
class Cel:
    """An expression where a value could stand."""

    text: str


def _written(value: Any) -> Any:
    return {"cel": value.text} if isinstance(value, Cel) else value


AnswerValue = Annotated[Any, Kind(lambda value: value, _written, {"description": "A value, or {cel: EXPRESSION}."})]


class TargetTls(PolicyModel):
    """How a model server is trusted, and how guard shows itself to it."""

    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    server_name: String | None = None


class TargetLimits(PolicyModel):
    """Sizes of what one route may ask of one target at once, of its connections and of the heads of its answers."""

    concurrency: Positive = 64
    queue: Count = 64
    queue_timeout: Duration = 0.2
    max_connection_age: Span = 300.0
    idle: Span = 1.5
    headers: Positive = 128
    header_bytes: Size = 65536


class RouteLimits(PolicyModel):
    """A route's own sizes; what is not written is taken from `upstream.limits`."""

    concurrency: Positive | None = None
    queue: Count | None = None
    queue_timeout: Duration | None = None


class CallTimeout(PolicyModel):
    """Seconds; what is not written is taken from the route's `timeout`."""

    connect: Span | None = None
    attempt: Span | None = None
    idle: Span | None = None


class Timeout(PolicyModel):
    """Seconds. The request's clock starts when the body is read."""

    connect: Span = 1.0
    attempt: Span = Field(default=3.0, description="From sending to the whole answer; of a stream of events, to the first.")
    idle: Span = Field(default=30.0, description="Between two pieces of a streamed answer.")
    request: Span = Field(default=10.0, description="All rungs together.")

    def finish(self, report: Report) -> Self:
        """A hung model must leave the next rung its time."""
        if self.connect + self.attempt > self.request:
            spent = f"connect {write_duration(self.connect)} + attempt {write_duration(self.attempt)}"
            key = next(key for key in ("attempt", "connect", "request") if self.is_set(key))
            report((key,), f"{spent} is more than request {write_duration(self.request)}", "connect + attempt <= request")
        return self


class Previous(PolicyModel):
    """The release before, still running."""

    url: Server
    limits: RouteLimits | None = None
    timeout: CallTimeout = CallTimeout.model_construct()
    tls: TargetTls | None = None
    dialect: Dialect | None = None
    version: String | None = None

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """A bare URL is enough."""
        del report
        return Tree(data.place, [("url", data)]) if isinstance(data, Text) else data


class Cached(PolicyModel):
    """Answers that the model gave before to the same question; `Vary` and Cache-Control hold (docs/limits.md)."""

    max_age: Span = 3600.0
    entries: Positive = 10_000
    bytes: Size = 64 * 1024 * 1024
    key: tuple[String, ...] | None = Field(default=None, min_length=1, description="A subset of the sent fields.")
    scope: tuple[Header, ...] = Field(default=(), description="Headers that part the cache, such as authorization.")


class Rule(PolicyModel):
    """An answer, and when it is given."""

    when: String | None = Field(default=None, description="CEL; always, where absent.")
    answer: dict[str, AnswerValue] = Field(min_length=1)


class Disabled(PolicyModel):
    """What is answered when nothing else may."""

    status: Status = 503
    body: Value = None
    retry_after: Span | None = None

    def finish(self, report: Report) -> Self:
        """The body has no declared type."""
        del report
        return self.but(body=typed.plain(self.body))


class Fallback(PolicyModel):
    """The rungs below the model; None where not declared. In YAML a list, or a mapping of outputs = one rule."""

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
        """As it would be written."""
        return [{name: value} for name in RUNGS if (value := getattr(self, name)) is not None]


class Slow(PolicyModel):
    """Calls that count as slow."""

    duration: Span = 0.3
    rate: Share = 0.8


class Breaker(PolicyModel):
    """When a target is left alone for a while, per route."""

    window: Span = 30.0
    minimum_calls: Positive = 20
    failure_rate: Share = 0.5
    consecutive_failures: Positive = 5
    slow: Slow | None = Field(default=None, description="Off unless written.")
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
    """Where a secret is found; the policy never holds it. Resolved when it is used, by who uses it."""

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
