"""2. The contract: every field says what it is and what happens without it, every output what it means."""

from collections.abc import Iterator
from typing import NamedTuple

from guard.kit.checklist.values import Facts, Item, Part, Status
from guard.kit.checklist.words import field, judged, some
from guard.kit.description import ContractDescription, Value
from guard.policy.fields import InputField, OutputField, SchemaFile, Shape

_NO_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Declared(NamedTuple):
    """A field, an output, or a part of one, and the route that declares it."""

    route: ContractDescription
    value: Value

    @property
    def shape(self) -> Shape:
        """The declaration of the field."""
        return self.value.shape


def _items(facts: Facts) -> Iterator[Item]:
    fields = [Declared(route, value) for route in facts.contracts for value in route.inputs]
    outputs = [Declared(route, value) for route in facts.contracts for value in route.outputs]
    yield _declared(facts)
    yield _enforced(facts)
    units = [item for item in (*fields, *outputs) if _measure(item.shape) and not item.shape.unit]
    yield _each(facts, "contract.units", units, "unit", "UNIT", "every number has a unit", "numbers without a unit", "fail")
    bare = [item for item in fields if not item.shape.description]
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
    mute = [output for output in outputs if isinstance(output.shape, OutputField) and not output.shape.meaning]
    yield _each(
        facts, "contract.outputs", mute, "meaning", "TEXT", f"{len(outputs)} outputs explained", "without a meaning", "fail"
    )
    yield _calibrated(facts, outputs)


def _names(wrong: list[Declared]) -> list[str]:
    return [problem.value.name for problem in wrong]


def _fix(facts: Facts, declared: Declared, **settings: object) -> str:
    """A fix that is written to a value."""
    return field(facts, declared.route.key, declared.value.keys, **settings)


def _measure(shape: Shape) -> bool:
    """Whether it is an amount of something: no code of a list, no probability."""
    return shape.type in {"integer", "number"} and shape.enum is None and not _probability(shape)


def _probability(shape: Shape) -> bool:
    return isinstance(shape, OutputField) and shape.type == "number" and shape.min == 0 and shape.max == 1


def _each(
    facts: Facts, item: str, wrong: list[Declared], key: str, word: str, good: str, why: str, status: Status
) -> Item:  # fmt: skip
    fix = _fix(facts, wrong[0], **{key: word}) if wrong else ""
    fix += ", and the others in the same way" if len(wrong) > 1 else ""
    return judged(item, _names(wrong), good, fix, status, why=why)


def _declared(facts: Facts) -> Item:
    """Every route that takes a body says what is in it, and every answer is declared."""
    wrong, doubtful = [], []
    for route in facts.described.routes:
        body = route.method not in _NO_BODY
        if isinstance(route, ContractDescription):
            if body and route.body == "unread":
                wrong.append(f"{route.key} declares no input")
            if route.contract.output is None:
                wrong.append(f"{route.key} declares no output")
            if route.body == "schema" or isinstance(route.contract.output, SchemaFile):
                doubtful.append(f"{route.key} has a schema file: no units, no sensitivities")
        elif route.body == "passthrough" and body:
            doubtful.append(f"{route.key} passes unread")
    if not facts.contracts:
        wrong.append("no route has a contract")
    fix = f"declare the fields of each route in {facts.name} (`guard schema` prints the format), and deny unused routes"
    if wrong:
        return Item("contract.declared", "fail", some(wrong), fix)
    return judged("contract.declared", doubtful, f"{len(facts.contracts)} routes with a contract", fix, "warn")


def _enforced(facts: Facts) -> Item:
    wrong = [route.key for route in facts.contracts if route.observe]
    fix = field(facts, wrong[0], (), enforcement="enforce") if wrong else ""
    return judged("contract.enforced", wrong, "every contract is enforced", fix, "warn", why="only observed")


def _missing(facts: Facts, fields: list[Declared]) -> Item:
    """Denied, defaulted, fallen from; an optional field without a default says in its description what the model does."""
    wrong, counts = [], {"denied": 0, "defaulted": 0, "falls to rules": 0, "optional": 0}
    for item in fields:
        shape = item.shape
        if shape.has_default:
            counts["defaulted"] += 1
        elif not shape.required:
            counts["optional"] += 1
            if not shape.description:
                wrong.append(item)
        elif isinstance(shape, InputField) and shape.missing == "fall":
            counts["falls to rules"] += 1
            if item.route.contract.fallback.rules is None:
                wrong.append(item)
        else:
            counts["denied"] += 1
    good = "missing: " + ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    fix = ""
    if wrong:
        fix = _fix(facts, wrong[0], description="WHAT THE MODEL DOES WITHOUT IT") + ", or a `default`"
        if wrong[0].shape.required:
            fix = f"declare `rules` for {wrong[0].route.key}, or remove `missing: fall` from {wrong[0].value.name}"
    return judged("contract.missing", _names(wrong), good, fix, why="no behaviour is declared for a missing")


def _calibrated(facts: Facts, outputs: list[Declared]) -> Item:
    scores = [output for output in outputs if _probability(output.shape)]
    wrong = [output for output in scores if isinstance(output.shape, OutputField) and output.shape.calibration is None]
    fix = _fix(facts, wrong[0], calibration={"ece": "NUMBER", "report": "FILE"}) if wrong else ""
    good = f"{len(scores)} probabilities with their calibration" if scores else "no output is a probability"
    return judged("contract.calibration", _names(wrong), good, fix, "warn", why="calibration not stated")


SECTION = Part("contract", "Contract", _items)
