"""What code and pages cite is in the repository: a reader can follow every reference, and none leads to a paper elsewhere."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("guard", "tests", "benchmarks", "deploy", "fuzz", "docs", "policies", "requirements", ".ci")
FILES = ("Makefile", "pyproject.toml", "Dockerfile", "mkdocs.yml", "ARCHITECTURE.md", "README.md", "CHANGELOG.md")
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".j2", ".css", ".json", ""}
GENERATED = {"docs/performance", "tests/kit/init/recorded", "fuzz/corpus"}
ELSEWHERE = re.compile(r"\bDESIGN\b|(?i:\blaws? \d|\bissue \d|test_law\d|\breference/[a-z-]+\.md)|\b(?:CB|KS|RD)-\d")
"""References to papers that are not here: a section of a design, the number of a law, of a finding, of an issue."""
PAGE = re.compile(
    r"(?<![\w/.-])((?:docs/[\w/-]+|ARCHITECTURE|README|CHANGELOG)\.md|docs/[\w-]+\.schema\.json)(?:#([\w-]+))?"
)
PATH = re.compile(
    r"(?<![\w/.-])((?:guard|tests|benchmarks|deploy|fuzz|policies|requirements)/[\w/-]+\.(?:py|yaml|md|json|lock))\b"
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([\w-]+))?\)")


def texts():
    """Every text of the repository that people read, by its name."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if (
                path.suffix in SUFFIXES
                and path.is_file()
                and "__pycache__" not in name
                and not name.startswith(tuple(GENERATED))
            ):
                yield name, path
    for name in FILES:
        yield name, ROOT / name


def lines(name, path):
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        yield f"{name}:{number}", line


@cache
def anchors(path):
    """The anchors of a page's headings, as mkdocs and GitHub make them."""
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"#{1,6} (.+)", line):
            text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", match[1]).lower()
            found.add(re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text)).strip("-"))
    return found


def broken(page, anchor):
    if not page.exists():
        return "no such page"
    return f"no heading #{anchor}" if anchor and anchor not in anchors(page) else ""


def test_nothing_cites_a_paper_that_is_not_here():
    own = "tests/repository/test_references.py"
    wrong = [
        f"{place}: {line.strip()[:90]}"
        for name, path in texts()
        if name != own
        for place, line in lines(name, path)
        if ELSEWHERE.search(line)
    ]
    wrong += [name for name, _ in texts() if re.search(r"law\d", name)]
    assert wrong == [], "state the law itself, or cite a page of the repository"


def test_every_cited_page_and_heading_is_there():
    wrong = [
        f"{place}: {match[0]}: {why}"
        for name, path in texts()
        for place, line in lines(name, path)
        for match in PAGE.finditer(line)
        if (why := broken(ROOT / match[1], match[2]))
    ]
    assert wrong == []


def test_every_file_that_a_page_names_is_there():
    wrong = [
        f"{place}: {match[1]}"
        for name, path in texts()
        if name.endswith(".md") and name != "CHANGELOG.md"
        for place, line in lines(name, path)
        for match in PATH.finditer(line)
        if "NAME" not in match[1] and not (ROOT / match[1]).exists()
    ]
    assert wrong == []


def test_every_link_of_a_page_leads_somewhere():
    wrong = [
        f"{place}: {match[0]}: {why}"
        for name, path in texts()
        if name.endswith(".md") and not name.endswith(".template.md")
        for place, line in lines(name, path)
        for match in LINK.finditer(line)
        if (why := broken((path.parent / match[1]).resolve() if match[1] else path, match[2]))
    ]
    assert wrong == []


def test_every_page_of_the_site_is_in_its_index():
    nav = (ROOT / "mkdocs.yml").read_text()
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if not re.search(rf": {re.escape(page)}$", nav, re.MULTILINE)} == set()
    index = (ROOT / "docs/decisions/index.md").read_text()
    decisions = {path.name for path in (ROOT / "docs/decisions").glob("*.md")} - {"index.md"}
    assert {page for page in decisions if f"({page})" not in index} == set()


@pytest.mark.parametrize(
    "text",
    ["DESIGN §7", "law 5", "laws 5 and 6", "CB-06", "KS-08", "RD-11", "issue 24", "reference/reliability.md", "test_law4"],
)
def test_what_is_refused(text):
    assert ELSEWHERE.search(f"decided before ({text})")
