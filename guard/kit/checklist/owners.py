"""8. Owners: six roles, each with a name; one team may hold several."""

from collections.abc import Iterator
from typing import Final

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import judged, named, policy

ROLES: Final = {
    "model_quality": "the quality of the model",
    "serving": "its answers and their latency",
    "data_freshness": "the age of its data",
    "approvals": "the approval of releases",
    "retraining": "the next release",
    "incidents": "incidents",
}


def _items(facts: Facts) -> Iterator[Item]:
    owners = facts.loaded.policy.owners
    for role, duty in ROLES.items():
        name = owners.incidents.team if role == "incidents" and owners.incidents else getattr(owners, role)
        wrong = [] if named(name) else [f"no owner is named for {duty}"]
        fix = policy(facts, owners={role: {"team": "TEAM"} if role == "incidents" else "TEAM"})
        yield judged(f"owners.{role}", wrong, str(name), fix)


SECTION = Part("owners", "Owners", _items)
