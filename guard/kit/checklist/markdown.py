"""Sections → Markdown, for a pull request or a job's summary. What others wrote is escaped as in the privacy report."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from guard.kit.checklist.values import Section
from guard.kit.markdown import code, prose

_WORDS: Final = {"pass": "pass", "warn": "**warn**", "fail": "**FAIL**"}
_LITERAL: Final = re.compile(r"`([^`]+)`")


def markdown(sections: Sequence[Section]) -> str:
    """A table for each section."""
    return "\n".join(_page(sections)) + "\n"


def _page(sections: Sequence[Section]) -> Iterator[str]:
    yield "# Launch checklist"
    for number, section in enumerate(sections, 1):
        yield from ("", f"## {number}. {section.title}: {_WORDS[section.status]}", "")
        yield from ("| Item | Status | Evidence | Fix |", "|---|---|---|---|")
        for item in section.items:
            yield f"| {code(item.id)} | {_WORDS[item.status]} | {prose(item.evidence)} | {_fix(item.fix)} |"


def _fix(fix: str) -> str:
    """Literal parts as code, the words between them as text."""
    parts = _LITERAL.split(fix)
    return "".join(_code(part) if index % 2 else prose(part) if part else "" for index, part in enumerate(parts))


def _code(text: str) -> str:
    shown = text.replace("|", "\\|")
    return f"`{shown}`" if text.isprintable() and "\\" not in text else prose(text)
