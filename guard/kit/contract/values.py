"""A contract as values; Markdown, JSON and OpenAPI are three ways to write them.

Texts here are guard's own words, in which backticks mark code. Whatever the policy's authors wrote stands in a field of its
own, so that a writer knows what to escape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from guard.kit.description import Body, Value
from guard.proxy.values import Source

Becomes: TypeAlias = Literal["denied", "default", "left_out", "kept", "falls", "counted", "stripped", "passed", "unread"]
"""The outcomes for an invalid value; `falls`: guard does not call the model, and a lower source answers."""
ByRules: TypeAlias = Literal["always", "sometimes", "null"]


@dataclass(frozen=True, slots=True)
class Effect:
    """An outcome, and its code if it has one."""

    becomes: Becomes
    text: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds."""

    warn: float
    stale: float
    skew: float


@dataclass(frozen=True, slots=True)
class Field:
    """A field to send. `replaced`: the detectors whose finds in its text never reach the model."""

    value: Value
    default: Any
    has_default: bool
    sent: bool
    derived: bool
    replaced: tuple[str, ...]
    freshness: Freshness | None
    missing: Effect | None
    """None for the items of a list."""
    null: Effect
    stale: Effect | None
    future: Effect | None


@dataclass(frozen=True, slots=True)
class Output:
    """A field of an answer. `by_rules`: whether rules give it; None if the route has no rules."""

    value: Value
    meaning: str | None
    ece: float | None
    calibration: str | None
    from_model: bool
    by_rules: ByRules | None


@dataclass(frozen=True, slots=True)
class Rule:
    """An answer that a person wrote. `when`: CEL; None is always."""

    when: str | None
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answerer:
    """The meaning of one `x-guard-source`."""

    source: Source
    text: str
    values: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """A code of an error, or of a violation."""

    code: str
    meaning: str
    client: str


@dataclass(frozen=True, slots=True)
class Status:
    """A status that the route can answer with. `asked`: only a request with `x-guard-no-fallback: 1` gets it."""

    status: int
    kind: Literal["answer", "client", "service"]
    codes: tuple[CodeMeaning, ...]
    asked: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """A header field of requests or answers."""

    name: str
    text: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound. `value`: in bytes, seconds or as a count; `key` is the policy's."""

    key: str
    value: float
    shown: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A request that keeps the contract and, where outputs are declared, an answer that does."""

    headers: tuple[tuple[str, str], ...]
    body: Any
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Contract:
    """One route."""

    route: str
    method: str
    path: str
    body: Body
    dialect: str
    enforcement: Literal["enforce", "observe"] | None
    content: tuple[str, ...]
    """Media types of requests; none: any, or no body."""
    notes: tuple[str, ...]
    """The layout of a request and its answer."""
    columns: tuple[str, ...]
    """The order of positional rows; none: rows are objects."""
    rows: str | None
    undeclared: Effect | None
    example: Example | None
    no_example: str
    fields: tuple[Field, ...] = ()
    outputs: tuple[Output, ...] = ()
    sources: tuple[Answerer, ...] = ()
    statuses: tuple[Status, ...] = ()
    violations: tuple[CodeMeaning, ...] = ()
    limits: tuple[Limit, ...] = ()
    request_headers: tuple[Header, ...] = ()
    answer_headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole policy, in its order."""

    service: str
    digest: str
    model: str | None
    version: str | None
    owners: tuple[tuple[str, str], ...]
    """(role, name)."""
    runbook: str | None
    routes: tuple[Contract, ...]
    denied: tuple[str, ...]
    everywhere: tuple[Status, ...]
    """Statuses that every route can answer besides its own."""
    elsewhere: tuple[Status, ...]
    """Statuses for a path without a route."""
    limits: tuple[Limit, ...]
    """Limits of every route; the headers are of every route too."""
    request_headers: tuple[Header, ...]
    answer_headers: tuple[Header, ...]
