"""3. Data boundaries: what is sensitive is declared, nothing sensitive leaves, no more is taken than is needed."""

from collections.abc import Iterator, Mapping
from typing import Final

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import field, judged, policy, some
from guard.kit.privacy.fields import SENSITIVE
from guard.kit.privacy.values import Finding, Input, Output, RouteReport

_LEAVES: Final[Mapping[str, str]] = {
    "free_text": "`detect` on each, such as `detect: [email, phone, card, iban]`, or `send: false`",
    "output_text": "a `sensitivity` above internal on each, or `treatment: drop`",
    "hash_without_key": "a key: `privacy: {hash_key: {env: GUARD_HASH_KEY}}`",
    "hashed_secret": "no `treatment` on each",
    "treatment_ignored": "the `treatment` on the whole field, and none on its parts",
    "age_measured": "no `freshness` on each, or a `sensitivity` up to internal",
    "cached_sensitive": "no `cached` rung on the route, or `scope: [authorization]`",
    "cache_key": "no `key` in the route's `cached`",
}
"""Doubts of the privacy report about what leaves, and what settles each."""
_TAKES: Final[Mapping[str, str]] = {
    "undeclared_pass": "`undeclared: strip` on the route",
    "observe": "`enforcement: enforce` on the route",
    "schema": "fields in place of the schema file",
    "unread": "`input` or `content` on the route",
    "passthrough": "a contract for the route, or the word `denied`",
}
"""Doubts about what is taken."""


def _items(facts: Facts) -> Iterator[Item]:
    yield _sensitivity(facts)
    yield _leaves(facts)
    yield _doubts(facts, "data.minimised", _TAKES, _minimised(facts))
    tokens = facts.loaded.policy.admin.tokens
    fix = "run `guard token NAME --role viewer >> tokens` for each person, and " + policy(
        facts, admin={"tokens": {"file": "tokens"}}
    )
    nobody = (
        []
        if tokens is not None
        else ["no person is named who may inspect; guard makes one token for everybody at its start"]
    )
    where = (tokens.env or str(tokens.file)) if tokens is not None else ""
    yield judged("data.inspection", nobody, f"named tokens, from {where}", fix, "warn")


def _findings(facts: Facts) -> Iterator[Finding]:
    """Whether a route has a body that can be questioned."""
    return (
        item for item in facts.privacy.review if item.code != "passthrough" or not item.route.startswith(("GET ", "HEAD "))
    )


def _sensitivity(facts: Facts) -> Item:
    findings = [finding for finding in _findings(facts) if finding.code == "sensitivity_default"]
    names = [name for item in findings for name in item.fields]
    fix = ""
    if findings:
        route = findings[0].route
        fix = field(facts, route, _top(facts, route, names[0]), sensitivity="internal") + ", or a higher one, on each field"
    return judged("data.sensitivity", names, "every field declares its sensitivity", fix, why="no sensitivity declared")


def _top(facts: Facts, route: str, name: str) -> tuple[str, ...]:
    """The whole field that a name of the report is of; what is inside takes its level from there."""
    values = (
        value for contract in facts.contracts if contract.key == route for value in (*contract.inputs, *contract.outputs)
    )
    return next(value.keys[:2] for value in values if value.name == name)


def _leaves(facts: Facts) -> Item:
    names = [
        row.value.name
        for route in facts.privacy.routes
        for row in _rows(route)
        if row.value.sensitivity in SENSITIVE and row.log.kind in {"value", "client_bytes"}
    ]
    if names:
        return Item("data.leaves", "fail", f"logged unchanged: {some(names)}", "`log: false` on each")
    return _doubts(
        facts, "data.leaves", _LEAVES, "no personal or more sensitive value reaches log, trace or metric unchanged"
    )


def _rows(route: RouteReport) -> tuple[Input | Output, ...]:
    return (*route.inputs, *route.outputs)


def _doubts(facts: Facts, item: str, settled_by: Mapping[str, str], good: str) -> Item:
    findings = [finding for finding in _findings(facts) if finding.code in settled_by]
    wrong = [f"{item.route}{': ' + some(item.fields) if item.fields else ''} ({item.code})" for item in findings]
    ways = dict.fromkeys(settled_by[item.code] for item in findings)
    fix = f"in {facts.name}: {'; '.join(ways)}; `guard privacy {facts.name}` explains each"
    return judged(item, wrong, good, fix, "warn")


def _minimised(facts: Facts) -> str:
    sent = [item for item in facts.privacy.sensitive if item.form.kind != "never"]
    unsent = [row.value.name for route in facts.privacy.routes for row in route.inputs if row.model.kind == "never"]
    withheld = f"; never sent to the model: {some(unsent)}" if unsent else ""
    return f"only declared fields reach the model, {len(sent)} of them personal or more sensitive{withheld}"


SECTION = Part("data", "Data boundaries", _items)
