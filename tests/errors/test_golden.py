"""Every error that a person may read says what its own cause is, where it is, and what to do: tests/golden/errors.txt.

`python -m tests.errors.golden` writes the page anew; whoever changes it reads it.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.errors.golden import PAGE, page, said

GUARD = Path(__file__).parents[2] / "guard"
KINDS = ("policy", "command", "environment")
NAMED = {
    "report": 1, "error": 1, "PolicyError": 2, "Misread": 0, "ContractInvalid": 0, "RuleInvalid": 0, "ExpressionInvalid": 0,
    "UsageError": 0, "BadParameter": 0, "SelectorInvalid": 0,
}  # fmt: skip
"""Who makes messages, and which argument says them. `Unreadable` of a policy besides."""
FOLDERS = (
    "policy",
    "contract",
    "ladder",
    "dialects",
    "cli",
    "kit/export",
    "kit/init",
    "kit/release",
    "kit/rehearse",
    "kit/checklist",
)
ELSEWHERE = {
    # Warnings of `guard check`, tests/policy/test_warn.py
    "copies prove nothing without `candidate.compare`, which names what is compared",
    "{}: nothing says what a copy costs at most",
    "the routes have another contract than this release's", "the environment variable {} is not set here", "the file {} is not there",
    # What needs a running process or a machine
    "cannot read the token {}: {}", "no token found; set GUARD_TOKEN", "peers share a token file; set GUARD_TOKEN to its secret",
    "cannot resolve {}: {}", "cannot write {}: {}", "cannot use {}: {}", "{}: {}", "the policy {} names no release",
    "name one with --route: guard watches {}",
    # Bounds that only files of megabytes reach
    "the schema has more than {} parts",
    # What needs a monitoring reference, which carries its own digest
    "several routes are watched: write `references: {ROUTE: FILE}`", "the reference has none of the watched fields",
    # Said of a library of other versions only
    "no field {} is declared", "more than one *",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_cause_says_what_the_page_has(kind: str) -> None:
    whole = PAGE.read_text(encoding="utf-8")
    assert page(kind) in whole, "python -m tests.errors.golden writes it anew; then read what changed"


@pytest.mark.parametrize("kind", KINDS)
def test_each_cause_is_told_and_no_two_causes_share_a_message(kind: str) -> None:
    causes: dict[str, set[str]] = defaultdict(set)
    for cause, messages in said(kind):
        assert messages, f"{cause}: nothing is said"
        for message in messages:
            causes[re.sub(r"^[\w./-]+:\d+:\d+: ", "", message)].add(cause)
    assert {message: several for message, several in causes.items() if len(several) > 1} == {}


def test_an_error_of_a_policy_says_where() -> None:
    for cause, messages in said("policy"):
        assert all(re.match(r"[\w.-]+:\d+:\d+: ", message) for message in messages), cause


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def templates() -> set[str]:
    """Every message that the source has, with {} for what is filled in."""
    found = set()
    for path in (path for folder in FOLDERS for path in (GUARD / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            at = 0 if name == "Unreadable" and path.parts[-2] == "policy" else NAMED.get(name)
            if at is not None and len(node.args) > at and (text := _text(node.args[at])) is not None:
                found.add(text)
    return found


def test_every_message_of_the_source_is_on_the_page() -> None:
    whole = "\n".join(message for kind in ("policy", "command") for _, messages in said(kind) for message in messages)
    missing = {
        text
        for text in templates() - ELSEWHERE
        if not re.search(re.escape(text).replace(r"\{\}", ".*"), whole) and text.strip("{}: ")
    }
    assert missing == set()
    assert templates() >= ELSEWHERE, "what the source no longer says"
