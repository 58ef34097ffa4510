"""Lint for plain English: `python -m tests.repository.plain_words`, run by `make lint`.

Two rules. Text that users read (string constants of guard, the pages of docs/, README.md and ARCHITECTURE.md) uses none of
MANNERISMS. A docstring of guard opens with what the thing is or does, and with none of OPENINGS.

A string constant counts as text if it has a space between two words. Log fields, JSON members, metric names and flags have
none. Code in backticks or fences, and comments, do not count.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANNERISMS = {
    r"as good as none": "unset",
    r"never felt": "never affects a request",
    r"heeds?|heeded": "follows, obeys",
    r"mend(?:s|ed|ing)?": "fix",
    r"of no use": "unusable, invalid",
    r"nobody (?:asked(?! for)|says|said)": "no requests; does not report",
    r"somebody is at it": "the owners are informed",
    r"whom to (?:trust|believe)": "CA bundle",
    r"(?:as|than) it came": "unchanged",
    r"say --[a-z-]+": "give --option",
    r"for so long|so long ago": "for this time; the window's length",
    r"what (?:it|each) said last": "its last content",
    r"is no (?:json|number|integer|text|object|list|release|evidence|http|git repository)": "is not a …",
    r"is told (?:it|about)|are told (?:it|about)": "receives, is informed of",
    r"(?:neither|never) (?:told|heard)": "not reported, not received",
    r"not as promised": "failed",
    r"lets? go of": "releases, removes",
    r"held against": "compared with, checked against",
}
"""A mannerism as a regular expression, case ignored, whole words → what to write instead."""

OPENINGS = (
    "About", "After", "Among", "And", "As", "At", "Before", "Beside", "Besides", "Between", "But", "By", "For", "From", "How",
    "If", "In", "Into", "It", "Its", "Likewise", "Not", "Of", "On", "Only", "Or", "Somebody", "Something", "Than", "That",
    "There", "This", "Those", "To", "Under", "Until", "What", "Whatever", "When", "Where", "Which", "Who", "Whoever",
    "Whom", "Whose", "Why", "With", "Without",
)  # fmt: skip
"""Words that leave the noun out: a docstring that opens with one has to be read twice."""

_MANNERISM = re.compile("|".join(rf"\b(?:{pattern})\b" for pattern in MANNERISMS), re.IGNORECASE)
_OPENING = re.compile(rf"(?:{'|'.join(OPENINGS)})\b")
_CODE = re.compile(r"^( *)(```|~~~).*?^\1\2|`[^`\n]*`", re.MULTILINE | re.DOTALL)
Finding = tuple[str, int, str]


def main() -> int:
    """Print every finding as file:line; 1 if there is one."""
    findings = sorted({*mannerisms(), *openings()})
    for file, line, message in findings:
        sys.stdout.write(f"{file}:{line}: {message}\n")
    return 1 if findings else 0


def mannerisms() -> Iterator[Finding]:
    """Mannerisms in the text that users read."""
    for path in sorted((ROOT / "guard").rglob("*.py")):
        for line, text in strings(ast.parse(path.read_text())):
            yield from _in_text(path, line, text)
    for path in (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "ARCHITECTURE.md"):
        if path.exists():
            blank = _CODE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text())
            yield from _in_text(path, 1, blank)


def openings() -> Iterator[Finding]:
    """Docstrings of guard that open without their noun."""
    for path in sorted((ROOT / "guard").rglob("*.py")):
        name = _name(path)
        for line, text in docstrings(ast.parse(path.read_text())):
            if match := _OPENING.match(text):
                yield name, line, f'a docstring opens with "{match[0]}": begin with what the thing is or does'


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The text constants of a module and their lines, without docstrings; an f-string has … for its values."""
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            text = node.value
        if " " in text.strip():
            yield node.lineno, _CODE.sub("", text)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The docstrings of a module, of its classes, functions and constants, and their lines; private ones too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        whole = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for before, statement in zip([None, *body], body, strict=False):
            documents = (before is None and whole) or isinstance(before, ast.Assign | ast.AnnAssign)
            if documents and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, text.strip()


def _in_text(path: Path, line: int, text: str) -> Iterator[Finding]:
    for match in _MANNERISM.finditer(text):
        instead = next(word for pattern, word in MANNERISMS.items() if re.fullmatch(pattern, match[0], re.IGNORECASE))
        yield _name(path), line + text.count("\n", 0, match.start()), f'"{match[0]}": write {instead}'


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
