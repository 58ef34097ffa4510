"""Step 5: a policy → the warnings of `guard check`: what is allowed and probably not meant."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from guard.contract.fields import ContractInvalid
from guard.contract.schema_drafts import ignored
from guard.contract.schema_graph import Graph
from guard.contract.strict import parse_file
from guard.dialects import DIALECTS
from guard.labels.quality import ALIASES, FIGURES
from guard.ladder.cel_absent import doubts
from guard.policy.document import Tree, find
from guard.policy.errors import Path as Pointer
from guard.policy.errors import PolicyError, shown
from guard.policy.fields import SchemaFile, Shape
from guard.policy.ladder import Cel, Secret
from guard.policy.loading.digest import contract_digest
from guard.policy.models import Policy, Route, Targets
from guard.policy.policy_model import PolicyModel
from guard.policy.scalars import write_duration
from guard.policy.target_warnings import burning, late
from guard.policy.units import misspelled
from guard.proxy.values import CACHED, RULES

EVIDENCE_WINDOW: Final = 1_800
"""Seconds in which the alerts of EVIDENCE count requests."""
EVIDENCE: Final = {"latency_p95": 100, "error_rate": 5}
"""Target → requests without which its exported alert does not fire (`guard/kit/export/alerts.py`)."""
SILENCE: Final = 1_800
"""Seconds without a request after which the alert on `expected_rate` fires."""
USUAL: Final = 20
"""Requests that must be usual in SILENCE, or it happens by chance (e^-20 where they come independently)."""
TEXTS: Final = "texts"
"""The word for every text of a request, of dialects that have it."""
GENERATE: Final = ("completions", "/responses", "/messages", "/generate", "/generate_stream")
"""Ends of paths on which a model writes text, which takes as long as the text."""
MOST_IGNORED: Final = 10
"""Ignored keywords of one schema file that are named."""


def warnings(
    policy: Policy, tree: Tree, environ: Mapping[str, str], schemas: Mapping[Path, bytes]
) -> Iterator[PolicyError]:
    """Warnings about settings that are allowed and probably not intended."""
    if policy.release is not None and policy.release.contract not in {None, contract_digest(policy, schemas)}:
        pointer = ("release", "contract")
        yield PolicyError(
            find(tree, pointer)[0] or tree.place, pointer, "the routes have another contract than this release's"
        )
    candidate = policy.candidate
    if candidate is not None and candidate.shadow is not None and not candidate.compare:
        pointer = ("candidate", "shadow")
        place = find(tree, pointer)[0] or tree.place
        yield PolicyError(place, pointer, "copies prove nothing without `candidate.compare`, which names what is compared")
    for path, secret in _secrets(policy):
        place = find(tree, path)[0] or tree.place
        if secret.env is not None and secret.env not in environ:
            yield PolicyError(place, path, f"the environment variable {secret.env} is not set here")
        if secret.file is not None and not os.path.exists(secret.file.path):  # noqa: PTH110 — Path.exists raises
            yield PolicyError(place, path, f"the file {secret.file.path} is not there")
    for name, message in (*_unmeasured(policy), *burning(policy)):
        path = ("targets", *name)
        yield PolicyError(find(tree, path)[0] or tree.place, path, message)
    for key, route in policy.routes.items():
        if isinstance(route, Route):
            for below, message in (*_hurried(key, route), *late(policy, route), *_doubts(route), *_ignored(route, schemas)):
                path = ("routes", key, *below)
                yield PolicyError(find(tree, path)[0] or tree.place, path, message)


def _unmeasured(policy: Policy) -> Iterator[tuple[Pointer, str]]:
    """Targets that nothing can measure, or whose alert cannot fire."""
    targets, routes = policy.targets, [route for route in policy.routes.values() if isinstance(route, Route)]
    promises = [
        name for name in ("latency_p95", "error_rate", "availability", "model_share") if getattr(targets, name) is not None
    ]
    if not routes:
        yield from (
            ((name,), "no route has a contract; passthrough routes are not measured against targets") for name in promises
        )
        return
    longest = longest_request(policy)
    if targets.latency_p95 is not None and longest is not None and targets.latency_p95 >= longest:
        yield (
            ("latency_p95",),
            f"no request takes longer than timeout.request, {write_duration(longest)}: always kept",
        )
    if targets.expected_rate is not None:
        expected = targets.expected_rate * EVIDENCE_WINDOW
        for name, needs in EVIDENCE.items():
            if name in promises and expected < needs:
                yield (
                    (name,),
                    f"its alert needs {needs} requests in 30 minutes; expected_rate makes {expected:.3g}",
                )
        if expected < USUAL:
            yield (
                ("expected_rate",),
                f"{expected:.3g} requests in 30 minutes are too few for silence to be a sign: no alert is made of it",
            )
    yield from _extreme(targets)
    if targets.model_share is not None and all(_only_model(route) for route in routes):
        yield ("model_share",), "no route has a rung below the model that answers: its share is that of answers, always 1"
    yield from _quality(policy)
    yield from _unpriced(targets)


def _quality(policy: Policy) -> Iterator[tuple[Pointer, str]]:
    quality = policy.targets.quality
    if quality and policy.labels is None:
        yield ("quality",), "without `labels` guard cannot measure it; guard checklist compares it with the evaluation"
    for name in quality if policy.labels is not None else ():
        if ALIASES.get(name, name) not in FIGURES:
            yield ("quality", name), "labels tell no such figure; guard checklist compares it with the evaluation"


def longest_request(policy: Policy) -> float | None:
    """Seconds that a request can take at most; None where streams take as long as they last, or no route has a contract."""
    routes = [route for route in policy.routes.values() if isinstance(route, Route)]
    if not routes or any(route.stream or DIALECTS[route.dialect].streams for route in routes):
        return None
    return max(route.timeout.request for route in routes)


def _extreme(targets: Targets) -> Iterator[tuple[Pointer, str]]:
    """Shares that are always kept, or leave no budget."""
    if targets.error_rate is not None and targets.error_rate >= 1:
        yield ("error_rate",), "no more than 100% can fail: always kept"
    for name in ("availability", "model_share"):
        share = getattr(targets, name)
        if share is not None and share <= 0:
            yield (name,), "a share of 0% is always kept"
    if targets.availability is not None and targets.availability >= 1:
        yield ("availability",), "100% leaves no budget that could burn: no alert is made of it; 99.99% would have one"


def _unpriced(targets: Targets) -> Iterator[tuple[Pointer, str]]:
    """Costs that nothing is counted against."""
    cost = targets.cost
    if cost is None:
        return
    if not cost.priced:
        free = cost.per_request is not None or cost.by_token
        why = "every price is 0" if free else "there is no price of a request or a token"
        yield ("cost",), f"{why}: nothing is counted against it"
    if cost.daily is not None and not cost.daily.amount:
        yield ("cost", "daily"), "a budget of 0 has no share that is spent: no alert is made of it"


def _only_model(route: Route) -> bool:
    below = route.fallback
    return below.previous is None and below.cached is None and below.rules is None


def _doubts(route: Route) -> Iterator[tuple[Pointer, str]]:
    yield from _unsearched(route)
    yield from _numbered(route)
    yield from _units(route)
    if route.stream and route.output is not None:
        yield ("stream",), "a streamed answer is relayed as it comes; its outputs are not checked"
    if route.fallback.cached is not None and route.fallback.cached.key is not None:
        yield ("fallback", CACHED, "key"), "requests that differ in other fields get the same cached answer"
    for number, rule in enumerate(route.fallback.rules or ()):
        texts: list[tuple[Pointer, str]] = [(("when",), rule.when)] if rule.when is not None else []
        texts += [(("answer", name), value.text) for name, value in rule.answer.items() if isinstance(value, Cel)]
        for below, text in texts:
            for message in doubts(text, route.inputs):
                yield ("fallback", RULES, number, *below), message
    if route.fallback.rules is None:
        for name, field in route.inputs.items():
            if field.missing == "fall":
                yield ("input", name, "missing"), "there are no rules to fall to; clients get an error"
            if field.freshness is not None:
                yield (
                    ("input", name, "freshness"),
                    "there are no rules to fall to; a stale value is answered with an error",
                )


def _units(route: Route) -> Iterator[tuple[Pointer, str]]:
    for side, fields in (("input", route.inputs), ("output", route.outputs)):
        for name, field in fields.items():
            yield from _misspelled(field, (side, name))


def _misspelled(shape: Shape, where: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Units of a field, and of what is inside it, that are nearly a known unit."""
    if shape.unit is not None and shape.type != "timestamp" and (meant := misspelled(shape.unit)):
        yield (*where, "unit"), f"{shown(shape.unit)} is not a known unit; did you mean {meant}?"
    if shape.items is not None:
        yield from _misspelled(shape.items, (*where, "items"))
    for name, field in (shape.fields or {}).items():
        yield from _misspelled(field, (*where, "fields", name))


def _numbered(route: Route) -> Iterator[tuple[Pointer, str]]:
    """Places with a number, which a JSON pointer takes for a position in a list."""
    for side, fields in (("input", route.inputs), ("output", route.outputs)):
        for name, field in fields.items():
            if number := next((step for step in (field.at or "").split("/") if step.isascii() and step.isdigit()), ""):
                instead = "`*` is each element of a list" if side == "output" else "`columns` names positions of a row"
                yield (side, name, "at"), f"`{number}` is the name of a member, not a position in a list; {instead}"


def _hurried(key: str, route: Route) -> Iterator[tuple[Pointer, str]]:
    """A route whose model writes text, with the default time for a whole answer."""
    if key.endswith(GENERATE) and not route.timeout.is_set("attempt"):
        attempt = write_duration(route.timeout.attempt)
        yield (
            ("timeout",),
            f"attempt is {attempt}, by which a text must be whole, or a stream have its first event: say how long that is",
        )


def _unsearched(route: Route) -> Iterator[tuple[Pointer, str]]:
    """Fields with `detect` of a dialect whose other texts nothing searches."""
    if TEXTS not in DIALECTS[route.dialect].request_layout.words or TEXTS in route.inputs:
        return
    for name, field in route.inputs.items():
        if field.detect:
            yield ("input", name, "detect"), f"only this member is searched; declare `{TEXTS}` for every text of a request"


def _ignored(route: Route, schemas: Mapping[Path, bytes]) -> Iterator[tuple[Pointer, str]]:
    """Keywords of schema files that assert nothing."""
    for side in ("input", "output"):
        declared = getattr(route, side)
        if not isinstance(declared, SchemaFile):
            continue
        try:
            graph = Graph(parse_file(schemas[declared.schema_.path]))
        except ContractInvalid:
            continue  # an error of the policy, which is reported where the contract is compiled
        notes = [
            f"{word} at #{graph.at[id(schema)]}: {advice}"
            for schema in graph.schemas
            for word, advice in ignored(graph.draft, schema)
        ]
        if len(notes) > MOST_IGNORED:
            notes[MOST_IGNORED:] = [f"{len(notes) - MOST_IGNORED} more keywords are ignored"]
        yield from (((side, "schema"), note) for note in notes)


def _secrets(part: PolicyModel, path: Pointer = ()) -> Iterator[tuple[Pointer, Secret]]:
    values: list[tuple[Pointer, Any]] = [((*path, name), value) for name, value in part]
    while values:
        at, value = values.pop()
        if isinstance(value, Secret):
            yield at, value
        elif isinstance(value, tuple) and value and isinstance(value[0], PolicyModel):
            values += [((*at, index), item) for index, item in enumerate(value)]
        elif isinstance(value, PolicyModel) and not isinstance(value, Route):
            values += [((*at, name), item) for name, item in value]
