"""The root of the repository holds what is listed here, and nothing else: a stray command leaves its files there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    ".github",
    ".ci", ".dockerignore", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "README.md",
    "benchmarks", "deploy", "docs", "fuzz", "guard", "mkdocs.yml", "policies", "pyproject.toml", "requirements", "tests",
}  # fmt: skip
STORE = re.compile(r"(?:^|/)(?:overlay|storage\.lock|userns\.lock|(?:containers|images|layers)\.(?:lock|json))(?:/|$)")


def committed():
    """Files that are in the repository, or would be with the next `git add .`."""
    if not (ROOT / ".git").exists():
        pytest.skip("a copy of the checkout, without its history")
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


def test_the_root_holds_nothing_unknown():
    names = {name.partition("/")[0] for name in committed()}
    assert names - ALLOWED == set(), "list it in ALLOWED, or remove it"
    assert ALLOWED - names == set(), "it is gone: remove it from ALLOWED"


def test_no_part_of_a_container_store_is_committed():
    assert [name for name in committed() if STORE.search(name)] == []


def test_every_container_store_is_below_the_cache():
    """A relative `--root` makes a store wherever the command is run from."""
    for name in ("deploy/image/make.py", "tests/image/pod.py"):
        stores = re.findall(r'"--(?:root|runroot)", str\((.*?)\)', (ROOT / name).read_text())
        assert len(stores) == 2, name
        assert all(store.startswith(("CACHE /", 'ROOT / ".cache/')) for store in stores), name
