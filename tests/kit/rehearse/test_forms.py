"""The forms of the report, of documents that somebody tampered with, too: names of fields are anybody's."""

import io
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from guard.kit.rehearse.forms import plots
from guard.kit.rehearse.forms.grouped import findings
from guard.kit.rehearse.forms.html import html
from guard.kit.rehearse.forms.junit import junit
from guard.kit.rehearse.forms.terminal import terminal
from guard.kit.rehearse.progress import Progress
from tests.kit.rehearse.stage import ROOT

HOSTILE = '"><script>alert(1)</script>\x00\ufffe]]>&amp;'
PHASE = {
    "kind": "steady", "clients": 1, "seconds": 1.0, "requests": 100, "rate": 100.0, "p50": 0.01, "p95": 0.02, "p99": None,
    "error_rate": 0.0, "availability": 1.0, "model_share": 0.5, "answers": {"model": 50, "rules": 40, "reset": 10},
    "reasons": {"timeout": 40}, "busy": 0.2,
}  # fmt: skip


def check(result: str = "fail", **changes: Any) -> dict[str, Any]:
    return {
        "name": "categories", "result": result, "route": "POST /p", "sent": "a word", "expected": "an answer", "got": "500",
        "todo": "mend it", "fields": ["job"], "tried": 5, "failed": 2, **changes,
    }  # fmt: skip


def document(*checks: dict[str, Any], passed: bool = False, interrupted: bool = False, **figures: Any) -> dict[str, Any]:
    part = {
        "name": "load", "title": "Load", "passed": passed, "complete": not interrupted, "seconds": 1.5,
        "checks": list(checks), "figures": figures,
    }  # fmt: skip
    measured = {"requests": 0, "latency_p95": None, "error_rate": None, "rate": None}
    return {
        "kind": "rehearse", "version": 1, "at": "2026-01-01T00:00:00Z", "guard": "0.1.0", "service": "s",
        "environment": "", "policy_digest": "sha256:" + "0" * 64, "release_digest": None, "passed": passed,
        "result": {
            "seconds": 2.0, "seed": 0, "quick": False, "own_guard": True, "interrupted": interrupted,
            "routes": [{"route": "POST /p", "works": True}], "targets": {"latency_p95": 0.1, "expected_rate": 50.0},
            "measured": measured, "parts": [part],
        },
    }  # fmt: skip


LOADED = document(
    check(),
    check("note"),
    check("skip"),
    check("pass"),
    phases=[PHASE, {**PHASE, "clients": 2}, {**PHASE, "kind": "rate", "clients": 0}, {**PHASE, "kind": "burst"}],
    memory={"guard": [[0, 1 << 26], [100, 1 << 26]], "model": [[0, 1 << 27], [100, 1 << 28]]},
)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


@pytest.mark.parametrize(
    "found", [document(), LOADED, document(check(), interrupted=True), document(check("pass"), passed=True)]
)
def test_the_page_is_well_formed_alone_and_without_a_script(found: dict[str, Any]) -> None:
    jsonschema_rs.validate(json.loads((ROOT / "docs/rehearse.schema.json").read_text()), found)
    page = html(found)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.seen & {"script", "link", "img", "iframe", "object"}
    assert not re.findall(r"@import|url\(|(?:src|href)\s*=|https?://(?!www\.w3\.org)", page)
    assert "prefers-color-scheme: dark" in page


def test_every_plot_is_there_and_numbers_are_finite() -> None:
    page = html(LOADED)
    for title in ("Latency with more clients, ms", "Answers with more clients, a second", "Who answered", "Memory, MiB"):
        assert f"<figcaption>{title}</figcaption>" in page
    assert not re.findall(r'="(?:nan|inf|-inf)', page)
    assert plots.nice(0) == [0.0, 1.0]
    assert plots.nice(97) == [0, 25, 50, 75, 100]
    assert plots.nice(0.03)[-1] >= 0.03


def test_hostile_names_are_text() -> None:
    found = document(
        check(name=HOSTILE, route=HOSTILE, got=HOSTILE, todo=HOSTILE, sent=HOSTILE, fields=[HOSTILE] * 40),
        phases=[{**PHASE, "answers": {HOSTILE: 3}}],
    )
    page = html({**found, "service": HOSTILE, "environment": HOSTILE})
    assert "<script" not in page
    read = ET.fromstring(junit({**found, "service": "s"}))
    assert "<script>alert(1)</script>" in (read.find(".//testcase") or read[0][0]).get("name", "")
    assert "mend" not in terminal(found, [])


def test_checks_that_fail_alike_are_one_finding() -> None:
    alike = [check(name="long text", fields=["note"], sent="b"), check(), check(got="422")]
    [first, second] = findings(document(*alike)["result"]["parts"], ("fail",))
    assert (first.names, first.fields, first.sent, first.share) == (
        ["long text", "categories"], ["note", "job"], ["b", "a word"], "4 of 10 requests",
    )  # fmt: skip
    assert second.got == "422"


def test_the_terminal_says_what_to_do_and_what_is_not_stored() -> None:
    text = terminal(LOADED, ["a.json /label: expected 1, got 2"])
    assert "do        mend it" in text
    assert "Differences from the team's examples (shown here and saved nowhere):\n  a.json /label" in text
    assert text.endswith("FAILED: 1 of 2 checks")
    assert "steady         1    100.0     10.0     20.0        -" in text
    assert terminal(document(check("pass"), passed=True), []).endswith("all 1 checks passed")
    assert "INTERRUPTED" in terminal(document(interrupted=True), [])


def test_a_part_that_was_interrupted_is_no_success_for_a_ci() -> None:
    suites = ET.fromstring(junit(document(check("pass"), interrupted=True)))
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.kit.rehearse.progress.EVERY", {True: -1.0, False: -1.0})
    for stream, wanted in ((Terminal(), "█"), (io.StringIO(), "rehearse: Load: 50% 4 clients\n")):
        progress = Progress(stream)
        progress.begin("Load")
        progress.at(0.5, "4 clients")
        progress.at(7.0)
        progress.clear()
        assert wanted in stream.getvalue()
        assert ("\x1b" in stream.getvalue()) == stream.isatty()
    assert stream.getvalue().startswith("rehearse: Load\n")
    Progress(None).at(0.5)
