"""A privacy report as values; Markdown and JSON are two ways to write them.

Texts here are guard's own words, in which backticks mark code. Whatever the policy's authors wrote stands in a field of its
own (`name`, `meaning`, `values` …), so that a writer knows what to escape.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from guard.kit.description import Body, Value
from guard.privacy.sensitivity import Sensitivity

Kind: TypeAlias = Literal[
    "never",  # in no form
    "value",
    "client_bytes",  # as the client sent it, whatever is declared
    "replaced",  # the value, with words in place of what detectors find
    "hash",
    "redacted",  # the word that stands where a hash would, without a key
    "masked",
    "type_only",  # the name of its type
    "counts",
    "classes",
    "histogram",
    "largest",  # a histogram of a vector's largest value
    "digest",
    "kept",
]
Code: TypeAlias = Literal[
    "sensitivity_default",
    "free_text",
    "undeclared_pass",
    "observe",
    "hash_without_key",
    "cached_sensitive",
    "cache_key",
    "passthrough",
    "unread",
    "schema",
    "output_text",
    "treatment_ignored",
    "age_measured",
    "hashed_secret",
]


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a value reaches a place."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Input:
    """A field that clients send. `previous`, `cache`: None where the route has no such rung."""

    value: Value
    model: Form
    previous: Form | None
    log: Form
    trace: Form
    metric: Form
    cache: Form | None


@dataclass(frozen=True, slots=True)
class Output:
    """A declared part of answers."""

    value: Value
    meaning: str | None
    client: Form
    log: Form
    trace: Form
    metric: Form
    cache: Form | None


@dataclass(frozen=True, slots=True)
class Note:
    """A fact in a sentence, and what of the policy it is about."""

    text: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteReport:
    """One route."""

    route: str
    body: Body
    enforcement: Literal["enforce", "observe"] | None
    ladder: tuple[str, ...]
    notes: tuple[Note, ...]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient. `where`: None if the policy does not declare it."""

    who: str
    where: str | None
    routes: tuple[str, ...]
    gets: str


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner."""

    role: str
    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """The number of fields and outputs of one sensitivity, by destination."""

    sensitivity: Sensitivity
    inputs: int
    inputs_sent: int
    inputs_logged: int
    outputs: int
    outputs_logged: int


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A field that is personal or above, and reaches a model."""

    route: str
    field: str
    pointer: str | None
    sensitivity: Sensitivity
    form: Form


@dataclass(frozen=True, slots=True)
class Finding:
    """A question for a reviewer. `code` is stable."""

    code: Code
    route: str
    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report, in the order of the policy."""

    service: str
    digest: str
    owners: tuple[Owner, ...]
    summary: tuple[Count, ...]
    sensitive: tuple[Sensitive, ...]
    review: tuple[Finding, ...]
    recipients: tuple[Recipient, ...]
    routes: tuple[RouteReport, ...]
    request: tuple[Note, ...]
    telemetry: tuple[Note, ...]
    kept: tuple[Note, ...]
