"""The lint for plain English finds what it bans, lets pass what it does not, and finds nothing in the repository."""

import ast

import pytest

from tests.repository import plain_words


def test_the_repository_is_plain():
    assert [*plain_words.mannerisms(), *plain_words.openings()] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as good as none", True),
        ("Mended since", True),
        ("--json is given; say --data too", True),
        ("an amendment of the contract", False),
        ("a header that nobody asked for", False),
    ],
)
def test_mannerisms_are_whole_words_in_any_case(text: str, found: bool):
    assert bool(plain_words._MANNERISM.search(text)) == found


def test_text_is_a_constant_of_several_words_and_no_docstring():
    tree = ast.parse('"""A module."""\nx = ["one", "two words", f"in {x} parts", "a `quoted word` here"]\n')
    assert list(plain_words.strings(tree)) == [(2, "two words"), (2, "in … parts"), (2, "a  here")]


def test_docstrings_are_those_of_modules_classes_functions_and_constants():
    tree = ast.parse(
        '"""a"""\nX = 1\n"""b"""\nclass C:\n    """c"""\n    y: int = 2\n    """d"""\n    def f(self):\n        """e"""\n'
    )
    assert {text for _, text in plain_words.docstrings(tree)} == set("abcde")
    assert plain_words._OPENING.match("What it does.")
    assert not plain_words._OPENING.match("Offers what it does.")
