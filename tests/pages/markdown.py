"""Code blocks of a Markdown page: where each stands, its language, its title and its text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r'^( *)```(\w[\w-]*)?(?: title="([^"]+)")?[^\n]*\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its fence, `title` the name of the file that it stands for, or ''."""

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    return list(_blocks(page.name, page.read_text(encoding="utf-8"), 0))


def sections(page: Path) -> dict[str, list[Block]]:
    """The blocks below each heading of the second level; those before the first one are under ''."""
    text = page.read_text(encoding="utf-8")
    parts = HEADING.split(text)
    by_name = {"": list(_blocks(page.name, parts[0], 0))}
    lines = parts[0].count("\n")
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        by_name[heading] = list(_blocks(page.name, body, lines))
        lines += body.count("\n")
    return by_name


def _blocks(page: str, text: str, before: int) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        margin = len(match[1])
        body = "".join(line[margin:] for line in match[4].splitlines(keepends=True))
        yield Block(page, before + text[: match.start()].count("\n") + 1, match[2] or "", match[3] or "", body)
