"""7. Failure: somebody answers without the model, that was tried, there is a way back, and people know what to do."""

from collections.abc import Iterator
from typing import NamedTuple

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import field, fresh, judged, named, policy, release
from guard.kit.evidence import Evidence
from guard.policy.errors import listed
from guard.policy.release import FIRST
from guard.proxy.values import CACHED, PREVIOUS, RULES


def _items(facts: Facts) -> Iterator[Item]:
    yield _rung(facts)
    yield from _drill(facts)
    yield _rollback(facts)
    incidents = facts.loaded.policy.owners.incidents
    for item, key, example, text in (
        ("failure.page", "page", "URL", "whom an incident pages, and how"),
        ("failure.dashboard", "dashboard", "URL", "which dashboard to open"),
        ("failure.recovery", "runbook", "URL", "how to bring the service back"),
    ):
        value = getattr(incidents, key) if incidents is not None else None
        settings = {key: example} if incidents is not None else {"team": "TEAM", key: example}
        fix = policy(facts, owners={"incidents": settings})
        yield judged(item, [] if named(value) else [f"owners.incidents.{key} is missing: {text}"], str(value), fix)


class Step(NamedTuple):
    """One rung of one route, as a drill found it."""

    route: str
    rung: str
    why: str
    ok: bool


def _steps(facts: Facts) -> list[Step]:
    """The steps in the drill's evidence that can be read."""
    evidence = facts.evidence["drill"]
    listed = evidence.result.get("steps") if isinstance(evidence, Evidence) else None
    return [
        Step(str(entry.get("route")), str(entry.get("rung")), str(entry.get("why")), ok=entry.get("ok") is True)
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict)
    ]


def _rung(facts: Facts) -> Item:
    """`rules` always answers; `previous` is a model that may be down too, `cached` knows only what was asked before."""
    none: list[str] = []
    weak: list[str] = []
    for key, route in facts.routes:
        if route.fallback.rules is None:
            (weak if route.fallback.previous or route.fallback.cached else none).append(key)
    if none:
        route = dict(facts.routes)[none[0]]
        outputs = {name: output for name, output in route.outputs.items() if output.required and output.from_ is None}
        answer = dict.fromkeys(outputs, "VALUE") or {"OUTPUT": "VALUE"}
        known = [
            f"{name} is {listed(map(str, output.enum))}" for name, output in outputs.items() if output.enum is not None
        ]
        fix = field(facts, none[0], (), fallback=[{RULES: [{"answer": answer}]}])
        fix += f"; {' and '.join(known)}" if known else ""
        return judged("failure.rung", none, "", fix, why="only an error answers without the model")
    fix = f"declare a `rules` rung for each route in {facts.name}, below the others"
    good = "rules answer without the model"
    return judged(
        "failure.rung", weak, good, fix, "warn", why="without the model only the rungs previous and cached answer"
    )


def _drill(facts: Facts) -> Iterator[Item]:
    command = f"guard drill {facts.name} --data URL"
    item, evidence = fresh("failure.drilled", "drill", facts, command)
    if evidence is None:
        yield item
        return
    steps = _steps(facts)
    if not evidence.passed:
        broken = next((step for step in steps if not step.ok), Step("no route", "no rung", "no step was run", ok=False))
        why = f"{broken.route} {broken.rung}: {broken.why}"[:300]
        fix = f"fix the rung, then run `{command}`"
        if "--request" in why and broken.route in facts.loaded.policy.routes:
            fix = f"run `{command} --request '{broken.route}=FILE'` with a request that the contract allows"
        item = Item("failure.drilled", "fail", f"a rung did not keep its promise: {why}", fix)
    yield item
    done = {(step.route, step.rung) for step in steps}
    wanted = [
        (key, rung)
        for key, route in facts.routes
        if "{" not in key and not key.endswith("*")  # nobody can send to a template without an example
        for rung in (PREVIOUS, CACHED, RULES)
        if getattr(route.fallback, rung) is not None
    ]
    missing = [f"{key} {rung}" for key, rung in wanted if (key, rung) not in done]
    yield judged("failure.covered", missing, f"{len(wanted)} rungs below the model", f"run `{command}`", why="not drilled")


def _rollback(facts: Facts) -> Item:
    record = facts.loaded.policy.release
    serving = [key for key, route in facts.routes if route.fallback.previous is not None]
    if serving:
        answered = {step.route for step in _steps(facts) if step.rung == PREVIOUS and step.ok}
        silent = [key for key in serving if key not in answered]
        fix = f"start the previous model's server, then run `guard drill {facts.name} --data URL`"
        return judged(
            "failure.rollback", silent, "the previous model answered in the drill", fix, why="no previous model answered"
        )
    if record is None or record.previous is None:
        text = "the release names no previous release to go back to"
        return Item(
            "failure.rollback", "fail", text, release(facts, "--previous RECORD") + ", or `--previous none` for the first"
        )
    if record.previous == FIRST:
        return Item(
            "failure.rollback", "pass", "this is the first release: the way back is the rung that answers without the model"
        )
    before = record.before
    assert before is not None
    good = f"{before.version}, by {before.record}"
    fix = "restore that record (`git log -- releases` finds it), or " + release(facts, "--previous RECORD")
    return judged("failure.rollback", [facts.before] if facts.before else [], good, fix)


SECTION = Part("failure", "Failure and recovery", _items)
