"""The runbook has every word that a person may meet: sources, reasons, violations, codes and events."""

import re
from pathlib import Path

import pytest

from guard.events import event_types
from guard.proxy.rescue import STATUS
from guard.proxy.values import REASONS, REFUSALS, SOURCES, VIOLATIONS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "runbook.md").read_text()


def first_column(title: str) -> set[str]:
    """The words of a section's table."""
    section = PAGE.partition(f"## {title}")[2].partition("\n## ")[0]
    return {
        word
        for line in section.splitlines()
        if line.startswith("| `")
        for word in re.findall(r"`([a-z_0-9]+)`", line.split("|")[1])
    }


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Who answered", SOURCES),
        ("Why a rung did not answer", REASONS),
        ("What is wrong with a field", VIOLATIONS),
        ("What a client is told", REFUSALS),
    ],
)
def test_every_word_is_there_and_no_other(title: str, words: tuple[str, ...]) -> None:
    assert first_column(title) == set(words)


def test_the_statuses_are_those_that_are_sent() -> None:
    section = PAGE.partition("## What a client is told")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9]+) \|", section, re.MULTILINE))
    assert told == {code: str(status) for code, status in STATUS.items() if code != "upstream_refused"}


def test_every_alert_is_there() -> None:
    named = {
        name for path in (ROOT / "guard").rglob("*.py") for name in re.findall(r'"(Guard[A-Z][A-Za-z]+)"', path.read_text())
    }
    section = PAGE.partition("## What an alert wants")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(Guard[A-Za-z]+)`", section)) == named


def test_every_event_and_no_other_is_there() -> None:
    assert first_column("What the log says") == {kind.name for kind in event_types()} | {"exchange"}
