"""Wording of evidence and fixes.

In a fix, what stands in backticks is literal: a command, options of one, or YAML that belongs into the policy. WORDS IN
CAPITALS are to be replaced.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from guard.kit.checklist.values import Facts, Item, Status
from guard.kit.evidence import Evidence, Kind, Unusable, stale

SHOWN: Final = 5
_PLACEHOLDER: Final = re.compile(
    r"(?:to ?do|tbd|tba|fixme|none|null|n/?a|nobody|unknown|team|name|owner|who|url|x+|[\W_]*)\Z", re.IGNORECASE
)


def named(value: object) -> bool:
    """Whether somebody or something is named, and not a word that only keeps its place."""
    return isinstance(value, str) and not _PLACEHOLDER.match(value)


def some(names: Sequence[str]) -> str:
    """The first few."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def judged(item: str, wrong: Sequence[str], good: str, fix: str, status: Status = "fail", *, why: str = "") -> Item:
    """Fails (or warns) with the names of what is wrong, said after `why`; passes without any."""
    if not wrong:
        return Item(item, "pass", good)
    return Item(item, status, f"{why}: {some(wrong)}" if why else "; ".join(wrong), fix)


def policy(facts: Facts, **settings: Any) -> str:
    """A fix that is written into the policy."""
    return f"in {facts.name}: `{_flow(settings)}`"


def field(facts: Facts, route: str, path: Sequence[str], **settings: Any) -> str:
    """A fix that is written to a field; `path` leads to it from the route."""
    node: Any = settings
    for key in reversed(("routes", route, *path)):
        node = {key: node}
    return policy(facts, **node)


def release(facts: Facts, options: str) -> str:
    """A fix that the release's own command makes."""
    return f"run the model's `guard release --policy {facts.name} …` again with `{options}`"


def fresh(item: str, kind: Kind, facts: Facts, command: str) -> tuple[Item, Evidence | None]:
    """Whether there is evidence of a kind that speaks of what is at hand: the item, and the evidence if it can be read."""
    evidence = facts.evidence[kind]
    fix = f"run `{command}`"
    if isinstance(evidence, Unusable):
        return Item(item, "fail", evidence.why, fix), None
    when = f"{kind} of {evidence.at:%Y-%m-%d %H:%M} UTC" + (f" in {evidence.environment}" if evidence.environment else "")
    if old := stale(evidence, facts.loaded, facts.now):
        return Item(item, "warn", f"{when}: {' and '.join(old)}", f"{fix} again"), evidence
    return Item(item, "pass", when), evidence


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=100_000)
    return text.strip()[1:-1]
