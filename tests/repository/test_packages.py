"""A package says in three lines what it is, what belongs there and what does not; what it says of files is true."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(str(path.parent.relative_to(ROOT)) for path in (ROOT / "guard").rglob("__init__.py"))
LISTED = re.compile(r"^((?:[a-z_]+)(?:, [a-z_]+| … [a-z_]+)*,?)(?: {2,}\S|$)", re.MULTILINE)


def opening(package):
    return (ROOT / package / "__init__.py").read_text().split('"""')[1]


def test_every_folder_of_code_is_a_package():
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "guard").rglob("*.py")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_opens_with_what_it_is_what_belongs_there_and_what_does_not(package):
    lines = opening(package).splitlines()
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert re.match(r"Here: .+\.$", lines[2])
    assert re.match(r"Not here: .+\.$", lines[3])
    assert lines[4:5] in ([], [""]), "three lines, and no more before a blank one"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_refers_to_is_there(package):
    for name in re.findall(r"`(guard(?:\.\w+)+)`", opening(package)):
        assert importlib.util.find_spec(name) is not None, name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_lists_its_files_lists_each_of_them(package):
    """The list may be cut with …, as that of the nine sections is."""
    listed = {name for match in LISTED.finditer(opening(package)) for name in re.findall(r"[a-z_]+", match[1])}
    if not listed or "…" in opening(package):
        return
    folder = ROOT / package
    there = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert listed == there - {"__init__"}
