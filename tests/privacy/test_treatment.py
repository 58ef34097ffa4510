"""What stands in place of a value: nothing, a word, or a hash that only the key's owner can make."""

import hashlib
import hmac
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.privacy.treatment import DROPPED, MASKED, REDACTED, Hasher, treat

KEY = b"0123456789abcdef"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


def test_the_same_value_of_the_same_field_is_the_same_hash() -> None:
    hasher = Hasher(KEY)
    assert hasher("email", "bob@example.org") == Hasher(KEY)("email", "bob@example.org")
    assert re.fullmatch(r"hmac:[0-9a-f]{8}:[0-9a-f]{32}", hasher("email", "x"))
    assert len({hasher("email", "x"), hasher("phone", "x"), hasher("email", "y"), Hasher(KEY + b"x")("email", "x")}) == 4


@pytest.mark.parametrize(("one", "other", "same"), [
    (1, 1.0, True), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True), ([1], (1,), True), (1, "1", False), (True, 1, False),
    ("", "null", False), ([1, 2], [12], False), (10**30, 10**30 + 1, False), ("a", "A", False),
])  # fmt: skip
def test_equal_values_hash_alike_and_others_do_not(one: Any, other: Any, same: bool) -> None:
    hasher = Hasher(KEY)
    assert (hasher("f", one) == hasher("f", other)) is same


def test_fields_and_values_cannot_be_shifted_into_each_other() -> None:
    assert Hasher(KEY)("ab", "c") != Hasher(KEY)("a", "bc")


def test_a_dictionary_does_not_find_it_without_the_key() -> None:
    made = Hasher(KEY)("phone", "0171 0005000").rpartition(":")[2]
    for number in range(10_000):
        text = f"0171 {number:07d}"
        for candidate in (text.encode(), f'"{text}"'.encode(), f'phone"{text}"'.encode()):
            assert not hashlib.sha256(candidate).hexdigest().startswith(made)
            assert hashlib.md5(candidate).hexdigest() != made
            assert not hmac.digest(b"", candidate, "sha256").hex().startswith(made)


def test_a_rotation_shows() -> None:
    ids = {Hasher(KEY)("f", "v").split(":")[1], Hasher(b"another key of 16")("f", "v").split(":")[1]}
    assert len(ids) == 2


def test_no_key_no_hash() -> None:
    assert Hasher(None)("f", "v") == REDACTED
    assert Hasher(KEY)("f", None) == REDACTED


def test_a_key_is_long_enough_and_never_shown() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes") as caught:
        Hasher(b"short")
    assert "short" not in str(caught.value)
    assert "0123456789abcdef" not in repr(Hasher(KEY))


@given(JSON)
def test_anything_can_be_hashed(value: Any) -> None:
    assert Hasher(KEY)("f", value).startswith(("hmac:", REDACTED))


def test_treatments() -> None:
    hasher = Hasher(KEY)
    assert treat("drop", "f", "v", hasher) is DROPPED
    assert treat("mask", "f", "v", hasher) == treat("mask", "f", None, hasher) == MASKED
    assert treat("hash", "f", "v", hasher) == hasher("f", "v")
