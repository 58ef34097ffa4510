"""A text made from a pattern matches it, by the engine that judges fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kit.pattern import written
from guard.policy import typed
from guard.policy.fields import InputField

PATTERNS = [
    "a+", "^[A-Z]{2}-[0-9]{6}$", r"^(?:no|\d{3,})\W[^x]?$", r"^(?<y>[^A]{2})..$", r"^(?P<y>ab)c{2}$", "^yes|no$", r"^[\w.-]+@x\.org$",
    r"^\x41\u{42}\x{43}$", r"^[]a]{2}$", r"^[^]\d]$", r"^[a\-z]-$", r"^\[\(\{\}\)\]$", r"^a{0}b*c?$", r"^(a|bc){2,3}$", r"^\D\S\W$",
    r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}\z", r"^(?i:ab)$", "^$", "", r"^\t$", r"^[\s]x[\d]$", r"^[+-]?\d+(\.\d+)?$", "^[é-ü]$",
]  # fmt: skip
UNKNOWN = ["[[:alpha:]]+", r"\p{L}+", "[a-z&&[^b]]", "(?x) a b", "a{2000}", "((((a{900}){900})))", "a)", "(a", "[a", "a\\"]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_text_of_a_pattern_matches_it(pattern: str, more: int) -> None:
    text = written(pattern, more)
    assert text is not None
    assert not list(typed.breaches(text, InputField(type="string", pattern=pattern)))


@pytest.mark.parametrize("pattern", UNKNOWN)
def test_for_what_is_not_known_there_is_no_text(pattern: str) -> None:
    assert written(pattern) is None


@given(st.text("ab01[](){}?*+|\\^$.-,<>:&~dwsxuPp", max_size=20))
def test_any_text_is_read_to_an_end(pattern: str) -> None:
    text = written(pattern)
    assert text is None or len(text) <= 1000
