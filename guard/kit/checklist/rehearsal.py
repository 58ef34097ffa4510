"""6. The rehearsal: production-like requests, before the launch, of this policy and this release."""

from collections.abc import Iterator

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import fresh


def _items(facts: Facts) -> Iterator[Item]:
    command = f"guard rehearse {facts.name}"
    item, evidence = fresh("rehearsal.fresh", "rehearse", facts, command)
    yield item
    if evidence is None:
        yield Item("rehearsal.passed", "fail", "no rehearsal was run", f"run `{command}`")
    elif evidence.passed:
        yield Item("rehearsal.passed", "pass", "every target and invariant held")
    else:
        yield Item(
            "rehearsal.passed", "fail", "the rehearsal found faults", f"fix what its report names, then run `{command}`"
        )


SECTION = Part("rehearsal", "Rehearsal", _items)
