"""JUnit's XML, for a CI that shows it. JUnit knows no warning: one is `skip`, which is shown and fails nothing."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from xml.etree import ElementTree as ET

Result = Literal["pass", "skip", "fail"]
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (§2.2)."""


class Case(NamedTuple):
    """One thing that was checked. `message`: why it did not pass; `text`: what is worth reading besides."""

    group: str
    name: str
    result: Result
    message: str = ""
    text: str = ""


class Suite(NamedTuple):
    """Cases under one title. `seconds`, `began` (UTC, without a zone): empty where nobody measured them."""

    title: str
    cases: Sequence[Case]
    seconds: str = ""
    began: str = ""


def junit(title: str, suites: Sequence[Suite], seconds: str = "") -> bytes:
    """The whole file."""
    root = ET.Element("testsuites", {"name": _text(title), **_present(time=seconds)})
    for suite in suites:
        measured = _present(time=suite.seconds, timestamp=suite.began)
        element = ET.SubElement(root, "testsuite", {"name": _text(suite.title), "errors": "0", **measured})
        for case in suite.cases:
            _case(element, case)
        _count(element, suite.cases)
    _count(root, [case for suite in suites for case in suite.cases])
    ET.indent(root)
    page: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return page + b"\n"


def _case(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", classname=case.group, name=_text(case.name))
    if case.result != "pass":
        kind = "failure" if case.result == "fail" else "skipped"
        element = ET.SubElement(element, kind, message=_text(case.message))
    elif case.text:
        element = ET.SubElement(element, "system-out")
    if case.text:
        element.text = _text(case.text)


def _count(element: ET.Element, cases: Sequence[Case]) -> None:
    results = [case.result for case in cases]
    for name, count in (("tests", len(cases)), ("failures", results.count("fail")), ("skipped", results.count("skip"))):
        element.set(name, str(count))


def _present(**attributes: str) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
