"""The site fetches nothing from anybody: what its pages need is in the repository, as its maker published it."""

import hashlib
import re
from pathlib import Path

from tests.pages.markdown import blocks

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
MERMAID = "3a93016a73dc82ba890d919f9bbb176f3da9d98341650c0b517f2595cc68fef8"
"""SHA-256 of dist/mermaid.min.js in the npm package mermaid 11.6.0."""
KINDS = ("flowchart ", "sequenceDiagram", "stateDiagram-v2")


def test_the_theme_finds_mermaid_in_the_site_and_does_not_fetch_it():
    """The theme fetches it from a CDN unless a script has defined it."""
    assert re.search(r"^extra_javascript: \[assets/mermaid\.min\.js\]", CONFIGURATION, re.MULTILINE)
    assert hashlib.sha256((ROOT / "docs/assets/mermaid.min.js").read_bytes()).hexdigest() == MERMAID


def test_no_page_and_no_setting_names_a_script_style_or_font_of_somebody_else():
    assert re.search(r"^  font: false", CONFIGURATION, re.MULTILINE)
    for text in (CONFIGURATION, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))):
        assert not re.search(r"""(?:src|href)=["']?https?:|!\[[^]]*\]\(https?:|cdn\.|unpkg\.""", text)


def test_a_diagram_is_of_a_kind_that_is_drawn():
    """In a sequence a semicolon ends a line: what stands behind it would be a syntax error."""
    diagrams = [
        block
        for page in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md")
        for block in blocks(page)
        if block.language == "mermaid"
    ]
    assert len(diagrams) >= 6
    for block in diagrams:
        assert block.text.startswith(KINDS), str(block)
        assert ";" not in block.text, str(block)
