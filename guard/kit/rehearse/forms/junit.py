"""JUnit's XML, for a CI that shows it: a suite for each part, a case for each check."""

from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET

_KEPT: Final = frozenset("\t\n")


def junit(document: Mapping[str, Any]) -> bytes:
    """The file."""
    result = document["result"]
    root = ET.Element("testsuites", name=f"guard rehearse {document['service']}", time=str(result["seconds"]))
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for part in result["parts"]:
        suite = ET.SubElement(root, "testsuite", name=part["title"], time=str(part["seconds"]), errors="0",
                               timestamp=document["at"].removesuffix("Z"))  # fmt: skip
        counts = dict.fromkeys(totals, 0)
        for check in part["checks"]:
            _case(suite, part["name"], check, counts)
        if not part["complete"]:
            _case(suite, part["name"], {**_NOT_ENDED, "todo": "the rehearsal was interrupted"}, counts)
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
    for name, count in totals.items():
        root.set(name, str(count))
    ET.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root) + b"\n"


_NOT_ENDED: Final[Mapping[str, Any]] = {
    "name": "to its end", "result": "fail", "route": "", "sent": "", "expected": "the end", "got": "", "fields": [],
}  # fmt: skip


def _case(suite: ET.Element, part: str, check: Mapping[str, Any], counts: dict[str, int]) -> None:
    name = f"{check['name']} ({check['route']})" if check["route"] else str(check["name"])
    case = ET.SubElement(suite, "testcase", classname=f"guard.rehearse.{part}", name=_printable(name))
    counts["tests"] += 1
    words = [f"{key}: {check[key]}" for key in ("sent", "expected", "got", "todo") if check[key]]
    if check["fields"]:
        words.insert(0, f"fields: {', '.join(check['fields'])}")
    if check["result"] == "fail":
        counts["failures"] += 1
        failure = ET.SubElement(case, "failure", message=_printable(check["got"] or check["todo"]))
        failure.text = _printable("\n".join(words))
    elif check["result"] == "skip":
        counts["skipped"] += 1
        ET.SubElement(case, "skipped", message=_printable(check["todo"]))
    elif check["result"] == "note":
        ET.SubElement(case, "system-out").text = _printable("\n".join(words))


def _printable(text: str) -> str:
    """What XML 1.0 may hold: names of fields are the policy's, and may be anything."""
    return "".join(
        character if character in _KEPT or " " <= character <= "\ud7ff" or character >= "\ue000" else "�"
        for character in text.replace("\ufffe", "").replace("\uffff", "")
    )
