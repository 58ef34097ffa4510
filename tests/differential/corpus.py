"""All cases, in the order of the page. A new case is one line in the module of its family."""

from tests.differential import answers, framing, heads, targets
from tests.differential.case import Case

FAMILIES: dict[str, tuple[Case, ...]] = {
    "Framing of requests": framing.CASES,
    "Targets and methods": targets.CASES,
    "Heads of requests": heads.CASES,
    "Answers of the upstream": answers.CASES,
}
CASES: tuple[Case, ...] = tuple(case for family in FAMILIES.values() for case in family)
assert len({case.name for case in CASES}) == len(CASES), "the name of a case is its key"
