"""The part of section 5 about what monitoring compares with, and how much it may claim (docs/monitoring.md)."""

from collections.abc import Iterator

from guard.kit.checklist.values import Facts, Item
from guard.kit.checklist.words import judged, policy, release, some
from guard.policy import disclosure
from guard.policy.compiling.watch import watched_inputs
from guard.policy.monitor import ONLY, Monitor
from guard.policy.route import Route

FILE = "reference.json"


def items(facts: Facts) -> Iterator[Item]:
    """Whether each watched route has a reference, of the release that answers, and whether a season is declared."""
    declared = facts.loaded.policy.monitor
    if not isinstance(declared, Monitor):
        off = "monitor is off, so nobody learns that inputs or answers drift"
        yield Item("monitoring.reference", "warn", off, policy(facts, monitor={"season": "week"}))
        return
    watched = [
        route.key
        for route in facts.contracts
        if (route.body == "fields" and watched_inputs(route.contract.inputs, declared))
        or _reported(route.contract, declared)
    ]
    if not watched:
        yield Item("monitoring.reference", "pass", "no route declares what monitoring could compare")
        return
    yield _reference(facts, declared, watched)
    season = [] if declared.season is not None else ["monitor.season is not declared, so only gross shifts are alarmed"]
    fix = policy(facts, monitor={"season": "week"}) + ", or none if hours and days are alike"
    yield judged("monitoring.season", season, f"season: {declared.season}", fix, "warn")


def _reported(route: Route, declared: Monitor) -> bool:
    return any(declared.fields.get(item.name) != 0.0 for item in disclosure.measures(route.outputs))


def _reference(facts: Facts, declared: Monitor, watched: list[str]) -> Item:
    named = declared.reference_files
    item = "monitoring.reference"
    if bare := [key for key in watched if key not in named and ONLY not in named]:
        one = len(watched) == 1
        make = f"guard reference make --policy {facts.name}" + ("" if one else f" --route '{bare[0]}'") + " VALIDATION_SET"
        setting = {"reference": FILE} if one else {"references": {bare[0]: FILE}}
        text = f"{some(bare)}: compared with its first 2,000 requests, whatever they are like"
        return Item(item, "warn", text, f"run `{make}`, and {policy(facts, monitor=setting)}")
    record, made = facts.loaded.policy.release, facts.loaded.references
    references = {key: made[file.path] for key, file in named.items()}
    version = record.version if record is not None else None
    others = {str(each.model_version) for each in references.values() if each.model_version not in (None, version)}
    if others and version is not None:
        text = f"the reference was made of version {some(sorted(others))}, the release is {version}"
        return Item(item, "warn", text, f"run `guard reference make --policy {facts.name} VALIDATION_SET`")
    if record is not None and "reference" not in record.parts:
        text = "the release does not name the reference, so a rollback would not bring back its own"
        file = next(iter(named.values()))
        return Item(item, "warn", text, release(facts, f"--part reference={file}"))
    rows = ", ".join(f"{each.rows:,} rows, {each.digest[:19]}" for each in references.values())
    return Item(item, "pass", rows)
