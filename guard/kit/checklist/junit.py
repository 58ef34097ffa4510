"""Sections → JUnit: a suite for each section, a case for each item. Where warnings fail, one is a failure as well."""

from collections.abc import Sequence

from guard.kit import junit as xml
from guard.kit.checklist.values import ORDER, Item, Section, Status


def junit(sections: Sequence[Section], fail_on: Status) -> bytes:
    """The whole file."""
    suites = [
        xml.Suite(section.title, [_case(f"checklist.{section.id}", item, fail_on) for item in section.items])
        for section in sections
    ]
    return xml.junit("guard checklist", suites)


def _case(group: str, item: Item, fail_on: Status) -> xml.Case:
    if item.status == "pass":
        return xml.Case(group, item.id, "pass", text=item.evidence)
    failed = ORDER.index(item.status) >= ORDER.index(fail_on)
    return xml.Case(group, item.id, "fail" if failed else "skip", item.evidence, f"fix: {item.fix}")
