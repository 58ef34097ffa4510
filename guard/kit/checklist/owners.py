"""8. Owners: six roles, each with a name; one team may hold several."""

from collections.abc import Iterator
from typing import Final

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import judged, named, policy

ROLES: Final = {
    "model_quality": "whether the model is still good",
    "serving": "whether it answers",
    "data_freshness": "whether its data are fresh",
    "approvals": "who lets a release go out",
    "retraining": "who makes the next one",
    "incidents": "who is called",
}


def _items(facts: Facts) -> Iterator[Item]:
    owners = facts.loaded.policy.owners
    for role, what in ROLES.items():
        name = owners.incidents.team if role == "incidents" and owners.incidents else getattr(owners, role)
        wrong = [] if named(name) else [f"nobody is named for {what}"]
        fix = policy(facts, owners={role: {"team": "TEAM"} if role == "incidents" else "TEAM"})
        yield judged(f"owners.{role}", wrong, str(name), fix)


SECTION = Part("owners", "Owners", _items)
