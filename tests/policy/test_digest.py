"""What changes a contract's digest, and what does not."""

from pathlib import Path

import pytest

from guard.policy.loading import load
from guard.policy.loading.digest import contract_digest, release_digest

HEAD = "version: guard/v1\nservice: t\nupstream: http://h:1\n"
ROUTE = """routes:
  POST /predict:
    input:
      age: {type: integer, min: 18}
      place: {type: object, fields: {city: {type: string}}}
      note: {type: string, required: false}
    output: {label: {enum: [a, b], meaning: m}}
    fallback: {label: a}
"""


def contract(folder: Path, text: str, more: str = "") -> str:
    (folder / "p.yaml").write_text(HEAD + text + more)
    loaded = load(folder / "p.yaml", environ={})
    return contract_digest(loaded.policy, loaded.schemas)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("min: 18", "min: 19", True),
        ("min: 18", "min: 18, required: true", False),
        ("min: 18", "min: 18, description: d", False),
        ("min: 18", "min: 18, log: true", False),
        ("min: 18", "min: 18, unit: years", True),
        ("min: 18", "min: 18, sensitivity: personal", True),
        ("min: 18", "min: 18, send: false", True),
        ("min: 18", "min: 18, at: /a/age", True),
        ("required: false", "nullable: true, default: null", True),
        ("city: {type: string}", "city: {type: string, max_length: 9}", True),
        ("city: {type: string}", "city: {type: string, description: d}", False),
        ("city:", "description:", True),  # a field may be named like a key
        ("meaning: m", "meaning: another", True),
        ("[a, b]", "[a, b, c]", True),
        ("    fallback: {label: a}\n", "", False),
        ("    fallback: {label: a}\n", "    undeclared: reject\n", True),
        ("    fallback: {label: a}\n", "    timeout: {attempt: 1s}\n    enforcement: observe\n", False),
        ("POST /predict", "POST /score", True),
        ("    input:\n", "    input: # in other words\n", False),
    ],
)
def test_what_a_contract_is(tmp_path: Path, before: str, after: str, changes: bool) -> None:
    assert before in ROUTE
    same = contract(tmp_path, ROUTE) == contract(tmp_path, ROUTE.replace(before, after))
    assert same == (not changes)


def test_routes_that_have_none_are_no_part_of_it(tmp_path: Path) -> None:
    more = "  GET /health: passthrough\n  GET /static/private/*: denied\n"
    assert contract(tmp_path, ROUTE) == contract(tmp_path, ROUTE, more)


def test_a_schema_file_counts_by_its_content(tmp_path: Path) -> None:
    text = "routes: {POST /p: {input: {schema: s.json}}}\n"
    (tmp_path / "s.json").write_text('{"type": "object"}')
    one = contract(tmp_path, text)
    (tmp_path / "other.json").write_text('{"type": "object"}')
    assert contract(tmp_path, text.replace("s.json", "other.json")) == one
    (tmp_path / "s.json").write_text('{"type": "array"}')
    assert contract(tmp_path, text) != one


def test_a_release_is_the_same_in_a_file_and_inline(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").write_text("# from CI\nversion: 3.10\n")
    digests = set()
    for text in ("release: release.yaml\n", "release: {version: '3.10'}\n", "release: {strict: false, version: 3.10}\n"):
        (tmp_path / "p.yaml").write_text(HEAD + text + ROUTE)
        digests.add(release_digest(load(tmp_path / "p.yaml", environ={}).policy.release))
    assert len(digests) == 1
    (tmp_path / "p.yaml").write_text(HEAD + "release: {version: 3.1}\n" + ROUTE)
    assert release_digest(load(tmp_path / "p.yaml", environ={}).policy.release) not in digests
    assert release_digest(None) is None
