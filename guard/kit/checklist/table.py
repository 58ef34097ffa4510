"""Sections → text for a terminal: plain words first, so that nothing is lost without colour."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import click

from guard.kit.checklist.values import ORDER, Section, Status
from guard.kit.markdown import seen

_MARKS: Final = {"pass": "ok  ", "warn": "WARN", "fail": "FAIL"}
_COLOURS: Final = {"pass": "green", "warn": "yellow", "fail": "red"}
_NAME: Final = 26
_LEAST: Final = 60
"""Columns, however narrow the terminal says it is."""


def table(sections: Sequence[Section], width: int) -> str:
    """Every item on a line, what is wrong with its fix below it, and the sum."""
    return "\n".join(_lines(sections, max(width, _LEAST)))


def _lines(sections: Sequence[Section], width: int) -> Iterator[str]:
    text = ""
    for number, section in enumerate(sections, 1):
        yield f"{_mark(section.status)} {number} {click.style(section.title, bold=True)}"
        for item in section.items:
            name = item.id.partition(".")[2]
            yield from _wrapped(f"     {_mark(item.status)} {name:{_NAME - 10}} ", item.evidence, width, _NAME)
            if item.fix and item.fix != text:  # the same again is read once
                yield from _wrapped(" " * _NAME + "fix: ", item.fix, width, _NAME + 5)
            text = item.fix
    counts = {status: sum(section.status == status for section in sections) for status in ORDER}
    yield f"{len(sections)} sections: " + ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _mark(status: Status) -> str:
    return click.style(_MARKS[status], fg=_COLOURS[status])


def _wrapped(first: str, text: str, width: int, indent: int) -> Iterator[str]:
    lines = textwrap.wrap(seen(text, ""), max(20, width - indent), break_long_words=False, break_on_hyphens=False) or [""]
    yield first + lines[0]
    yield from (" " * indent + line for line in lines[1:])
