"""Reports made of a few lines of policy, and their pages as a reader of Markdown sees them."""

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from guard.kit.privacy.report import make
from guard.kit.privacy.values import Report
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load

KEY = "privacy: {hash_key: {env: GUARD_HASH_KEY}}\n"
CACHED = "fallback: [{cached: {}}]"


def loaded(folder: Path, routes: str, rest: str = "") -> Any:
    path = folder / "policy.yaml"
    path.write_text(f"version: guard/v1\nservice: s\nupstream: http://model.example:80\nroutes:\n{routes}{rest}")
    return load(path, environ={"GUARD_HASH_KEY": "x" * 16})


def report(folder: Path, routes: str, rest: str = "") -> Report:
    found = loaded(folder, routes, rest)
    compile_plan(found, CompileContext())  # what is reported on is a policy that may be served
    return make(found)


def route(folder: Path, declared: str, rest: str = "", key: str = "POST /p") -> Report:
    lines = "".join(f"    {line}\n" for line in declared.strip().splitlines())
    return report(folder, f"  {key}:\n{lines}", rest)


def rows(made: Report, side: str = "inputs") -> dict[str, Any]:
    return {row.value.name: row for row in getattr(made.routes[0], side)}


def codes(made: Report) -> dict[str, tuple[str, ...]]:
    return {item.code: item.fields for item in made.review}


def told(notes: Any) -> str:
    return "\n".join(f"{note.text} {' '.join(note.values)}" for note in notes)


@dataclasses.dataclass
class Seen:
    """An element of the page: what a reader sees, and the elements that are in it."""

    text: str
    tags: set[str]


def unseen(word: str) -> str:
    return "".join(item if item.isprintable() else f"\\u{ord(item):04x}" for item in word)


def parsed(text: str) -> list[Any]:
    """As GitHub reads it, raw HTML and bare links included, which makes it the strictest reader."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
    return reader.parse(text)


def cells(text: str, element: str) -> list[Seen]:
    found, tokens = [], parsed(text)
    for before, token in pairwise(tokens):
        if before.tag == element and before.nesting == 1:
            children = token.children or []
            found.append(Seen("".join(child.content for child in children), {child.type for child in children}))
    return found
