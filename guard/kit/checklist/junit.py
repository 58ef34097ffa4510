"""Sections → JUnit XML, as CI systems read it: a suite for each section, a case for each item.

JUnit knows no warning. One is `skipped`, which is shown and stops nobody; where warnings fail, it is a failure as well.
"""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from guard.kit.checklist.values import ORDER, Section, Status

_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (§2.2)."""


def junit(sections: Sequence[Section], fail_on: Status) -> bytes:
    """The whole file."""
    root = ET.Element("testsuites", name="guard checklist")
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for section in sections:
        suite = ET.SubElement(root, "testsuite", name=_text(section.title))
        counts = {"tests": len(section.items), "failures": 0, "skipped": 0}
        for item in section.items:
            case = ET.SubElement(suite, "testcase", classname=f"checklist.{section.id}", name=_text(item.id))
            if item.status == "pass":
                ET.SubElement(case, "system-out").text = _text(item.evidence)
                continue
            failed = ORDER.index(item.status) >= ORDER.index(fail_on)
            counts["failures" if failed else "skipped"] += 1
            made = ET.SubElement(case, "failure" if failed else "skipped", message=_text(item.evidence))
            made.text = _text(f"fix: {item.fix}")
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
    for name, count in totals.items():
        root.set(name, str(count))
    ET.indent(root)
    page: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return page + b"\n"


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
