"""What a page tells people to write is accepted, and what it tells them to run prints what it shows."""

from pathlib import Path

import pytest
import yaml

from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from tests.pages.markdown import Block, blocks, sections
from tests.pages.session import Session, commands, matches

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md"])
YAML = [block for page in PAGES for block in blocks(page) if block.language in {"yaml", "yml"}]
POLICIES = [block for block in YAML if "version: guard/v1" in block.text]
RECIPES = sections(DOCS / "recipes.md")
SESSIONS = {page.name: blocks(page) for page in sorted(DOCS.glob("quickstart-*.md"))}
"""Pages whose commands are run from the first to the last, in one folder."""


@pytest.mark.parametrize("block", POLICIES, ids=str)
def test_a_policy_of_a_page_is_accepted(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(block.text, encoding="utf-8")
    loaded = load(path, environ={"MODEL_HOST": "model.example"})
    compile_plan(loaded, CompileContext())


@pytest.mark.parametrize("block", [block for block in YAML if block not in POLICIES], ids=str)
def test_yaml_of_a_page_that_is_no_policy_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


def test_every_recipe_has_a_policy_and_a_command_that_shows_it_at_work() -> None:
    recipes = {heading: parts for heading, parts in RECIPES.items() if heading}
    assert len(recipes) > 20
    for heading, parts in recipes.items():
        assert any(block.title == "policy.yaml" for block in parts), heading
        assert any(shown for block in parts if block.language == "console" for _, shown in commands(block)), heading


def _run(parts: list[Block], folder: Path) -> None:
    with Session(folder) as session:
        for block in parts:
            if block.title:
                session.write(block)
            elif block.language == "console":
                for command, shown in commands(block):
                    printed = session.run(command)
                    assert matches(shown, printed), f"{block}: $ {command}\nshown:\n{shown}\nprinted:\n{printed}"


@pytest.mark.parametrize("heading", [heading for heading in RECIPES if heading])
def test_a_recipe_does_what_it_says(heading: str, tmp_path: Path) -> None:
    _run([*RECIPES[""], *RECIPES[heading]], tmp_path)


@pytest.mark.parametrize("page", SESSIONS)
def test_a_quickstart_does_what_it_says(page: str, tmp_path: Path) -> None:
    _run(SESSIONS[page], tmp_path)


def test_a_command_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        assert matches("a …\n", session.run("echo a b"))
        assert not matches("a c\n", session.run("echo a b"))
        assert matches("a\n…\nd\n", session.run("printf 'a\\nb\\nc\\nd\\n'"))
        assert not matches("", session.run("echo a b"))
        assert matches("", session.run("true"))
