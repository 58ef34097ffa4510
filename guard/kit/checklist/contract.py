"""2. The contract: every field says what it is and what happens without it, every output what it means."""

from collections.abc import Iterator
from typing import NamedTuple

from guard.kit.checklist.values import Facts, Item, Part, Status
from guard.kit.checklist.words import field, judged, some
from guard.policy.fields import InputField, OutputField, SchemaFile, Shape
from guard.policy.models import Passthrough
from guard.policy.route import Route

_NO_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Found(NamedTuple):
    """A field, an output, or a part of one: where it stands, and what is declared of it."""

    route: str
    path: tuple[str, ...]
    shape: Shape

    def __str__(self) -> str:
        return ".".join(part for part in self.path[1:] if part != "fields").replace(".items", "[]")


def _items(facts: Facts) -> Iterator[Item]:
    fields = list(_below(facts, "input"))
    outputs = list(_below(facts, "output"))
    yield _declared(facts)
    yield _enforced(facts)
    units = [one for one in (*fields, *outputs) if _measure(one.shape) and not one.shape.unit]
    yield _each(facts, "contract.units", units, "unit", "UNIT", "every number has a unit", "numbers without a unit", "fail")
    bare = [one for one in fields if not one.shape.description]
    yield _each(
        facts,
        "contract.descriptions",
        bare,
        "description",
        "TEXT",
        f"{len(fields)} fields described",
        "not described",
        "warn",
    )
    yield _missing(facts, fields)
    mute = [one for one in outputs if isinstance(one.shape, OutputField) and not one.shape.meaning]
    yield _each(
        facts, "contract.outputs", mute, "meaning", "TEXT", f"{len(outputs)} outputs explained", "without a meaning", "fail"
    )
    yield _calibrated(facts, outputs)


def _below(facts: Facts, side: str) -> Iterator[Found]:
    for key, route in facts.loaded.policy.routes.items():
        declared = getattr(route, side, None)
        for name, shape in declared.items() if isinstance(declared, dict) else ():
            yield from _inside(Found(key, (side, name), shape))


def _inside(found: Found) -> Iterator[Found]:
    yield found
    for name, shape in (found.shape.fields or {}).items():
        yield from _inside(Found(found.route, (*found.path, "fields", name), shape))
    if found.shape.items is not None:
        yield from _inside(Found(found.route, (*found.path, "items"), found.shape.items))


def _measure(shape: Shape) -> bool:
    """Whether it is an amount of something: no code of a list, no probability."""
    return shape.type in {"integer", "number"} and shape.enum is None and not _probability(shape)


def _probability(shape: Shape) -> bool:
    return isinstance(shape, OutputField) and shape.type == "number" and shape.min == 0 and shape.max == 1


def _each(
    facts: Facts, item: str, wrong: list[Found], key: str, word: str, good: str, why: str, status: Status
) -> Item:  # fmt: skip
    fix = field(facts, wrong[0].route, wrong[0].path, **{key: word}) if wrong else ""
    fix += ", and likewise the others" if len(wrong) > 1 else ""
    return judged(item, [str(one) for one in wrong], good, fix, status, why=why)


def _declared(facts: Facts) -> Item:
    """Every route that takes a body says what is in it, and every answer is declared."""
    wrong, doubtful, routes = [], [], 0
    for key, route in facts.loaded.policy.routes.items():
        body = key.partition(" ")[0] not in _NO_BODY
        if isinstance(route, Route):
            routes += 1
            if body and route.input is None and route.content is None:
                wrong.append(f"{key} declares no input")
            if route.output is None:
                wrong.append(f"{key} declares no output")
            if isinstance(route.input, SchemaFile) or isinstance(route.output, SchemaFile):
                doubtful.append(f"{key} has a schema file: no units, no sensitivities")
        elif isinstance(route, Passthrough) and body:
            doubtful.append(f"{key} passes unread")
    if not routes:
        wrong.append("no route has a contract")
    fix = f"declare the fields of each route in {facts.name}; `guard schema` says how, `deny` what nobody needs"
    if wrong:
        return Item("contract.declared", "fail", some(wrong), fix)
    return judged("contract.declared", doubtful, f"{routes} routes with a contract", fix, "warn")


def _enforced(facts: Facts) -> Item:
    routes = facts.loaded.policy.routes
    wrong = [key for key, route in routes.items() if isinstance(route, Route) and route.enforcement != "enforce"]
    fix = field(facts, wrong[0], (), enforcement="enforce") if wrong else ""
    return judged("contract.enforced", wrong, "every contract is enforced", fix, "warn", why="only observed")


def _missing(facts: Facts, fields: list[Found]) -> Item:
    """Denied, defaulted, fallen from; an optional field without a default says in its description what the model does."""
    wrong, counts = [], {"denied": 0, "defaulted": 0, "fall to rules": 0, "optional": 0}
    for one in fields:
        shape = one.shape
        if shape.has_default:
            counts["defaulted"] += 1
        elif not shape.required:
            counts["optional"] += 1
            if not shape.description:
                wrong.append(one)
        elif isinstance(shape, InputField) and shape.missing == "fall":
            counts["fall to rules"] += 1
            route = facts.loaded.policy.routes[one.route]
            if isinstance(route, Route) and route.fallback.rules is None:
                wrong.append(one)
        else:
            counts["denied"] += 1
    good = "missing: " + ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    fix = ""
    if wrong:
        fix = field(facts, wrong[0].route, wrong[0].path, description="WHAT THE MODEL DOES WITHOUT IT") + ", or a `default`"
        if wrong[0].shape.required:
            fix = f"give {wrong[0].route} `rules` to fall to, or take `missing: fall` from {wrong[0]}"
    return judged("contract.missing", [str(one) for one in wrong], good, fix, why="nobody knows what happens without")


def _calibrated(facts: Facts, outputs: list[Found]) -> Item:
    scores = [one for one in outputs if _probability(one.shape)]
    wrong = [one for one in scores if isinstance(one.shape, OutputField) and one.shape.calibration is None]
    fix = field(facts, wrong[0].route, wrong[0].path, calibration={"ece": "NUMBER", "report": "FILE"}) if wrong else ""
    good = f"{len(scores)} probabilities with their calibration" if scores else "no output is a probability"
    return judged("contract.calibration", [str(one) for one in wrong], good, fix, "warn", why="calibration not stated")


SECTION = Part("contract", "Contract", _items)
