"""The second fence: whatever comes, what leaves is searched, short and plain."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.privacy.fence import MOST_CHARACTERS, MOST_ITEMS, UNREADABLE, fence, make_fence

MAIL = "kanarie@example.org"


@pytest.mark.parametrize(("value", "told"), [
    (None, None), (True, True), (7, 7), (0.5, 0.5), ("approve", "approve"), (f"to {MAIL}", "to [email]"),
    ([1, MAIL], [1, "[email]"]), ((1, [MAIL]), [1, "<list>"]), ({"a": MAIL}, "<dict>"), (MAIL.encode(), "<bytes>"),
])  # fmt: skip
def test_values(value: Any, told: Any) -> None:
    assert fence(value) == told


def test_long_things_are_cut() -> None:
    assert fence("x" * 5000) == "x" * MOST_CHARACTERS
    assert len(fence(list(range(5000)))) == MOST_ITEMS  # type: ignore[arg-type]


def test_a_text_that_cannot_be_searched_is_not_sent() -> None:
    def crash(_text: str) -> tuple[str, dict[str, int]]:
        raise ValueError(MAIL)

    assert make_fence(crash)("secret") == UNREADABLE
    assert make_fence(crash)(["secret", 1]) == [UNREADABLE, 1]


@given(
    st.recursive(
        st.just(MAIL) | st.text(), lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=3)
    )
)
def test_no_address_gets_past(value: Any) -> None:
    assert MAIL not in repr(fence(value))
