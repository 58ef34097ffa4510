"""The nine sections, in the order in which a launch asks for them. A section is one file and one line here."""

from typing import Final

from guard.kit.checklist import (
    contract,
    data,
    failure,
    monitoring,
    next_release,
    owners,
    rehearsal,
    release_record,
    targets,
)
from guard.kit.checklist.values import Facts, Part, Section

SECTIONS: Final[tuple[Part, ...]] = (
    release_record.SECTION,
    contract.SECTION,
    data.SECTION,
    targets.SECTION,
    monitoring.SECTION,
    rehearsal.SECTION,
    failure.SECTION,
    owners.SECTION,
    next_release.SECTION,
)


def sections(facts: Facts) -> tuple[Section, ...]:
    """All of them."""
    return tuple(Section(part.id, part.title, tuple(part.make(facts))) for part in SECTIONS)
