"""Questions for a reviewer: one function for each kind of doubt, in the order in which they are asked."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from guard.kit.description import ContractDescription, RouteDescription
from guard.kit.privacy.fields import SENSITIVE
from guard.kit.privacy.values import Code, Finding, RouteReport
from guard.policy.fields import most_sensitive
from guard.privacy.sensitivity import MEASURED

Doubt: TypeAlias = tuple[Code, Iterable[str], str]
"""Code, the fields that it is about, and the question. Without fields there is no doubt, unless it is about the route."""

_ROUTE: Final = ("",)
"""Stands for the fields if a question is about the route as a whole."""


def findings(route: RouteDescription, report: RouteReport) -> Iterator[Finding]:
    """Every doubt about one route."""
    if not isinstance(route, ContractDescription):
        if report.body == "passthrough":
            text = "Requests and answers pass unread. Is it known what they hold, and that the model server may have it?"
            yield Finding("passthrough", report.route, (), text)
        return
    for doubts in DOUBTS:
        for code, fields, text in doubts(route, report):
            if named := tuple(dict.fromkeys(fields)):
                yield Finding(code, report.route, () if named == _ROUTE else named, text)


def _bodies(around: ContractDescription, report: RouteReport) -> Iterator[Doubt]:
    if report.body == "schema":
        yield "schema", _ROUTE, "A JSON Schema file has no sensitivities, and what it allows is sent. What is it?"
    if report.body == "opaque" or (report.body == "unread" and not report.route.startswith("GET ")):
        yield "unread", _ROUTE, "Bodies are not read: what they hold reaches the model. Is that known?"
    if around.observe:
        text = "The contract is not enforced: undeclared members and what `detect` names reach the model. Until when?"
        yield "observe", _ROUTE, text
    elif around.contract.inputs and around.contract.undeclared == "pass":
        yield "undeclared_pass", _ROUTE, "`undeclared: pass`: members that nobody declared reach the model unread. Why?"


def _levels(_around: ContractDescription, report: RouteReport) -> Iterator[Doubt]:
    rows = [*(row.value for row in report.inputs), *(row.value for row in report.outputs)]
    fields = [row.name for row in rows if row.sensitivity_from == "default" and not row.parts]
    text = "No `sensitivity` is declared, so it is taken for internal: it may be logged and, of outputs, measured. Is it?"
    yield "sensitivity_default", fields, text


def _texts(_around: ContractDescription, report: RouteReport) -> Iterator[Doubt]:
    fields = [
        row.value.name
        for row in report.inputs
        if row.value.text == "free" and row.value.sensitivity in SENSITIVE and row.model.kind != "never"
        if not row.value.shape.detect
    ]
    yield "free_text", fields, "Free text that is personal or above reaches the model as it is, without `detect`. Must it?"
    logged = [row.value.name for row in report.outputs if row.value.text == "free" and row.log.kind == "value"]
    text = "Free text of answers stands in sampled lines of the log, after the detectors. Is it never above internal?"
    yield "output_text", logged, text


def _treatments(around: ContractDescription, report: RouteReport) -> Iterator[Doubt]:
    if not around.hash_key:
        fields = [row.value.name for row in report.inputs if row.log.kind == "redacted"]
        text = "`treatment: hash` without `privacy.hash_key`: `[redacted]` is told in its place. Is a key missing?"
        yield "hash_without_key", fields, text
    secret = [
        name
        for name, top in around.contract.inputs.items()
        if top.treatment == "hash" and top.sensitivity != "secret" and most_sensitive(top) == "secret"
    ]
    yield "hashed_secret", secret, "The hash is made over a part that is secret, too. May it?"
    ignored = [row.value.name for row in report.inputs if row.value.part and row.value.shape.treatment is not None]
    ignored += [row.value.name for row in report.outputs if row.value.part and row.value.shape.treatment is not None]
    text = "A `treatment` here has no effect: only those of whole fields do. Was it relied on?"
    yield "treatment_ignored", ignored, text


def _ages(around: ContractDescription, _report: RouteReport) -> Iterator[Doubt]:
    fields = [
        name
        for name, top in around.contract.inputs.items()
        if top.freshness is not None and top.sensitivity not in MEASURED and around.has_place(name)
    ]
    yield "age_measured", fields, "How old it is goes into a histogram, whatever its sensitivity. May it?"


def _caches(around: ContractDescription, report: RouteReport) -> Iterator[Doubt]:
    cached = around.contract.fallback.cached
    if cached is None or not around.keeps:
        return
    fields = [row.value.name for row in report.outputs if row.value.sensitivity not in MEASURED]
    text = "Answers above internal are kept in memory, and given to whoever asks the same. Should they be?"
    yield "cached_sensitive", fields, text
    if cached.key is not None:
        text = "The cache's `key` leaves fields out: one client may get the answer to another's question. Is it the same?"
        yield "cache_key", _ROUTE, text


DOUBTS: Final[tuple[Callable[[ContractDescription, RouteReport], Iterator[Doubt]], ...]] = (
    _bodies,
    _levels,
    _texts,
    _treatments,
    _ages,
    _caches,
)
