"""One cause, one message: no two refusals read the same, and each code has its words and its status."""

from typing import get_args

from guard.dialects.problem import TITLES
from guard.proxy.rescue import STATUS
from guard.proxy.values.words import UnreadableCode


def test_every_cause_has_words_of_its_own() -> None:
    assert len(set(TITLES.values())) == len(TITLES)
    for code in get_args(UnreadableCode):
        assert TITLES[code]
        assert STATUS[code]
