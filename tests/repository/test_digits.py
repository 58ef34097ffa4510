"""`str.isdigit` takes `²` for a digit, and `int` raises on it; it takes `٣` for one, and other parsers do not."""

import ast
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[2] / "guard"
TESTS = frozenset(("isdigit", "isdecimal", "isnumeric"))
OF_BYTES = {
    ("proxy/headers.py", "value.isdigit()"), ("dialects/oip_message.py", "text.isdigit()"), ("dialects/tei.py", "tokens.isdigit()"),
}  # fmt: skip
"""Bytes know ASCII digits alone."""
ON_PURPOSE = {
    ("privacy/detectors/values.py", "item.isdecimal()"),  # writes the digits of every script as ASCII ones, one by one
    ("dialects/delimited.py", "text.lstrip('+-').isdigit()"),  # `is_number` has seen the text
}


def unguarded(source: str) -> list[str]:
    """The calls that no `isascii` stands before, in the same condition."""
    tree = ast.parse(source)
    guarded = {
        id(call)
        for condition in ast.walk(tree)
        if isinstance(condition, ast.BoolOp)
        and any(isinstance(call, ast.Attribute) and call.attr == "isascii" for call in ast.walk(condition))
        for call in ast.walk(condition)
    }
    return [
        ast.unparse(call)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in TESTS
        and id(call) not in guarded
    ]


@pytest.mark.parametrize("path", sorted(GUARD.rglob("*.py")), ids=lambda path: str(path.relative_to(GUARD)))
def test_only_ascii_digits_are_taken_for_a_number(path: Path) -> None:
    name = str(path.relative_to(GUARD))
    calls = {(name, call) for call in unguarded(path.read_text())}
    assert calls <= OF_BYTES | ON_PURPOSE


def test_the_search_finds_what_it_is_for() -> None:
    assert unguarded("raw.isdigit() and len(raw) < 19") == ["raw.isdigit()"]
    assert unguarded("raw.isascii() and raw.isdigit()") == []
